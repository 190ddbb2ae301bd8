"""Whether servers accept connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from chautari.errors import RunFailed
from chautari.language import _

# Podman takes a while to answer.
_LOOK_SECONDS = 5


def wait_for_port(
    address: str,
    port: int,
    server_name: str,
    seconds: float = 60,
    container_runs: Callable[[], bool] = lambda: True,
) -> None:
    """Return as soon as the port accepts a connection.

    Raises:
        RunFailed: when it does not within `seconds`, or the server's container stops; it contains
            `server_name`.
    """
    deadline = time.monotonic() + seconds
    next_look = time.monotonic() + _LOOK_SECONDS
    while not accepts_connection(address, port):
        if time.monotonic() > next_look:
            next_look += _LOOK_SECONDS
            if not container_runs():
                raise RunFailed(
                    _(
                        "the container with {server_name} stopped while it was booting",
                        server_name=server_name,
                    ),
                    fix=_("find out which limit the container reached: deploy doctor"),
                )
        if time.monotonic() > deadline:
            raise RunFailed(
                _(
                    "{server_name} at {address}:{port} did not accept a connection within "
                    "{seconds:.0f} seconds",
                    server_name=server_name,
                    address=address,
                    port=port,
                    seconds=seconds,
                ),
                fix="deploy sandbox down NAME && deploy sandbox up NAME",
            )
        time.sleep(0.2)


def accepts_connection(address: str, port: int) -> bool:
    """Return whether a port accepts a connection within two seconds."""
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def server_greets_with(address: str, port: int, greeting: bytes) -> bool:
    """Return whether the server on a port begins with `greeting` within two seconds."""
    try:
        # `create_connection` loads the tables of international names first, also for an address.
        with socket.socket() as connection:
            connection.settimeout(2)
            connection.connect((address, port))
            return connection.recv(len(greeting), socket.MSG_WAITALL) == greeting
    except OSError:
        return False
