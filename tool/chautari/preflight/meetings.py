"""What BigBlueButton asks of a machine: people would not hear each other on any other.

Upstream's installer refuses less than 4 GB or 4 cores, and asks for 16 GB and 8 cores (its manual,
"Minimum server requirements").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address

from chautari.preflight.facts import Facts
from chautari.preflight.requirements import NodeRequirements
from chautari.report.model import Refusal

SERVICE = "bigbluebutton"
FLOOR_MB, GOOD_MB = 4_000, 16_000
# What the kernel keeps for itself of a machine that is sold as having so much.
KEPT_BACK = 0.94
FLOOR_CORES, GOOD_CORES = 4, 8
FREE_MB_FIRST = 12_000
PROCESSOR = "x86_64"
# Records by kind (A, AAAA) and name; None where the name servers gave no answer.
Records = Mapping[tuple[str, str], tuple[str, ...] | None]


def memory(facts: Facts, wanted: NodeRequirements) -> Iterator[Refusal]:
    """Below the floor the kernel ends the media server in the middle of a meeting."""
    floor = wanted.memory_mb or int(FLOOR_MB * KEPT_BACK)
    if facts.memory_kb // 1024 < floor:
        yield Refusal.plain(
            f"{facts.memory_kb // 1024} MB of memory; BigBlueButton needs {floor} MB at least, or "
            "the kernel ends it in the middle of a meeting",
            f"choose a machine with {GOOD_MB // 1000} GB ({FLOOR_MB // 1000} GB to try it)",
        )


def cores(facts: Facts, wanted: NodeRequirements) -> Iterator[Refusal]:
    """Sound is mixed in real time: a core that is not there is heard."""
    floor = wanted.cores or FLOOR_CORES
    if 0 < facts.cores < floor:
        yield Refusal.plain(
            f"{facts.cores} processor cores; BigBlueButton needs {floor} at least, or sound breaks "
            "up as soon as people share cameras",
            f"choose a machine with {GOOD_CORES} cores of its own ({FLOOR_CORES} to try it)",
        )


def processor(facts: Facts, _: NodeRequirements) -> Iterator[Refusal]:
    """Upstream builds for amd64 alone."""
    if facts.machine and facts.machine != PROCESSOR:
        yield Refusal.plain(
            f"the processor is {facts.machine}; BigBlueButton's media servers are built for amd64 "
            "alone",
            "choose a machine with an amd64 processor",
        )


def container(facts: Facts, wanted: NodeRequirements) -> Iterator[Refusal]:
    """FreeSWITCH asks for real-time scheduling, which a provider's container refuses."""
    if facts.container and not wanted.container:
        yield Refusal.plain(
            f"the machine is a container ({facts.container}), in which FreeSWITCH does not get the "
            "scheduling it needs: sound would break up",
            "choose a machine with full virtualization (KVM), or a real one",
        )


def space(facts: Facts, wanted: NodeRequirements) -> Iterator[Refusal]:
    """Packages and office conversion are large, and recordings grow."""
    free = min((facts.free[path] for path in ("/", "/var") if path in facts.free), default=0)
    if facts.deployed != SERVICE and not wanted.container and free // 1024 < FREE_MB_FIRST:
        yield Refusal.plain(
            f"{free // 1024} MB are free; BigBlueButton's packages and slides need {FREE_MB_FIRST}",
            "grow the disk: 50 GB without recordings, 500 GB with them",
        )


def address6(facts: Facts, wanted: NodeRequirements) -> Iterator[Refusal]:
    """Browsers try IPv6 first: an address that nothing answers on costs them the sound."""
    if wanted.address6 and ip_address(wanted.address6) not in map(ip_address, facts.addresses6):
        has = ", ".join(facts.addresses6) or "none"
        yield Refusal.plain(
            f"address6 is {wanted.address6}, which the machine does not have (it has {has}): media "
            "over IPv6 would fail",
            "switch it on at the provider, or take address6 and the AAAA record away",
        )


_RULES = (memory, cores, processor, container, space, address6)


def _here(
    rule: Callable[[Facts, NodeRequirements], Iterator[Refusal]],
) -> Callable[..., Iterator[Refusal]]:
    def only_here(facts: Facts, wanted: NodeRequirements) -> Iterator[Refusal]:
        if SERVICE in wanted.services:
            yield from rule(facts, wanted)

    return only_here


RULES = tuple(map(_here, _RULES))


def records(found: Records, wanted: NodeRequirements) -> list[Refusal]:
    """Return what is wrong with the names' DNS records; a name server that is silent says nothing.

    Browsers are led to the media by the name's address, and FreeSWITCH says the node's: where the
    two differ, people see each other and hear nothing (BigBlueButton's errors 1002 and 1007).
    """
    refusals = []
    for name in wanted.names:
        for kind, right in (("A", wanted.address), ("AAAA", wanted.address6)):
            answer = found.get((kind, name))
            if answer is None or _same(answer, right):
                continue
            has = f"points to {', '.join(answer)}" if answer else "does not exist"
            should = f"{name} {kind} {right}" if right else f"no {kind} record of {name}"
            fix = f"make it so at your DNS provider: {should}; then deploy again"
            if kind == "AAAA" and answer:
                fix += ", or write the machine's own address6 in region.yml"
            refusals.append(
                Refusal.plain(
                    f"the {kind} record of {name} {has}: media of meetings would go elsewhere", fix
                )
            )
    return refusals


def _same(answer: tuple[str, ...], right: str) -> bool:
    return {ip_address(item) for item in answer} == ({ip_address(right)} if right else set())


def advice(facts: Facts, wanted: NodeRequirements) -> list[str]:
    """Return what is enough to begin with and not enough for a hundred people."""
    if SERVICE not in wanted.services or wanted.container:
        return []
    found = []
    if facts.memory_kb // 1024 < GOOD_MB * KEPT_BACK:
        found.append(f"{facts.memory_kb // 1024} MB of memory")
    if facts.cores < GOOD_CORES:
        found.append(f"{facts.cores} cores")
    if not found:
        return []
    return [
        f"{' and '.join(found)}: enough for small meetings; upstream asks for {GOOD_MB // 1000} GB "
        f"and {GOOD_CORES} cores for 200 people"
    ]
