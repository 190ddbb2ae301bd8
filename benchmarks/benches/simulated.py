"""Many nodes at once, all played by a stand-in `ssh` that answers as a node's runner would."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

from benchmarks.lab import DEPLOY, Lab
from benchmarks.measure import (
    BenchError,
    Command,
    Figure,
    Sample,
    at_most,
    cpu,
    figure,
    interleaved,
    memory,
    once,
    seconds,
)
from chautari.node.survey import MOUNTS
from chautari.prepare.child_process import node_requirements_digest

FEW, MANY = 250, 1000
LIMIT_MB = 500.0
CPU_SECONDS = 0.2
LINEAR = 1.25
_NO_PEER = "the fake ssh answers only for our runner; a push needs real nodes"
# Reads its input, as a node does, and prints the file of answers.
_STAND_IN = '#!/bin/sh\ncat >/dev/null\nexec cat "$CHAUTARI_STAND_IN"\n'
_ROLES = ("base", "firewall")


def answer(now: float) -> str:
    """Return what a node says on which every receipt holds; the one place that knows it."""
    facts = {
        "os": "debian-13", "machine": "x86_64", "uid": 0, "now": int(now), "init": "systemd",
        "memory_kb": 4_000_000, "venv": node_requirements_digest(),
    }  # fmt: skip
    for mount in MOUNTS:
        facts |= {f"free_kb:{mount}": 20_000_000, f"free_inodes:{mount}": 1_000_000}
    up_to_date = [{"role": role, "run": "20261124T000000-abcdef", "notices": []} for role in _ROLES]
    told: dict[str, object] = {
        "event": "survey", "busy": None, "reasons": {}, "up_to_date": up_to_date,
        "facts": [f"{key}={value}" for key, value in facts.items()],
    }  # fmt: skip
    return json.dumps(told) + "\n"


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

    def deploy(command: Command) -> Sample:
        Path(command.env["CHAUTARI_STAND_IN"]).write_text(answer(time.time()))
        sample = once(command)
        nodes = lab.report(sample)["nodes"]
        if not all(
            role["up_to_date"]
            for node in nodes
            for role in node["roles"] or [{"up_to_date": False}]
        ):
            raise BenchError("a simulated node was not settled by its answer: look at answer()")
        return sample

    found = interleaved({"few": lambda: deploy(few), "many": lambda: deploy(many)}, rounds)
    growth = [
        b / a / (MANY / FEW)
        for a, b in zip(seconds(found["few"]), seconds(found["many"]), strict=True)
    ]
    note = "the fake ssh's own processes are part of the figure"
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
    addresses = re.findall(r"10\.9\.\d+\.\d+", (folder / "region.yml").read_text())
    # Whoever was deployed to before has a pinned key; the stand-in does not look at it.
    (folder / "known_hosts").write_text("".join(f"{address} pinned\n" for address in addresses))
    ssh = folder / "ssh"
    ssh.write_text(_STAND_IN)
    ssh.chmod(0o755)
    env = {
        "PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin",
        "CHAUTARI_STAND_IN": str(folder / "answer.json"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    file = str(folder / "region.yml")
    return Command((DEPLOY, "region", file, "--no-checks", "--json", "--identity", str(key)), env)
