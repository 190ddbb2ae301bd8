"""Whether a server answers depends on what it sends, not on an open connection."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chautari.errors import RunFailed
from chautari_sandbox import port_probes


@contextmanager
def server(greeting: bytes) -> Iterator[int]:
    """Run a server on a port of this machine that greets once and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [(b"SSH-2.0-OpenSSH_9.2\r\n", True), (b"220 smtp\r\n", False), (b"SS", False), (b"", False)],
)
def test_greets_compares_the_first_bytes(greeting: bytes, expected: bool) -> None:
    with server(greeting) as port:
        assert port_probes.server_greets_with("127.0.0.1", port, b"SSH-") is expected


def test_container_that_stopped_is_named_instead_of_its_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(port_probes, "_LOOK_SECONDS", 0)
    monkeypatch.setattr(port_probes, "accepts_connection", lambda *_: False)
    with pytest.raises(RunFailed, match="the container with the name server stopped") as failed:
        port_probes.wait_for_port("192.0.2.2", 53, "the name server", container_runs=lambda: False)
    assert "deploy doctor" in failed.value.fix


def test_greets_is_false_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert port_probes.server_greets_with("127.0.0.1", port, b"SSH-") is False
