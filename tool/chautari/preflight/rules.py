"""Refuses a node on which the deploy would fail later, with the reason and the fix.

Each rule is a small function over the facts of a machine and what is wanted of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chautari.preflight import meetings
from chautari.preflight.facts import Facts
from chautari.preflight.requirements import NodeRequirements
from chautari.region.catalog import ARCHITECTURES
from chautari.report.model import Refusal

MAX_SKEW_SECONDS = 60
FREE_MB = 1500
FREE_MB_NEXTCLOUD = 4000
FREE_MB_AGAIN = 1000  # on a node that was deployed before: most of it is there already
MEMORY_MB = 400
MEMORY_MB_NEXTCLOUD = 900
MIN_INODES = 60_000
NOTHING_YET = "nothing was deployed here yet"
OUR_WEB_SERVERS = ('"nginx"', '"haproxy"')


Rule = Callable[[Facts, NodeRequirements], Iterator[Refusal]]


def check(facts: Facts, wanted: NodeRequirements) -> list[Refusal]:
    """Return every reason not to touch the machine."""
    return [refusal for rule in RULES for refusal in rule(facts, wanted)]


def operating_system(facts: Facts, wanted: NodeRequirements) -> Iterator[Refusal]:
    """The roles are tried on the releases the model knows, no others."""
    if facts.os != wanted.os:
        known = facts.os in ("debian-12", "debian-13") and "bigbluebutton" not in wanted.services
        fix = f"write os: {facts.os} for this node" if known else f"reinstall it with {wanted.os}"
        yield Refusal.plain(
            f"the node runs {facts.os or 'an unknown system'}, not {wanted.os}", fix
        )
    if facts.machine not in ARCHITECTURES:
        yield Refusal.plain(
            f"the processor is {facts.machine or 'unknown'}; amd64 and arm64 are supported",
            "choose another machine",
        )
    elif wanted.arch and ARCHITECTURES[facts.machine] != wanted.arch:
        yield Refusal.plain(
            f"the processor is {ARCHITECTURES[facts.machine]}, not {wanted.arch}",
            f"write arch: {ARCHITECTURES[facts.machine]} for this node, or choose another machine",
        )


def service_manager(facts: Facts, _: NodeRequirements) -> Iterator[Refusal]:
    """Services, timers and the run itself are systemd units."""
    if facts.init != "systemd":
        yield Refusal.plain(
            f"the node was started by {facts.init or 'an unknown program'}, not systemd",
            "use a virtual or real machine with a full Debian on it",
        )


def administrator(facts: Facts, _: NodeRequirements) -> Iterator[Refusal]:
    """Only root can change the machine."""
    if facts.uid != 0:
        yield Refusal.plain(
            "the account cannot become root without a password",
            "log in as root (user: root), or give the account passwordless sudo",
        )


def clock(facts: Facts, _: NodeRequirements) -> Iterator[Refusal]:
    """Certificates and package lists are refused by a machine in another time."""
    if abs(facts.skew) > MAX_SKEW_SECONDS + facts.skew_tolerance:
        direction = "ahead of" if facts.skew > 0 else "behind"
        yield Refusal.plain(
            f"the node's clock is {abs(facts.skew):.0f} seconds {direction} this machine's",
            "set it right (timedatectl set-ntp true, or date -s), then deploy again",
        )


def space(facts: Facts, wanted: NodeRequirements) -> Iterator[Refusal]:
    """A disk that fills in the middle of a deploy leaves a half-installed node."""
    needed = FREE_MB_AGAIN if facts.venv else FREE_MB
    if "nextcloud" in wanted.services and facts.deployed != "nextcloud":
        needed = FREE_MB_NEXTCLOUD
    short = sorted(path for path, free in facts.free.items() if free // 1024 < needed)
    if short:
        free = min(facts.free[path] for path in short) // 1024
        yield Refusal.plain(
            f"{free} MB are free on {' and '.join(short)}; {needed} MB are needed",
            "free some space (apt-get clean, journalctl --vacuum-size=100M) or grow the disk",
        )
    # Btrfs and others report no inode limit: 0 of 0.
    few = sorted(path for path, free in facts.free_inodes.items() if 0 < free < MIN_INODES)
    if few:
        yield Refusal.plain(
            f"{' and '.join(few)} has too few free inodes for the services' many small files",
            "delete small files there, or make the file system anew with more inodes",
        )


def memory(facts: Facts, wanted: NodeRequirements) -> Iterator[Refusal]:
    """Below this the kernel ends the database under load."""
    needed = MEMORY_MB_NEXTCLOUD if "nextcloud" in wanted.services else MEMORY_MB
    if meetings.SERVICE in wanted.services:
        return  # it has a floor of its own
    if facts.memory_kb // 1024 < needed:
        yield Refusal.plain(
            f"{facts.memory_kb // 1024} MB of memory; {needed} MB are needed",
            "choose a bigger machine, or move the service to another node",
        )


def web_ports(facts: Facts, wanted: NodeRequirements) -> Iterator[Refusal]:
    """Another program on 80 or 443 keeps certificates from being issued."""
    if not wanted.web:
        return
    for local, process in facts.listeners:
        port = local.rsplit(":", 1)[-1]
        ours = any(name in process for name in OUR_WEB_SERVERS) or (facts.venv and not process)
        if port in ("80", "443") and not ours:
            yield Refusal.plain(
                f"port {port} is taken by {process or 'another program'}",
                "stop and disable that program, or move the service to another node",
            )


RULES: tuple[Rule, ...] = (
    operating_system,
    service_manager,
    administrator,
    clock,
    space,
    memory,
    web_ports,
    *meetings.RULES,
)
