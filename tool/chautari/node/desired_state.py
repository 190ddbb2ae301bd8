"""Whether a thing stands as its role wished it, looked at right after the role ran.

A receipt that stays open makes its role run at every deploy, so only what is plainly wrong counts:
a unit that starts slowly, a job that is done, or a package under another name is all right.
"""

from __future__ import annotations

import re
import subprocess
from typing import Any

from chautari.node import fingerprint

RUNS = frozenset({"started", "restarted", "reloaded"})
THERE = frozenset({"installed", "triggers-awaited", "triggers-pending"})
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def unlike(item: dict[str, Any], state: dict[str, Any]) -> str:
    """Return how a thing differs from its role's wish, in words; empty when it does not.

    Args:
        item: what the receipt watches; without a `wish` there is nothing to compare.
        state: how it stands now, as `fingerprint.states` returns it.
    """
    name, wish = item["name"], item.get("wish")
    if item["kind"] == "unit" and wish in RUNS:
        # Of a job that ends by itself no activity is told. A unit that only a handler speaks of
        # may rest; one that a task starts at every run is not started when it rests.
        wrong = ("failed", "inactive") if wish == "started" else ("failed",)
        active = state.get("active")
        if active == "restarting":
            return f"{name} was {wish}, and ended again (`journalctl -u {name}` says why)"
        return f"{name} was {wish}, and is {active}" if active in wrong else ""
    if item["kind"] == "package" and NAME.fullmatch(name):
        there = state["status"] in THERE
        if wish == "absent" and there:
            return f"the package {name} was removed, and is there again"
        if wish == "present" and not there and not _provided(name):
            return f"the package {name} was installed, and is {state['status']}"
    return ""


def _provided(name: str) -> bool:
    """Return whether an installed package brings another one's name, or nobody can tell."""
    argv = ("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Provides}\n")
    try:
        done = subprocess.run(
            argv, env={"PATH": fingerprint.PATH}, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return True
    brought = re.compile(rf"[ ,]{re.escape(name)}(?:[ ,:]|$)")
    rows = (row.partition(" ")[::2] for row in done.stdout.splitlines())
    return any(status in THERE and brought.search(f" {names}") for status, names in rows)
