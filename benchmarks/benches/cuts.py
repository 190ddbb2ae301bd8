"""A link that breaks: ours has to end converged, however often it is cut.

A run in which no connection was broken off counts as none.
"""

from __future__ import annotations

import random
from dataclasses import replace

from benchmarks import peers
from benchmarks.lab import ROUND_TRIP, SSH_PORT, Lab
from benchmarks.measure import BenchError, Command, Figure, Sample, at_most, figure, once, seconds
from benchmarks.proxy import Proxy

SEED = 20261124
CUTS = 3
NODE = "cloud"
# Between cuts, in seconds: of a full redeploy, and of one with nothing to change far away.
FULL, NOTHING = (3.0, 9.0), (0.4, 2.0)
TRIES = 5


def moments(seed: int, count: int = CUTS, between: tuple[float, float] = FULL) -> list[float]:
    """Return when the link is cut, in seconds after the first connection; `seed` decides."""
    dice = random.Random(seed)
    found, now = [], 0.0
    for _ in range(count):
        now += dice.uniform(*between)
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
        if not cuts:
            raise BenchError(f"round {turn + 1}: the link was not cut while the redeploy went on")
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


def nothing_to_change(lab: Lab, rounds: int) -> list[Figure]:
    """Redeploy a node that has nothing to do, far away, while its connections are cut.

    When the command ends with a word about the link, it is given again, as that word says.
    """
    lab.deployed()
    ours: list[Sample] = []
    given: list[float] = []
    broken = 0
    for turn in range(rounds):
        cuts = moments(SEED + turn, between=NOTHING)
        with (
            Proxy(lab.addresses[NODE], SSH_PORT, ROUND_TRIP, cuts) as link,
            lab.through({NODE: link.port}) as env,
        ):
            command = lab.redeploy("--node", NODE, **env)
            sample, times = _until_done(command)
            if not link.broken:
                raise BenchError(f"round {turn + 1}: the link was not cut while the command ran")
        ours.append(sample)
        given.append(float(times))
        broken += link.broken
        print(f"  round {turn + 1}: done in {sample.seconds:.1f} s, given {times} times")
    note = f"{broken} cuts in {rounds} rounds, all ended converged"
    name = f"no-op redeploy of a node at {ROUND_TRIP * 1000:.0f} ms while the link is cut"
    return [
        figure(name, seconds(ours), reason="the benchmark cuts reports a stock push", note=note),
        figure(
            "commands that it took", given, unit="commands", goal=at_most(TRIES, "commands"),
            reason="see above",
        ),
    ]  # fmt: skip


def _until_done(command: Command) -> tuple[Sample, int]:
    """Give a command until it succeeds; return what all of it took, and how often it was given."""
    taken = cpu = 0.0
    for times in range(1, TRIES):
        sample = once(replace(command, codes=(0, 1)))
        taken, cpu = taken + sample.seconds, cpu + sample.cpu
        if sample.code == 0:
            return Sample(taken, cpu), times
    sample = once(command)
    return Sample(taken + sample.seconds, cpu + sample.cpu), TRIES


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
