"""Refuse a node on which the deploy would fail later.

Each rule is a small function over the facts of a machine and the requirements of its services.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chautari.preflight.facts import Facts
from chautari.preflight.requirements import NodeRequirements
from chautari.region.operating_systems import ARCHITECTURES, DEBIAN
from chautari.report.model import Notice, Refusal
from chautari.services.base import Service
from chautari.services.registry import SERVICES

MAX_SKEW_SECONDS = 60
FREE_MB = 1500
FREE_MB_AGAIN = 1000  # on a node that was deployed before: most of it is there already
MEMORY_MB = 400
MIN_INODES = 60_000


Rule = Callable[[Facts, NodeRequirements], Iterator[Refusal]]


def preflight_refusals(facts: Facts, required: NodeRequirements) -> list[Refusal]:
    """Return every reason not to change the machine.

    Without a fact nothing is concluded from its absence: a silent machine is no wrong machine.
    """
    if facts.missing:
        return [Refusal("facts_missing", {"facts": list(facts.missing)})]
    own = [rule for service in services_to_run(required) for rule in service.preflight]
    return [refusal for rule in (*RULES, *own) for refusal in rule(facts, required)]


def below_recommendation_notices(facts: Facts, required: NodeRequirements) -> list[Notice]:
    """Return what the machine has less of than its services recommend."""
    found = [service.advice for service in services_to_run(required)]
    return [notice for function in found if function for notice in function(facts, required)]


def services_to_run(required: NodeRequirements) -> list[Service]:
    """Return the services that the node is to run."""
    return [SERVICES[name] for name in required.services]


def refuse_untested_system(facts: Facts, required: NodeRequirements) -> Iterator[Refusal]:
    """Refuse releases and processors that the roles are not tested on."""
    if facts.os != required.os:
        fits = all(facts.os in item.requires.os for item in services_to_run(required))
        known = fits and facts.os in DEBIAN
        code = "os_differs" if known else "os_unsupported"
        yield Refusal(code, {"found": facts.os, "required": required.os})
    if facts.machine not in ARCHITECTURES:
        supported = sorted(set(ARCHITECTURES.values()))
        yield Refusal("arch_unsupported", {"found": facts.machine, "supported": supported})
    elif required.arch and ARCHITECTURES[facts.machine] != required.arch:
        found = ARCHITECTURES[facts.machine]
        yield Refusal("arch_differs", {"found": found, "required": required.arch})


def refuse_missing_systemd(facts: Facts, _: NodeRequirements) -> Iterator[Refusal]:
    """Refuse a machine without systemd: services, timers and the run itself are its units."""
    if facts.init != "systemd":
        yield Refusal("no_systemd", {"init": facts.init})


def account_without_root_refusals(facts: Facts, _: NodeRequirements) -> Iterator[Refusal]:
    """Refuse an account that cannot become root."""
    if facts.uid != 0:
        yield Refusal("no_root")


def refuse_wrong_clock(facts: Facts, _: NodeRequirements) -> Iterator[Refusal]:
    """Refuse a clock with which certificates and package lists would be invalid."""
    if abs(facts.skew) > MAX_SKEW_SECONDS + facts.skew_tolerance:
        code = "clock_ahead" if facts.skew > 0 else "clock_behind"
        yield Refusal(code, {"seconds": round(abs(facts.skew))})


def too_little_disk_space_refusals(facts: Facts, required: NodeRequirements) -> Iterator[Refusal]:
    """Refuse a disk that would fill up in the middle of a deploy."""
    needed = FREE_MB_AGAIN if facts.venv else FREE_MB
    for service in services_to_run(required):
        if facts.deployed != service.role_and_artifact_name:
            needed = max(needed, service.requires.disk_mb)
    short = sorted(path for path, free in facts.free.items() if free // 1024 < needed)
    if short:
        free = min(facts.free[path] for path in short) // 1024
        yield Refusal("space_low", {"free_mb": free, "paths": short, "needed_mb": needed})
    # Btrfs and others report no inode limit: 0 of 0.
    few = sorted(path for path, free in facts.free_inodes.items() if 0 < free < MIN_INODES)
    if few:
        yield Refusal("inodes_low", {"paths": few})


def too_little_memory_refusals(facts: Facts, required: NodeRequirements) -> Iterator[Refusal]:
    """Refuse memory below which the kernel stops the database under load."""
    limits = [service.requires.memory_mb for service in services_to_run(required)]
    if 0 in limits:
        return  # such a service has a minimum of its own in its preflight
    needed = max(MEMORY_MB, *limits) if limits else MEMORY_MB
    found = facts.memory_kb // 1024
    if found < needed:
        yield Refusal("memory_low", {"found_mb": found, "needed_mb": needed})


RULES: tuple[Rule, ...] = (
    refuse_untested_system,
    refuse_missing_systemd,
    account_without_root_refusals,
    refuse_wrong_clock,
    too_little_disk_space_refusals,
    too_little_memory_refusals,
)
