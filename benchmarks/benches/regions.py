"""Many regions validated and rendered: whether the time is linear, and the memory bounded."""

from __future__ import annotations

from pathlib import Path

from benchmarks.lab import DEPLOY, Lab
from benchmarks.measure import (
    Command,
    Figure,
    Sample,
    at_most,
    figure,
    interleaved,
    memory,
    once,
    seconds,
)

FEW, MANY, NODES = 250, 1000, 5
LIMIT_SECONDS = 10.0
LIMIT_MB = 300.0
# Four times the regions may take four times as long, and what the machine's noise adds.
LINEAR = 1.25
_NO_PEER = "no other tool validates and renders these files"
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
_ZONES = ("America/Bogota", "America/Lima", "Asia/Kathmandu", "Asia/Kolkata")


def text(number: int) -> str:
    """Return the `region.yml` of a region with five nodes, one of which carries Nextcloud."""
    high, low = divmod(number, 250)
    nodes = "\n".join(
        f"  n{index}: {{address: 10.{high}.{low}.{index + 10}, os: debian-1{2 + index % 2}"
        f"{', services: [nextcloud]' if index == 1 else ''}}}"
        for index in range(NODES)
    )
    return (
        f"region: r{number}\ndomain: r{number}.example.org\ncontact: ops@r{number}.example.org\n"
        f"timezone: {_ZONES[number % len(_ZONES)]}\nlanguages: [es, en]\nbandwidth: low\n"
        f"operators:\n  ana: {_KEY} ana@laptop\nnodes:\n{nodes}\n"
        "services:\n  nextcloud: {host: cloud, quota: 5 GB}\n"
        f"mail: {{relay: smtp.example.org, user: r{number}, from: cloud@r{number}.example.org}}\n"
    )


def make(root: Path, count: int) -> list[str]:
    """Write `count` regions under `root` and return their names."""
    for number in range(count):
        folder = root / f"r{number}"
        folder.mkdir(parents=True)
        (folder / "region.yml").write_text(text(number))
    return [f"r{number}" for number in range(count)]


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Validate and render 250 and 1,000 regions by turns."""
    root = lab.place("regions")
    names = make(root, MANY)

    def both(count: int) -> Sample:
        env = {"CHAUTARI_INVENTORIES": str(root)}
        output = lab.place("out")
        chosen = names[:count]
        validated = once(Command((DEPLOY, "validate", *chosen), env))
        argv = (DEPLOY, "render", *chosen, "-o", str(output), "--no-secrets")
        rendered = once(Command(argv, env))
        return Sample(
            validated.seconds + rendered.seconds,
            validated.cpu + rendered.cpu,
            max(validated.memory, rendered.memory),
        )

    found = interleaved({"few": lambda: both(FEW), "many": lambda: both(MANY)}, rounds, print)
    few, many = found["few"], found["many"]
    growth = [b / a / (MANY / FEW) for a, b in zip(seconds(few), seconds(many), strict=True)]
    return [
        figure(
            f"{MANY} regions of {NODES} nodes validated and rendered", seconds(many),
            goal=at_most(LIMIT_SECONDS, "s"), reason=_NO_PEER,
        ),
        figure(
            f"memory for {MANY} regions", memory(many), unit="MB", goal=at_most(LIMIT_MB, "MB"),
            reason=_NO_PEER,
        ),
        figure(
            f"time of {MANY} regions as a multiple of {MANY // FEW} times that of {FEW}", growth,
            unit="times", goal=at_most(LINEAR, "times"), reason=_NO_PEER,
        ),
    ]  # fmt: skip
