"""Programs that listen on a machine: ports that roles need, and ports that the firewall closes.

A role names in `takes_over` each port that it listens on, with the programs that it replaces there:
`listener:25/tcp master exim4`. Another program on this port has to stop first. The firewall has
`listener:*`: it closes all ports that the node's services do not open.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from chautari.language import _
from chautari.report.model import Refusal

MAX_LISTENERS = 2000
PREFIX = "listener:"
CLOSES_OTHERS = f"{PREFIX}*"
# How an item of the firewall begins: the program goes on, and other machines cannot reach it.
CLOSED = "closed: "
# Above this, the kernel chooses the ports from which programs ask others over UDP.
_FIRST_CHOSEN_PORT = 32768
_SSH = frozenset({"sshd", "sshd-session"})
_SSH_PORT = 22  # behind an address translation, the node has another port than its sshd
# Programs that lose nothing when the firewall closes their port; names as the kernel cuts them.
_UNHARMED = frozenset(
    {
        # Answers to their own queries pass the firewall.
        "dhclient", "dhcpcd", "systemd-network", "NetworkManager",
        "chronyd", "ntpd", "systemd-timesyn",
        # They serve the local network only, or list services that are named themselves.
        "systemd-resolve", "avahi-daemon", "rpcbind", "rpc.statd",
        # What Docker publishes is forwarded, and never passes the rules for input.
        "docker-proxy",
    }
)  # fmt: skip
# Debian's own setting of Exim; another setting is found as a package.
_UNHARMED_ON_LOOPBACK = frozenset({"exim4"})
# On these, the name of a program says whether it is a role's: not so `java` on other ports.
_WEB_PORTS = frozenset({80, 443})
_LINE = re.compile(r"(tcp|udp) (\S{1,80}):(\d{1,5})(?: (.*))?")
_PROGRAM = re.compile(r'\("([^"]{1,40})",')


class Listener(NamedTuple):
    """A socket that waits for others; without programs it belongs to the kernel."""

    protocol: str
    address: str
    port: int
    programs: tuple[str, ...] = ()

    def is_loopback(self) -> bool:
        """Return whether only this machine reaches the socket."""
        host, _, interface = self.address.strip("[]").replace("]", "").partition("%")
        try:
            return interface == "lo" or ip_address(host).is_loopback
        except ValueError:
            return False  # `*`, all addresses

    def __str__(self) -> str:
        """Return the programs with their port."""
        program = ", ".join(self.programs) or _("the kernel")
        return _(
            "{program} on {protocol} port {port}",
            program=program,
            protocol=self.protocol,
            port=self.port,
        )


class PlannedFirewall(NamedTuple):
    """The ports of a node that stay open to all: `ports` such as `80/tcp` or `1-9/udp`, and SSH."""

    ports: Sequence[str]
    ssh_port: int

    def closes(self, listener: Listener) -> bool:
        """Return whether other machines reach `listener` now, and later do not."""
        programs = set(listener.programs)
        # systemd may listen for the program that it starts.
        unharmed = programs & _UNHARMED and programs <= _UNHARMED | {"systemd"}
        if listener.is_loopback() or programs & _SSH or unharmed:
            return False
        if listener.protocol == "udp" and programs and listener.port >= _FIRST_CHOSEN_PORT:
            return False
        if listener.protocol == "tcp" and listener.port == self.ssh_port:
            return False
        if listener.port == _SSH_PORT and programs == {"systemd"}:
            return False
        return not any(_port_range_includes(port, listener) for port in self.ports)


def _port_range_includes(port: str, listener: Listener) -> bool:
    numbers, _, protocol = port.partition("/")
    first, _, last = numbers.partition("-")
    in_range = int(first) <= listener.port <= int(last or first)
    return in_range and protocol == listener.protocol


def parse_listener(line: str) -> Listener | None:
    """Return the socket in `tcp [::]:80 users:(("nginx",pid=1,fd=5))`; None for other words."""
    found = _LINE.fullmatch(line.strip())
    if not found or int(found[3]) > 65535:
        return None
    programs = tuple(dict.fromkeys(_PROGRAM.findall(found[4] or "")))
    return Listener(found[1], found[2], int(found[3]), programs)


TakesOver = Mapping[str, Sequence[str]]


def find_endangered_listeners(
    listeners: Sequence[Listener],
    takes_over: TakesOver,
    ours: Collection[str],
    firewall: PlannedFirewall,
) -> list[tuple[str, str]]:
    """Return pairs of a role and a program that it replaces, or that the firewall would close.

    `ours` are the roles that ran on the machine, or began to.
    """
    found = [
        (role, f"listener: {listener}")
        for listener, roles in _foreign_listeners_on_ports_of_roles(listeners, takes_over, ours)
        if (role := _replacing_role(listener, roles))
    ]
    declared = _replaced_programs_by_port(takes_over)
    closed = [
        listener
        for listener in listeners
        if (listener.protocol, listener.port) not in declared and firewall.closes(listener)
    ]
    for role, items in takes_over.items():
        if CLOSES_OTHERS in items and role not in ours:
            found += [(role, f"{CLOSED}{listener}") for listener in closed]
    return list(dict.fromkeys(found))


def occupied_port_refusals(
    listeners: Sequence[Listener], takes_over: TakesOver, ours: Collection[str]
) -> Iterator[Refusal]:
    """Yield a refusal for each program on a port of the roles that no role replaces.

    A web port may be taken after a role ran, while its own server was stopped.
    """
    occupied = [
        listener
        for listener, roles in _foreign_listeners_on_ports_of_roles(listeners, takes_over, ours)
        if not _replacing_role(listener, roles)
    ]
    declared = _replaced_programs_by_port(takes_over)
    for listener in listeners:
        roles = declared.get((listener.protocol, listener.port), {})
        if listener.port in _WEB_PORTS and roles.keys() & set(ours) and listener.programs:
            expected = set().union(*roles.values())
            occupied += [] if set(listener.programs) <= expected else [listener]
    for port, program in dict.fromkeys((one.port, ", ".join(one.programs)) for one in occupied):
        yield Refusal("port_in_use", {"port": port, "program": program})


def _foreign_listeners_on_ports_of_roles(
    listeners: Sequence[Listener], takes_over: TakesOver, ours: Collection[str]
) -> Iterator[tuple[Listener, Mapping[str, set[str]]]]:
    """Yield what listens on ports of roles that never ran, with the programs of these roles."""
    declared = _replaced_programs_by_port(takes_over)
    for listener in listeners:
        roles = declared.get((listener.protocol, listener.port), {})
        unharmed = listener.is_loopback() and set(listener.programs) == _UNHARMED_ON_LOOPBACK
        if roles and not unharmed and not roles.keys() & set(ours):
            yield listener, roles


def _replaced_programs_by_port(takes_over: TakesOver) -> dict[tuple[str, int], dict[str, set[str]]]:
    """Return for each port the roles that listen there, each with the programs it replaces."""
    found: dict[tuple[str, int], dict[str, set[str]]] = {}
    for role, items in takes_over.items():
        for item in items:
            if item.startswith(PREFIX) and item != CLOSES_OTHERS:
                port, *programs = item.removeprefix(PREFIX).split()
                number, _, protocol = port.partition("/")
                found.setdefault((protocol, int(number)), {})[role] = set(programs)
    return found


def _replacing_role(listener: Listener, roles: Mapping[str, set[str]]) -> str:
    """Return the role that would replace the program; empty if none does."""
    programs = set(listener.programs)
    return next((role for role in roles if programs and programs <= roles[role]), "")
