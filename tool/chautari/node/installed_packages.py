"""List the packages that the node's roles installed, for the bill of materials of a run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from chautari.node import receipts

if TYPE_CHECKING:
    from chautari.node.events import InstalledPackage, InstalledPackages

_FORMAT = "${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n"


def installed_packages_event(state: Path) -> InstalledPackages:
    """Return the packages that receipts name and that are installed, each with its roles."""
    roles: dict[str, list[str]] = {}
    for receipt in receipts.all_receipts(state):
        for name in sorted({i["name"] for i in receipt.items if i["kind"] == "package"}):
            roles.setdefault(name, []).append(receipt.role)
    return {"event": "installed_packages", "packages": _query_dpkg(roles)}


def _query_dpkg(roles: dict[str, list[str]]) -> list[InstalledPackage]:
    argv = ["dpkg-query", "--show", f"--showformat={_FORMAT}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [
        {"name": row[0], "version": row[1], "architecture": row[2], "roles": roles[row[0]]}
        for row in rows
        if len(row) == 4 and row[3] == "installed" and row[0] in roles
    ]
