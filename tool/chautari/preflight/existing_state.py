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
_SOURCE_FUNCTIONS = Path(__file__).with_name("apt_sources.sh").read_text()
_FUNCTIONS = Path(__file__).with_name("existing_state.sh").read_text() + _SOURCE_FUNCTIONS
_COPY_FUNCTIONS = Path(__file__).with_name("copy_adopted.sh").read_text() + _SOURCE_FUNCTIONS
# What is no file, by the item of `takes_over` that stands for it.
_FUNCTIONS_BY_ITEM = {
    "nftables:": "report_existing_tables",
    "sshd:": "report_existing_logins",
    "mail-transport-agent:": "report_existing_mail_servers",
    "cron:": "report_existing_jobs",
    "databases:": "report_existing_databases",
}
_JOB = "cron: "
# Refusals of their own, by what an item begins with.
_CODES = {
    _JOB: "existing_jobs",
    CLOSED: "existing_listeners",
    "apt: ": "existing_sources",
    "database: ": "existing_databases",
}
# A firewall that its program loads again, such as ufw: `adopt` cannot end it.
_FIREWALL = re.compile(r"firewall of ([A-Za-z0-9/._ -]{1,100}), nftables: (.*)")
# An item of `takes_over`: the address of a source of apt, without its scheme.
APT = "apt:"
_SOURCE = re.compile(r"apt: ([A-Za-z0-9._:/-]+) in (/etc/apt/[A-Za-z0-9._/-]+)")
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
        if addresses := [item.removeprefix(APT) for item in patterns if item.startswith(APT)]:
            calls.append(f"report_existing_sources {shlex.join([role, *addresses])}\n")
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
        if firewall := _FIREWALL.fullmatch(item):
            yield Refusal("existing_firewall", {"program": firewall[1], "table": firewall[2]})
        elif role not in adopt:
            code, shown = _refusal_code_and_item(item)
            found.setdefault((code, role), []).append(shown)
    for (code, role), items in found.items():
        yield Refusal(code, {"role": role, "paths": items})


def _refusal_code_and_item(item: str) -> tuple[str, str]:
    """Return the code of the refusal for an item, and the item as the refusal names it."""
    for prefix, code in _CODES.items():
        if item.startswith(prefix):
            return code, item.removeprefix(prefix)
    return "existing_state", item


def script_to_copy_adopted(existing: Existing) -> str:
    """Return commands that copy what is adopted; empty if none of it is a file or a table."""
    found = dict.fromkeys(item.removeprefix(_JOB) for _, item in existing)
    sources = [source.groups() for item in found if (source := _SOURCE.fullmatch(item))]
    files = (*(item for item in found if item.startswith("/")), *(file for _, file in sources))
    paths = [shlex.quote(path) for path in dict.fromkeys(files)]
    tables = [table[1] for path in found if (table := _TABLE.fullmatch(path))]
    calls = [f"adopt_paths {' '.join(paths)}\n"] if paths else []
    calls += [f"adopt_source {file} {address}\n" for address, file in sources]
    calls += [f"adopt_table {table}\n" for table in tables]
    return f"{_COPY_FUNCTIONS}{''.join(calls)}" if calls else ""
