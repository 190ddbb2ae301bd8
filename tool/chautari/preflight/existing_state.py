"""What was on a machine before a role's first deploy: found, refused, or adopted with a copy.

A role names in its `meta/receipt.yml` what it would replace, disable or cut off (`takes_over`). On
a node where it never ran, such a file belongs to other software or people, unless it is a package's
own. The role's first preparation marks it as claimed, so that files of an interrupted deploy are
not taken for theirs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from chautari.report.model import Refusal

ADOPTED = "/var/lib/chautari/adopted"
MAX_ITEMS = 100  # of one machine; the others are found when these are settled
_FUNCTIONS = Path(__file__).with_name("existing_state.sh").read_text()
_CLAIM_FUNCTIONS = Path(__file__).with_name("claim_roles.sh").read_text()
_KERNEL_TABLES = "nftables:"
_LOGINS = "sshd:"
_TABLE = re.compile(r"nftables: ((?:ip|ip6|inet|arp|bridge|netdev) [A-Za-z0-9_-]+)")

Existing = Sequence[tuple[str, str]]


def existing_state_script(
    takes_over: Mapping[str, Sequence[str]], operators: Sequence[str] = ()
) -> str:
    """Return commands that report existing state; `takes_over` has patterns of paths by role.

    `operators` are accounts that get a key.
    """
    calls = []
    for role, patterns in takes_over.items():
        paths = [item for item in patterns if item not in (_KERNEL_TABLES, _LOGINS)]
        if paths:
            calls.append(f"report_existing {role} {' '.join(paths)}\n")
        if _KERNEL_TABLES in patterns:
            calls.append(f"report_existing_tables {role}\n")
        if _LOGINS in patterns:
            calls.append(f"report_existing_logins {shlex.join([role, *operators])}\n")
    if not calls:
        return ""
    return f"$root sh -s <<'CHAUTARI'\n{_FUNCTIONS}{''.join(calls)}CHAUTARI\n"


def existing_state_refusals(existing: Existing, adopt: Sequence[str]) -> Iterator[Refusal]:
    """Yield a refusal for each role that would replace what it did not make."""
    for role in dict.fromkeys(role for role, _ in existing):
        if role not in adopt:
            found = [path for owner, path in existing if owner == role]
            yield Refusal("existing_state", {"role": role, "paths": found})


def copy_adopted_and_mark_ours_script(roles: Sequence[str], existing: Existing) -> str:
    """Return commands that copy what is adopted, and then mark the roles as the node's own."""
    found = dict.fromkeys(path for _, path in existing)
    paths = [shlex.quote(path) for path in found if path.startswith("/")]
    tables = [table[1] for path in found if (table := _TABLE.fullmatch(path))]
    calls = [f"adopt_paths {' '.join(paths)}\n"] if paths else []
    calls += [f"adopt_table {table}\n" for table in tables]
    return f"{_CLAIM_FUNCTIONS}{''.join(calls)}claim_roles {' '.join(roles)}\n"
