"""The sandbox's own names, the resolvers for all others, and the relays of neighbours."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

from chautari.errors import RunFailed
from chautari.language import _
from chautari_sandbox import paths
from chautari_sandbox.spec import RESERVED, SandboxSpec
from chautari_sandbox.state import SandboxState

SERVERS_FILE = "servers"
MAIL_ROUTES_FILE = "mail-routes.json"
RESOLVER_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def hosts_file_text(spec: SandboxSpec) -> str:
    """Return one line per address, with every name of the zone."""
    own = " ".join(f"{name}.{spec.zone}" for name in RESERVED)
    lines = [f"{spec.internet_address} {own}"]
    for node in spec.nodes:
        names = dict.fromkeys((f"{node.name}.{spec.zone}", *node.names))
        lines.append(f"{node.address} {' '.join(names)}")
    return "\n".join(lines) + "\n"


def reachable_resolvers_text(files: tuple[Path, ...] = RESOLVER_FILES) -> str:
    """Return this machine's resolvers that a container can reach, as lines of resolv.conf."""
    for file in files:
        lines = file.read_text().splitlines() if file.is_file() else []
        servers = [parts[1] for line in lines if (parts := line.split())[:1] == ["nameserver"]]
        reachable = [server for server in servers if _is_usable_in_container(server)]
        if reachable:
            return "".join(f"nameserver {server}\n" for server in reachable)
    raise RunFailed(
        _(
            "this machine's DNS server accepts requests only from this machine, so nodes cannot "
            "use it"
        ),
        fix=_("set a DNS server of your network as nameserver in /etc/resolv.conf"),
    )


def _is_usable_in_container(server: str) -> bool:
    address = ipaddress.ip_address(server.partition("%")[0])
    return address.version == 4 and not address.is_loopback


def neighbour_forwarders_text(neighbours: tuple[SandboxState, ...]) -> str:
    """Return lines that send questions about the neighbours' names to their name servers."""
    return "".join(f"server=/{item.zone}/{item.internet_address}\n" for item in neighbours)


def write_neighbour_files(folder: Path, neighbours: tuple[SandboxState, ...]) -> bool:
    """Write where names and mail of neighbours go; return whether the name server must reload."""
    routes = {item.zone: item.internet_address for item in neighbours}
    paths.write_if_changed(folder / MAIL_ROUTES_FILE, json.dumps(routes, indent=2) + "\n")
    return paths.write_if_changed(folder / SERVERS_FILE, neighbour_forwarders_text(neighbours))


def write_name_server_files(
    folder: Path, spec: SandboxSpec, neighbours: tuple[SandboxState, ...] = ()
) -> None:
    """Write the files of the name server; it reads them again on a signal."""
    write_neighbour_files(folder, neighbours)
    paths.write_if_changed(folder / "hosts", hosts_file_text(spec))
    paths.write_if_changed(folder / "resolv.conf", reachable_resolvers_text())
