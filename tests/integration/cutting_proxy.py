"""cutting_proxy.py HOST CUT: a link on a node's loopback that breaks after CUT bytes, each time.

It prints its port, and then the bytes that it sent through each connection. It ends with its input.
"""

from __future__ import annotations

import socket
import sys
import threading


def forward(near: socket.socket, host: str, cut: int) -> None:
    """Pass one request on to `host`, and `cut` bytes of the answer back."""
    with near, socket.create_connection((host, 80)) as far:
        request = b""
        while b"\r\n\r\n" not in request:
            request += near.recv(65536)
        far.sendall(request)
        sent = 0
        while sent < cut and (piece := far.recv(min(65536, cut - sent))):
            near.sendall(piece)
            sent += len(piece)
    print(sent, flush=True)


def main(host: str, cut: int) -> None:
    """Accept connections until the input ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)

        def accept() -> None:
            while True:
                near, _ = server.accept()
                threading.Thread(target=forward, args=(near, host, cut), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
