"""Compare a resource with the state that its role asked for, right after the role ran.

An incomplete receipt makes its role run at every deploy, so only clear mismatches count. A unit
that starts slowly, a finished job, or a package under another name is no mismatch.
"""

from __future__ import annotations

import re
import subprocess

from chautari.node import current_resources
from chautari.node.changes_since_receipt import Item, State
from chautari.node.events import Reason, make_reason

RUNNING = frozenset({"started", "restarted", "reloaded"})
INSTALLED = frozenset({"installed", "triggers-awaited", "triggers-pending"})
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def desired_state_mismatch(item: Item, state: State) -> Reason | None:
    """Return how a resource differs from what its role asked for; None when it does not.

    Args:
        item: what the receipt watches; without `desired` there is nothing to compare.
        state: its current state, as `current_resources.current_states` returns it.
    """
    name, desired = item["name"], item.get("desired")
    if item["kind"] == "unit" and desired in RUNNING:
        return _unit_mismatch(name, desired, state.get("active"))
    if item["kind"] == "package" and NAME.fullmatch(name):
        installed = state["status"] in INSTALLED
        if desired == "absent" and installed:
            return make_reason("package_returned", package=name)
        if desired == "present" and not installed and not _is_provided_by_package(name):
            return make_reason("package_missing", package=name, status=state["status"])
    return None


def _unit_mismatch(name: str, desired: str, active: str | None) -> Reason | None:
    """Compare a unit; a job that ends by itself has no `active` state.

    A unit that only a handler restarts may be inactive; one that a task starts may not.
    """
    if active == "restarting":
        return make_reason("unit_restarting", unit=name, action=desired)
    wrong = ("failed", "inactive") if desired == "started" else ("failed",)
    if active in wrong:
        return make_reason("unit_not_active", unit=name, action=desired, state=active)
    return None


def _is_provided_by_package(name: str) -> bool:
    """Return whether an installed package provides `name`; also where dpkg does not answer."""
    argv = ("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Provides}\n")
    try:
        done = subprocess.run(
            argv, env={"PATH": current_resources.PATH}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return True
    provides = re.compile(rf"[ ,]{re.escape(name)}(?:[ ,:]|$)")
    rows = (row.partition(" ")[::2] for row in done.stdout.splitlines())
    return any(status in INSTALLED and provides.search(f" {names}") for status, names in rows)
