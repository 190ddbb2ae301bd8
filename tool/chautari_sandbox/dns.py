"""The names of the sandbox, and the resolvers that know all others."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from chautari.errors import RunFailed
from chautari_sandbox import paths
from chautari_sandbox.spec import RESERVED, SandboxSpec

RESOLVER_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def hosts(spec: SandboxSpec) -> str:
    """One line an address: every name of the zone that is known to us."""
    own = " ".join(f"{name}.{spec.zone}" for name in RESERVED)
    lines = [f"{spec.internet_address} {own}"]
    for node in spec.nodes:
        names = dict.fromkeys((f"{node.name}.{spec.zone}", *node.names))
        lines.append(f"{node.address} {' '.join(names)}")
    return "\n".join(lines) + "\n"


def upstream(files: tuple[Path, ...] = RESOLVER_FILES) -> str:
    """This machine's resolvers, as far as a container can reach them."""
    for file in files:
        lines = file.read_text().splitlines() if file.is_file() else []
        servers = [parts[1] for line in lines if (parts := line.split())[:1] == ["nameserver"]]
        reachable = [server for server in servers if _reachable(server)]
        if reachable:
            return "".join(f"nameserver {server}\n" for server in reachable)
    raise RunFailed(
        "this machine's resolver answers only to itself, so nodes could not look up any name",
        fix="write a resolver that your network offers into /etc/resolv.conf",
    )


def _reachable(server: str) -> bool:
    address = ipaddress.ip_address(server.partition("%")[0])
    return address.version == 4 and not address.is_loopback


def write(folder: Path, spec: SandboxSpec) -> None:
    """Bring the served folder up to date; the server reads it again when it is told to."""
    paths.write_if_changed(folder / "hosts", hosts(spec))
    paths.write_if_changed(folder / "resolv.conf", upstream())
