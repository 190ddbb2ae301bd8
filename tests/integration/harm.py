"""Faults of a node or of the connection to it, and what the node recorded afterwards."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.integration import tampering
from tests.integration.conftest import Outcome, Proof

from chautari.region.load import load_region
from chautari_sandbox.privileges import as_root

HOLD_APT = """
import fcntl, sys, time
with open(sys.argv[2], "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
"""


# Removed so that a deploy has to install them; nothing else on a node depends on them.
PACKAGES = ("libsasl2-modules", "unattended-upgrades")


def receipts(proof: Proof, node: str) -> list[dict[str, Any]]:
    """Return the receipts that a node holds."""
    script = "for f in /var/lib/chautari/receipts/*.json; do cat $f; echo; done"
    return tampering.receipts_of(proof.on(node, "sh", "-c", script))


def roles_run(outcome: Outcome, node: str) -> set[str]:
    return {role["name"] for role in outcome.node(node)["roles"] if not role["up_to_date"]} - {
        "setup"
    }


def recorded_states(proof: Proof, node: str) -> dict[str, Any]:
    """Return the states of all resources that roles manage, from the receipts of a node."""
    return {
        f"{receipt['role']} {item['kind']} {item['name']}": state
        for receipt in receipts(proof, node)
        for item, state in zip(receipt["items"], receipt["states"], strict=True)
        # A marker is recorded as a file only by the run that touched it.
        if item["kind"] != "reload_marker" and not item["name"].endswith(".loaded")
    }


def tamper(proof: Proof, node: str) -> list[str]:
    """Change every managed file of a node, so that a deploy has work; return the changes."""
    made = [
        change
        for change in tampering.changes(receipts(proof, node))
        if (change.kind in ("content", "mode", "stopped") and not change.item.startswith("/proc"))
        or (change.kind == "package" and change.item in PACKAGES)
    ]
    script = "\n".join(change.command for change in made)
    proof.on(node, "sh", "-c", script)
    return [str(change) for change in made]


def runs(proof: Proof, node: str) -> list[dict[str, Any]]:
    """Return for each run on a node: its id, operator, start, end (Unix times) and success.

    A killed run has no end; one that systemd stopped has an end without success.
    """
    script = "cd /var/lib/chautari/runs; for r in *; do echo $r; cat $r/events.jsonl; done"
    found: list[dict[str, Any]] = []
    for line in proof.on(node, "sh", "-c", script).splitlines():
        if not line.startswith("{"):
            found.append({"run": line, "began": None, "ended": None, "ok": False})
            continue
        event = json.loads(line)
        if event["event"] == "run_started":
            found[-1] |= {"began": event["time"], "operator": event["operator"]}
        elif event["event"] == "run_finished" and found[-1]["began"]:
            found[-1]["ended"] = found[-1]["began"] + event["seconds"]
            found[-1]["ok"] = event["ok"]
    return [run for run in found if run["began"]]


def strike_at_random(
    needed: int, seconds: float, seed: int, strike: Callable[[float], bool]
) -> int:
    """Strike at random moments until `needed` of them hit; return how many strikes that took.

    The moments are spread over a run that takes about `seconds`: each hit moves on to the next
    part of it. A strike before or after the run is repeated at any moment.
    """
    dice = random.Random(seed)
    hits, missed = 0, False
    for strikes in range(1, 3 * needed + 6):
        part, parts = (0, 1) if missed else (hits, needed)
        missed = not strike(round(seconds * (part + dice.random()) / parts, 2))
        hits += not missed
        if hits == needed:
            return strikes
    raise AssertionError(f"{hits} of {needed} strikes hit a run")


def active_runs(proof: Proof, node: str, may_be_down: bool = False) -> list[str]:
    """Return the units of the runs that are active on a node."""
    argv = ("systemctl", "list-units", "--plain", "--no-legend", "chautari-run-*")
    units = proof.on(node, *argv, check=not may_be_down)
    return [line.split()[0] for line in units.splitlines()]


def last_run_interrupted(proof: Proof, node: str) -> bool:
    """Return whether the last run on a node did not finish."""
    return not runs(proof, node)[-1]["ok"]


def kill_runner(proof: Proof, node: str) -> bool:
    """Kill the runner on a node, as the kernel does when memory is short; return whether it ran."""
    units = active_runs(proof, node)
    for unit in units:
        proof.on(node, "systemctl", "kill", "--kill-whom=main", "-s", "KILL", unit, check=False)
    return bool(units)


def restart(proof: Proof, node: str, *, power_cut: bool = False) -> None:
    """Restart a node: systemd shuts down, or all stops at once; then the container is started."""
    name = f"{proof.container_prefix}{node}"
    if power_cut:
        subprocess.run(as_root(["podman", "kill", "-s", "KILL", name]), check=True)
    else:
        proof.on(node, "systemctl", "reboot", check=False)
    for _ in range(60):
        state = as_root(["podman", "inspect", "-f", "{{.State.Running}}", name])
        if subprocess.run(state, capture_output=True, text=True).stdout.strip() != "true":
            break
        time.sleep(0.5)
    subprocess.run(as_root(["podman", "start", name]), check=True, capture_output=True)
    address = load_region(proof.file).region.nodes[node].address
    for _ in range(120):
        # It has to be reachable from here, under its new hardware address.
        with contextlib.suppress(OSError), socket.create_connection((address, 22), 2) as link:
            link.settimeout(2)
            if link.recv(4) == b"SSH-":
                return
        time.sleep(0.5)
    raise AssertionError(f"{node} did not restart")


@contextlib.contextmanager
def connection_cut(proof: Proof, node: str) -> Iterator[None]:
    """Drop every packet to and from a node; neither side gets an error."""
    rules = """
    table inet cut {
        chain i { type filter hook input priority -300; iifname != "lo" drop; }
        chain o { type filter hook output priority -300; oifname != "lo" drop; }
    }
    """
    proof.run_with_input(node, rules, "nft", "-f", "-")
    try:
        yield
    finally:
        proof.on(node, "nft", "delete", "table", "inet", "cut")


@contextlib.contextmanager
def apt_lock_held(
    proof: Proof, node: str, seconds: float, lock: str = "/var/lib/dpkg/lock-frontend"
) -> Iterator[None]:
    """Hold a lock of apt on a node for some seconds, as unattended upgrades do."""
    hold = ["python3", "-c", HOLD_APT, str(seconds), lock]
    argv = as_root(["podman", "exec", f"chautari_proof_{node}", *hold])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield


def deploy_without_receipts(proof: Proof, node: str) -> Outcome:
    """Deploy to the node without its receipts, so that the whole preflight runs.

    They return afterwards: a refused deploy changes nothing, so they are still true.
    """
    receipts, moved = "/var/lib/chautari/receipts", "/var/lib/chautari/moved-receipts"
    proof.on(node, "sh", "-c", f"mv {receipts} {moved} && mkdir -m 0700 {receipts}")
    try:
        return proof.deploy("region", "--json", "--no-checks", "--node", node)
    finally:
        proof.on(node, "sh", "-c", f"rm -r {receipts} && mv {moved} {receipts}")


def refusals(outcome: Outcome, node: str) -> str:
    """Return why a deploy refused a node, with the fixes."""
    assert outcome.code == 1, outcome.problems
    assert outcome.node(node)["state"] == "refused", outcome.problems
    return "\n".join(
        f"{item['reason']} -> {item['fix']}" for item in outcome.node(node)["refusals"]
    )
