"""Facts that only some roles write into files: a node's own addresses, and how many cores it has.

They are named as Ansible names them, and found as it finds them, but without a process: a look at
a node that was left alone has a few milliseconds for this.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

FIB = Path("/proc/net/fib_trie")
IF_INET6 = Path("/proc/net/if_inet6")
EVERYWHERE = "00"  # scope of an address that is good beyond the machine and its link
TEMPORARY = 0x01  # flag of an address that the kernel makes up for privacy, and soon drops
# Where Ansible asks for the way to; nothing is ever sent there.
FAR4, FAR6 = "8.8.8.8", "2404:6800:400a:800::1012"


def facts(named: Iterable[str]) -> dict[str, Any]:
    """Return the facts called `named`; an address that there is not is empty."""
    return {name: FACTS[name]() for name in sorted(set(named))}


def _default(family: socket.AddressFamily, far: str) -> str:
    """Return the address that this machine would speak from to the internet.

    Connecting a datagram socket only chooses a route: no packet leaves.
    """
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((far, 9))
            return str(asked.getsockname()[0])
    except OSError:
        return ""


def _addresses4() -> list[str]:
    """Return every address of this machine but the loopback's, from the kernel's table of routes.

    Each stands in a line of its own, and below it what it is.
    """
    found, last = set[str](), ""
    for line in _lines(FIB):
        words = line.split()
        if words[:1] == ["|--"]:
            last = words[1]
        elif words == ["/32", "host", "LOCAL"] and not last.startswith("127."):
            found.add(last)
    return sorted(found)


def _addresses6() -> list[str]:
    entries = (line.split() for line in _lines(IF_INET6))
    return sorted(
        socket.inet_ntop(socket.AF_INET6, bytes.fromhex(entry[0]))
        for entry in entries
        if entry[3] == EVERYWHERE and not int(entry[4], 16) & TEMPORARY
    )


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


FACTS: dict[str, Callable[[], Any]] = {
    "default_ipv4": lambda: _default(socket.AF_INET, FAR4),
    "default_ipv6": lambda: _default(socket.AF_INET6, FAR6),
    "all_ipv4_addresses": _addresses4,
    "all_ipv6_addresses": _addresses6,
    "processor_vcpus": lambda: os.cpu_count() or 0,
}
