"""Many nodes at once, all played by a stand-in `ssh` that answers as a node's runner would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.lab import ROOT, Lab
from benchmarks.measure import (
    Command,
    Figure,
    at_most,
    cpu,
    figure,
    interleaved,
    memory,
    once,
    seconds,
)

FEW, MANY = 250, 1000
LIMIT_MB = 500.0
CPU_SECONDS = 0.2
LINEAR = 1.25
_NO_PEER = "a stand-in answers for our runner only; a push needs real nodes"
# Reads what it is sent, as a node does, and says what stands in the file of answers.
_STAND_IN = '#!/bin/sh\ncat >/dev/null\nexec cat "$CHAUTARI_STAND_IN"\n'


def answers() -> str:
    """Return the events with which a node's runner tells of a run that changed nothing.

    This is the one place that knows what a node says; `drive.py` is the one that asks.
    """
    run = "20261124T000000-abcdef"
    role = {"event": "role_finished", "ok": 9, "changed": 0, "failed": 0, "skipped": 1}
    events = [
        {"event": "run_started", "run": run, "time": 0},
        *(role | {"role": name, "seconds": 0.1} for name in ("base", "firewall")),
        {"event": "run_finished", "ok": True, "failed_checks": 0, "seconds": 0.2},
    ]
    return "".join(
        json.dumps(event | {"offset": number}) + "\n" for number, event in enumerate(events, 1)
    )


def region(count: int, key: str) -> str:
    """Return the `region.yml` of one region with `count` nodes that are only made ready."""
    nodes = "\n".join(
        f"  n{index}: {{address: 10.9.{index // 250}.{index % 250 + 1}}}" for index in range(count)
    )
    return (
        "region: many\ndomain: many.example.org\ncontact: ops@many.example.org\n"
        f"operators: {{ana: {key}}}\nnodes:\n{nodes}\n"
    )


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Deploy to 250 and to 1,000 simulated nodes by turns."""
    place = lab.place("many")
    few, many = _prepare(place, FEW), _prepare(place, MANY)
    found = interleaved({"few": lambda: once(few), "many": lambda: once(many)}, rounds, print)
    growth = [
        b / a / (MANY / FEW)
        for a, b in zip(seconds(found["few"]), seconds(found["many"]), strict=True)
    ]
    note = "the stand-in's own processes are part of the figure"
    return [
        figure(
            f"no-op redeploy of {MANY} nodes", seconds(found["many"]), reason=_NO_PEER, note=note,
            simulated=True,
        ),
        figure(
            f"control CPU a node, {MANY} nodes", cpu(found["many"], MANY), reason=_NO_PEER,
            goal=at_most(CPU_SECONDS, "s"), note=note, simulated=True,
        ),
        figure(
            f"control memory with {MANY} nodes, largest process", memory(found["many"]), unit="MB",
            goal=at_most(LIMIT_MB, "MB"), reason=_NO_PEER, simulated=True,
        ),
        figure(
            f"time of {MANY} nodes as a multiple of {MANY // FEW} times that of {FEW}", growth,
            unit="times", goal=at_most(LINEAR, "times"), reason=_NO_PEER, simulated=True,
        ),
    ]  # fmt: skip


def _prepare(place: Path, count: int) -> Command:
    folder = place / str(count) / "many"
    folder.mkdir(parents=True)
    key = folder / "id_ed25519"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ana", "-f", str(key)]
    subprocess.run(argv, check=True)
    (folder / "region.yml").write_text(region(count, key.with_suffix(".pub").read_text().strip()))
    ssh = folder / "ssh"
    ssh.write_text(_STAND_IN)
    ssh.chmod(0o755)
    said = folder / "answers.jsonl"
    said.write_text(answers())
    env = {
        "PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT / "tool"),
        "CHAUTARI_STAND_IN": str(said),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    drive = str(ROOT / "benchmarks" / "drive.py")
    return Command((sys.executable, drive, str(folder / "region.yml"), str(key)), env)
