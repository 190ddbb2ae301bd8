"""Waiting until a server answers."""

from __future__ import annotations

import socket
import time

from chautari.errors import RunFailed


def wait(address: str, port: int, what: str, seconds: float = 60) -> None:
    """Return as soon as the port takes a connection."""
    deadline = time.monotonic() + seconds
    while not answers(address, port):
        if time.monotonic() > deadline:
            raise RunFailed(
                f"{what} at {address}:{port} did not answer within {seconds:.0f} seconds",
                fix="deploy sandbox down && deploy sandbox up",
            )
        time.sleep(0.2)


def answers(address: str, port: int) -> bool:
    """Say whether a port takes a connection now."""
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False
