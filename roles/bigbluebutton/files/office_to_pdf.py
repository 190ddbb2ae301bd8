#!/usr/bin/python3
"""Turn an office file into a PDF: office-to-pdf INPUT OUTPUT [FORMAT] [SECONDS].

BigBlueButton calls this where it would start a container. The file goes through a socket to a
service of its own that has no network and no rights, which sends back what LibreOffice made of it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from pathlib import Path

SOCKET = "/run/chautari-office/socket"
FORMATS = ("pdf", "odt", "doc")


def main(arguments: list[str]) -> int:
    """Convert, and return 0 when there is a result."""
    if len(arguments) < 2:
        print("usage: office-to-pdf INPUT OUTPUT [FORMAT] [SECONDS]", file=sys.stderr)
        return 1
    source, target = map(Path, arguments[:2])
    wanted = arguments[2] if len(arguments) > 2 else "pdf"
    seconds = int(arguments[3]) if len(arguments) > 3 else 60
    if wanted not in FORMATS:
        print(f"{wanted} is not a supported format: {', '.join(FORMATS)}", file=sys.stderr)
        return 1
    head = {"suffix": source.suffix, "format": wanted, "seconds": min(seconds, 300)}
    found = send_and_receive(
        json.dumps(head).encode() + b"\n" + source.read_bytes(), min(seconds, 300) + 30
    )
    if not found:
        print(
            f"{source.name} could not be converted. Run journalctl -u 'chautari-office@*'",
            file=sys.stderr,
        )
        return 1
    write_atomically(found, target)
    return 0


def send_and_receive(data: bytes, patience: int) -> bytes:
    """Send everything and return everything that comes back; nothing when it failed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(patience)
        line.connect(SOCKET)
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        parts = list(iter(lambda: line.recv(1 << 16), b""))
    return b"".join(parts)


def write_atomically(data: bytes, target: Path) -> None:
    """Write aside and rename, so that nobody reads half a file."""
    mode = 0o666 & ~current_umask()
    handle, name = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    Path(name).chmod(mode)
    Path(name).replace(target)


def current_umask() -> int:
    """Return the mask that new files get; asking sets it."""
    found = os.umask(0o022)
    os.umask(found)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
