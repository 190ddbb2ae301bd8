"""Return facts that only some roles use: the node's addresses and its number of cores.

They have Ansible's names and values, and are read without a process: a survey of a node that is up
to date has a few milliseconds for this.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

FIB = Path("/proc/net/fib_trie")
IF_INET6 = Path("/proc/net/if_inet6")
GLOBAL_SCOPE = "00"  # of an address that is valid beyond the machine and its link
TEMPORARY = 0x01  # flag of a random address that the kernel uses for privacy and soon drops
# The destinations whose route Ansible looks up; nothing is ever sent there.
FAR4, FAR6 = "8.8.8.8", "2404:6800:400a:800::1012"


def read_requested_facts(names: Iterable[str]) -> dict[str, object]:
    """Return facts by name; an address that the node does not have is empty."""
    return {name: FACTS[name]() for name in sorted(set(names))}


def _source_address_for_internet(family: socket.AddressFamily, remote_address: str) -> str:
    """Return the source address of this machine for packets to the internet.

    Connecting a datagram socket only chooses a route: no packet is sent.
    """
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((remote_address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def _ipv4_addresses() -> list[str]:
    """Return every address of this machine except the loopback's, from the kernel's routes.

    The table has one line for an address and describes it in the lines below.
    """
    found, last = set[str](), ""
    for line in _read_lines(FIB):
        words = line.split()
        if words[:1] == ["|--"]:
            last = words[1]
        elif words == ["/32", "host", "LOCAL"] and not last.startswith("127."):
            found.add(last)
    return sorted(found)


def _lasting_global_ipv6_addresses() -> list[str]:
    entries = (line.split() for line in _read_lines(IF_INET6))
    return sorted(
        socket.inet_ntop(socket.AF_INET6, bytes.fromhex(entry[0]))
        for entry in entries
        if entry[3] == GLOBAL_SCOPE and not int(entry[4], 16) & TEMPORARY
    )


def _read_lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


FACTS: dict[str, Callable[[], Any]] = {
    "default_ipv4": lambda: _source_address_for_internet(socket.AF_INET, FAR4),
    "default_ipv6": lambda: _source_address_for_internet(socket.AF_INET6, FAR6),
    "all_ipv4_addresses": _ipv4_addresses,
    "all_ipv6_addresses": _lasting_global_ipv6_addresses,
    "processor_vcpus": lambda: os.cpu_count() or 0,
}
