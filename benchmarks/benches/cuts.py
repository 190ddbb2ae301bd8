"""A link that breaks: ours has to end converged, however often it is cut."""

from __future__ import annotations

import random

from benchmarks import peers
from benchmarks.lab import SSH_PORT, Lab
from benchmarks.measure import BenchError, Command, Figure, Sample, figure, once, seconds
from benchmarks.proxy import Proxy

SEED = 20261124
CUTS = 3
NODE = "cloud"


def moments(seed: int, count: int = CUTS) -> list[float]:
    """Return when the link is cut, in seconds after the first connection; `seed` decides."""
    dice = random.Random(seed)
    found, now = [], 0.0
    for _ in range(count):
        now += dice.uniform(3.0, 9.0)
        found.append(round(now, 2))
    return found


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Redeploy a node in full over a link that is cut; each round has moments of its own."""
    lab.deployed()
    option, note = lab.full()
    ours: list[Sample] = []
    broken, peer_ends = 0, []
    for turn in range(rounds):
        redeploy = lab.redeploy("--node", NODE, *option)
        sample, cuts = _over_a_bad_link(lab, redeploy, SEED + turn)
        ours.append(sample)
        broken += cuts
        print(f"  round {turn + 1}: converged in {sample.seconds:.1f} s after {cuts} cuts")
        if turn == 0:
            peer_ends.append(_peer(lab))
    said = f"{broken} cuts in {rounds} runs, all ended converged; stock push: {peer_ends[0]}"
    return [
        figure(
            "full redeploy of a node while the link is cut", seconds(ours), against="stock push",
            reason=peer_ends[0], note="; ".join(filter(None, (said, note))),
        )
    ]  # fmt: skip


def _over_a_bad_link(lab: Lab, command: Command, seed: int) -> tuple[Sample, int]:
    with (
        Proxy(lab.addresses[NODE], SSH_PORT, 0.02, moments(seed)) as link,
        lab.through({NODE: link.port}) as env,
    ):
        mended = Command(command.argv, dict(command.env) | env)
        return once(mended), link.broken


def _peer(lab: Lab) -> str:
    """Return what becomes of a stock push on the same link."""
    try:
        sample, cuts = _over_a_bad_link(lab, peers.push(lab, [NODE]), SEED)
    except BenchError as error:
        return f"it fails ({str(error).splitlines()[0].rsplit('`', 1)[-1].strip(' :')})"
    return f"it ended in {sample.seconds:.0f} s after {cuts} cuts"
