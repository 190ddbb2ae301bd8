"""What was on a machine before a role's first deploy: found, refused, or adopted with a copy.

A role names in its `meta/receipt.yml` what it would replace, disable or cut off (`takes_over`). On
a node where it never ran, such a file belongs to other software or people, unless it is a package's
own. A run records its roles before it changes anything, so files of an interrupted run are not
taken for theirs. What a removed role left behind is not theirs either, unless it changed since.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from chautari.preflight.listeners import CLOSED
from chautari.report.model import Refusal

ADOPTED = "/var/lib/chautari/adopted"
MAX_ITEMS = 100  # of one machine; the others are found when these are settled
_FUNCTIONS = Path(__file__).with_name("existing_state.sh").read_text()
_COPY_FUNCTIONS = Path(__file__).with_name("copy_adopted.sh").read_text()
# What is no file, by the item of `takes_over` that stands for it.
_FUNCTIONS_BY_ITEM = {
    "nftables:": "report_existing_tables",
    "sshd:": "report_existing_logins",
    "mail-transport-agent:": "report_existing_mail_servers",
    "cron:": "report_existing_jobs",
}
_JOB = "cron: "
_TABLE = re.compile(r"nftables: ((?:ip|ip6|inet|arp|bridge|netdev) [A-Za-z0-9_-]+)")

Existing = Sequence[tuple[str, str]]


def existing_state_script(
    takes_over: Mapping[str, Sequence[str]], operators: Sequence[str] = ()
) -> str:
    """Return commands that report existing state; `takes_over` has what each role replaces.

    `operators` are accounts that get a key.
    """
    calls = [f"report_ours {' '.join(takes_over)}\n"] if takes_over else []
    for role, patterns in takes_over.items():
        paths = [item for item in patterns if item.startswith("/")]
        if paths:
            calls.append(f"report_existing {role} {' '.join(paths)}\n")
        calls += [
            f"{function} {shlex.join([role, *operators])}\n"
            for item, function in _FUNCTIONS_BY_ITEM.items()
            if item in patterns
        ]
    if not calls:
        return ""
    return f"$root sh -s <<'CHAUTARI'\n{_FUNCTIONS}{''.join(calls)}CHAUTARI\n"


def existing_state_refusals(existing: Existing, adopt: Sequence[str]) -> Iterator[Refusal]:
    """Yield a refusal for each role that would replace what it did not make."""
    found: dict[tuple[str, str], list[str]] = {}
    for role, item in existing:
        if role not in adopt:
            code, shown = _code_and_name(item)
            found.setdefault((code, role), []).append(shown)
    for (code, role), items in found.items():
        yield Refusal(code, {"role": role, "paths": items})


def _code_and_name(item: str) -> tuple[str, str]:
    """Return the code of the refusal for an item, and the item as the refusal names it."""
    if item.startswith(_JOB):
        return "existing_jobs", item.removeprefix(_JOB)
    if item.startswith(CLOSED):
        return "existing_listeners", item.removeprefix(CLOSED)
    return "existing_state", item


def copy_adopted_script(existing: Existing) -> str:
    """Return commands that copy what is adopted; empty if none of it is a file or a table."""
    found = dict.fromkeys(item.removeprefix(_JOB) for _, item in existing)
    paths = [shlex.quote(path) for path in found if path.startswith("/")]
    tables = [table[1] for path in found if (table := _TABLE.fullmatch(path))]
    calls = [f"adopt_paths {' '.join(paths)}\n"] if paths else []
    calls += [f"adopt_table {table}\n" for table in tables]
    return f"{_COPY_FUNCTIONS}{''.join(calls)}" if calls else ""
