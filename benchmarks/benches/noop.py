"""A redeploy with nothing to change: the command that volunteers give most often."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from benchmarks import peers
from benchmarks.lab import NODES, ROUND_TRIP, SSH_PORT, Lab
from benchmarks.measure import (
    FIGURE_ONLY,
    BenchError,
    Command,
    Contestant,
    Figure,
    Goal,
    Samples,
    at_most,
    at_most_times,
    cpu,
    figure,
    interleaved,
    memory,
    once,
    seconds,
    times_faster,
)
from benchmarks.proxy import Proxy

NODE = "cloud"
STOCK, PIPELINING, MITOGEN = "stock push", "push with pipelining", "Mitogen push"
PLAN, CHECK = "deploy plan", "stock push --check"
PLAN_SECONDS = 5.0  # "in seconds when nothing changed"
SSH, PYINFRA, OURS = "one SSH command", "pyinfra", "deploy region"
Goals = Mapping[str, Goal]
NEAR: Goals = {SSH: at_most_times(3), STOCK: times_faster(60), PIPELINING: times_faster(25)}
CPU: Goals = {SSH: at_most_times(4)}
FAR: Goals = {SSH: at_most_times(1.5), STOCK: times_faster(100), PIPELINING: times_faster(30)}


def on_the_lan(lab: Lab, rounds: int) -> list[Figure]:
    """Redeploy one node beside every peer, on the local network."""
    lab.deployed()
    found, missing = _measure(lab, rounds, {}, None)
    note = lab.no_checks()[1]
    times = _times("no-op redeploy of a node", found, missing, NEAR, note)
    return times + _control(found, missing, note)


def far_away(lab: Lab, rounds: int) -> list[Figure]:
    """The same with the node 300 ms away."""
    lab.deployed()
    with (
        Proxy(lab.addresses[NODE], SSH_PORT, ROUND_TRIP) as link,
        lab.through({NODE: link.port}) as env,
    ):
        found, missing = _measure(lab, rounds, env, link.port)
    note = lab.no_checks()[1]
    if not note and link.connections == 0:
        note = "our deploy did not use the slow link"
    name = f"no-op redeploy of a node at {ROUND_TRIP * 1000:.0f} ms"
    return _times(name, found, missing, FAR, note)


def whole_region(lab: Lab, rounds: int) -> list[Figure]:
    """Redeploy both nodes beside a stock push to both."""
    lab.deployed()
    return [_of_the_region(lab, rounds, {}, "no-op redeploy of a region of two nodes")]


def whole_region_far_away(lab: Lab, rounds: int) -> list[Figure]:
    """The same with both nodes 300 ms away."""
    lab.deployed()
    with contextlib.ExitStack() as links:
        proxies = {
            node: links.enter_context(Proxy(lab.addresses[node], SSH_PORT, ROUND_TRIP))
            for node in NODES
        }
        ports = {node: link.port for node, link in proxies.items()}
        env = links.enter_context(lab.through(ports))
        name = f"no-op redeploy of a region of two nodes at {ROUND_TRIP * 1000:.0f} ms"
        found = _of_the_region(lab, rounds, env, name)
        if not all(link.connections for link in proxies.values()):
            raise BenchError("a node was not reached through its slow link")
        return [found]


def _of_the_region(lab: Lab, rounds: int, env: Mapping[str, str], name: str) -> Figure:
    found = interleaved(
        {
            OURS: lambda: once(lab.redeploy(**env)),
            STOCK: lambda: once(peers.push(lab, NODES, env=env)),
        },
        rounds,
        print,
    )
    ours, stock = seconds(found[OURS]), seconds(found[STOCK])
    return figure(name, ours, stock, against=STOCK, note=lab.no_checks()[1])


def plan(lab: Lab, rounds: int) -> list[Figure]:
    """Ask what a deploy would do, with nothing to change, beside `ansible-playbook --check`."""
    lab.deployed()
    asked = lab.command("plan", str(lab.region), "--node", NODE)
    found = interleaved(
        {
            PLAN: lambda: once(asked),
            CHECK: lambda: once(peers.push(lab, [NODE], options=["--check"])),
        },
        rounds,
        print,
    )
    ours, stock = seconds(found[PLAN]), seconds(found[CHECK])
    name = "deploy plan of a node, nothing to change"
    return [figure(name, ours, stock, goal=at_most(PLAN_SECONDS, "s"), against=CHECK)]


def _measure(
    lab: Lab, rounds: int, env: Mapping[str, str], port: int | None
) -> tuple[Samples, dict[str, str]]:
    """Return the samples of all contestants that can be had, and why the others cannot."""
    things = peers.managed(lab, NODE)
    print(
        f"  (the roles look after {len(things.files)} files, {len(things.packages)} packages and "
        f"{len(things.units)} units)"
    )
    made: list[Command] = []

    def pyinfra() -> Command:
        made[:] = made or [peers.pyinfra(lab, NODE, things, port)]
        return made[0]

    missing: dict[str, str] = {}
    contestants: dict[str, Contestant] = {
        OURS: lambda: once(lab.redeploy("--node", NODE, **env)),
        SSH: lambda: once(peers.ssh_command(lab, NODE, things, env)),
        PYINFRA: lambda: once(pyinfra()),
        MITOGEN: lambda: once(peers.push(lab, [NODE], "mitogen", env)),
        PIPELINING: lambda: once(peers.push(lab, [NODE], "pipelining", env)),
        STOCK: lambda: once(peers.push(lab, [NODE], "stock", env)),
    }
    found = interleaved(contestants, rounds, print, (PYINFRA, MITOGEN), missing)
    return found, missing


def _times(
    name: str,
    found: Samples,
    missing: Mapping[str, str],
    goals: Goals,
    note: str,
) -> list[Figure]:
    return [
        figure(
            f"{name}, compared with {peer}", seconds(found[OURS]), seconds(found.get(peer, [])),
            goal=goals.get(peer, FIGURE_ONLY), against=peer, reason=missing.get(peer, ""),
            note=note,
        )
        for peer in (SSH, STOCK, PIPELINING, MITOGEN, PYINFRA)
    ]  # fmt: skip


def _control(found: Samples, missing: Mapping[str, str], note: str) -> list[Figure]:
    """Return what the redeploy cost this machine."""
    figures = []
    for peer in (SSH, STOCK, PIPELINING, MITOGEN, PYINFRA):
        theirs, reason = found.get(peer, []), missing.get(peer, "")
        figures += [
            figure(
                f"control CPU of this redeploy, compared with {peer}",
                cpu(found[OURS]), cpu(theirs),
                goal=CPU.get(peer, FIGURE_ONLY), against=peer, reason=reason, note=note,
            ),
            figure(
                f"control memory of this redeploy, largest process, compared with {peer}",
                memory(found[OURS]), memory(theirs), unit="MB", against=peer, reason=reason,
            ),
        ]  # fmt: skip
    return figures
