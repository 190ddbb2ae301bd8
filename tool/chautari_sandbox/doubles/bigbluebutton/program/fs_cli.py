"""FreeSWITCH's client, as far as a login at the event socket goes."""

from __future__ import annotations

import socket
from pathlib import Path

from .part_servers import FREESWITCH, freeswitch_parameter


def main(words: list[str], folder: Path = FREESWITCH) -> int:
    """Log in; 0 when the password was taken."""
    password = words[words.index("-p") + 1] if "-p" in words[:-1] else "ClueCon"
    place = folder / "autoload_configs/event_socket.conf.xml"
    address = (
        freeswitch_parameter(place, "listen-ip"),
        int(freeswitch_parameter(place, "listen-port")),
    )
    try:
        with socket.create_connection(address, timeout=5) as link, link.makefile("rwb") as stream:
            stream.readline()
            stream.readline()
            stream.write(f"auth {password}\n\n".encode())
            stream.flush()
            taken = b"+OK" in stream.read()
    except OSError as error:
        print(f"[ERROR] double of fs_cli: {error}")
        return 255
    print("double of fs_cli: +OK" if taken else "[ERROR] double of fs_cli: -ERR invalid")
    return 0 if taken else 255
