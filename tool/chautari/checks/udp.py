"""Tests whether UDP packets reach ports without a listener.

A machine answers a packet to such a port with ICMP "port unreachable". A connected socket reports
this as a refused connection. So a refusal proves that the packet passed every firewall. A firewall
in between does not answer.
"""

from __future__ import annotations

import random
import socket
import time
from typing import NamedTuple

# Machines answer only a few of these packets quickly, then one per second.
PAUSE_SECONDS = 1.1
WAIT_SECONDS = 2.0


class PortRange(NamedTuple):
    """Ports from the first to the last."""

    first: int
    last: int

    def split_into(self, number: int) -> list[PortRange]:
        """Split the range into `number` parts of about the same size."""
        size = (self.last - self.first + 1) // number
        starts = [self.first + size * index for index in range(number)]
        ends = [*(start - 1 for start in starts[1:]), self.last]
        return [PortRange(*pair) for pair in zip(starts, ends, strict=True)]


def unused_port_answers(address: str, port: int, wait: float = WAIT_SECONDS) -> bool:
    """Return whether a packet to `port` reaches the machine; a port in use gives no answer."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.settimeout(wait)
        probe.connect((address, port))
        try:
            probe.send(b"chautari")
            probe.recv(16)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return True


def packet_arrives_in_range(address: str, ports: PortRange, tries: int = 3) -> bool:
    """Return whether a packet reaches the machine on one of `tries` random ports."""
    for port in random.sample(range(ports.first, ports.last + 1), tries):
        if unused_port_answers(address, port):
            return True
        time.sleep(PAUSE_SECONDS)
    return False
