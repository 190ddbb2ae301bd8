"""Requirements of BigBlueButton: on a lesser machine people would not hear each other.

Upstream's installer refuses less than 4 GB or 4 cores, and asks for 16 GB and 8 cores (its manual,
"Minimum server requirements").
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from chautari.report.message_templates import Data
from chautari.report.model import Notice, Refusal
from chautari.services.bigbluebutton.packages import NAME

if TYPE_CHECKING:
    from chautari.preflight.facts import Facts
    from chautari.preflight.requirements import NodeRequirements

TITLE = "BigBlueButton"
FLOOR_MB, GOOD_MB = 4_000, 16_000
# The share of a machine's nominal memory that its kernel leaves to programs.
KEPT_BACK = 0.94
FLOOR_CORES, GOOD_CORES = 4, 8
FREE_MB_FIRST = 12_000
PROCESSOR = "x86_64"


def too_little_memory_refusals(facts: Facts, required: NodeRequirements) -> Iterator[Refusal]:
    """Refuse memory below which the kernel stops the media server in the middle of a meeting."""
    floor = required.memory_mb or int(FLOOR_MB * KEPT_BACK)
    found = facts.memory_kb // 1024
    if found < floor:
        yield Refusal(
            "service_memory_low",
            {
                "found_mb": found,
                "needed_mb": floor,
                "service": TITLE,
                "advised_gb": GOOD_MB // 1000,
                "minimum_gb": FLOOR_MB // 1000,
            },
        )


def too_few_cores_refusals(facts: Facts, required: NodeRequirements) -> Iterator[Refusal]:
    """Refuse too few cores: sound is mixed in real time."""
    floor = required.cores or FLOOR_CORES
    if 0 < facts.cores < floor:
        yield Refusal(
            "service_cores_low",
            {
                "found": facts.cores,
                "needed": floor,
                "service": TITLE,
                "advised": GOOD_CORES,
                "minimum": FLOOR_CORES,
            },
        )


def unsupported_processor_refusals(facts: Facts, _: NodeRequirements) -> Iterator[Refusal]:
    """Refuse processors that upstream does not build for."""
    if facts.machine and facts.machine != PROCESSOR:
        data = {"found": facts.machine, "service": TITLE, "supported": ["amd64"]}
        yield Refusal("service_arch_unsupported", data)


def refuse_provider_container(facts: Facts, required: NodeRequirements) -> Iterator[Refusal]:
    """Refuse a provider's container: it denies FreeSWITCH the real-time scheduling it asks for."""
    if facts.container and not required.container:
        yield Refusal("container_unsupported", {"container": facts.container, "service": TITLE})


def too_little_disk_space_refusals(facts: Facts, required: NodeRequirements) -> Iterator[Refusal]:
    """Refuse a small disk: packages and office conversion are large, and recordings grow."""
    free = min((facts.free[path] for path in ("/", "/var") if path in facts.free), default=0)
    if facts.deployed != NAME and not required.container and free // 1024 < FREE_MB_FIRST:
        data: Data = {"free_mb": free // 1024, "needed_mb": FREE_MB_FIRST, "service": TITLE}
        yield Refusal("service_space_low", data)


def refuse_missing_ipv6_address(facts: Facts, required: NodeRequirements) -> Iterator[Refusal]:
    """Refuse an IPv6 address that the machine lacks: browsers try IPv6 first and lose the sound."""
    named = required.address6
    if named and ip_address(named) not in map(ip_address, facts.addresses6):
        yield Refusal("address6_missing", {"required": named, "found": list(facts.addresses6)})


RULES = (
    too_little_memory_refusals,
    too_few_cores_refusals,
    unsupported_processor_refusals,
    refuse_provider_container,
    too_little_disk_space_refusals,
    refuse_missing_ipv6_address,
)


def below_recommendation_notices(facts: Facts, required: NodeRequirements) -> list[Notice]:
    """Return a notice for a machine that is smaller than upstream recommends for 200 people."""
    if required.container:
        return []
    memory_mb = facts.memory_kb // 1024
    if memory_mb >= GOOD_MB * KEPT_BACK and facts.cores >= GOOD_CORES:
        return []
    data: Data = {
        "memory_mb": memory_mb,
        "cores": facts.cores,
        "service": TITLE,
        "advised_gb": GOOD_MB // 1000,
        "advised_cores": GOOD_CORES,
    }
    return [Notice("small_machine", data)]
