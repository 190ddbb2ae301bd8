"""A node as the transport sees it, and the SSH command line that reaches it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chautari.files import is_present, refuse_special_file

if TYPE_CHECKING:
    from chautari.region.load import LoadedRegion
    from chautari.render.endpoints import Endpoints

CONNECT_SECONDS = 20
ALIVE_SECONDS = 15
ALIVE_COUNT = 4


class SSHTarget(NamedTuple):
    """Where a node is, who logs in, and the file that pins its host key.

    `sandbox` is the region of a node that is a container on this machine; empty for a real machine.
    """

    name: str
    address: str
    port: int
    user: str
    known_hosts: Path
    key: Path | None = None
    sandbox: str = ""


def ssh_targets(
    loaded_region: LoadedRegion,
    endpoints: Endpoints,
    nodes: tuple[str, ...],
    identities: tuple[Path, ...] = (),
    known_hosts: Path | None = None,
) -> list[SSHTarget]:
    """Return the targets of the nodes called `nodes`.

    The key to log in with is the sandbox's, else the first of `identities`, else SSH's
    own choice (an agent, the usual files). Host keys are pinned in `known_hosts`, by default in
    the region's file.
    """
    pins = known_hosts or loaded_region.known_hosts_file
    if is_present(pins):
        # SSH would wait for the other end of a pipe.
        refuse_special_file(pins)
    pins = pins.resolve()
    found = loaded_region.region.nodes
    sandbox = loaded_region.region.region if loaded_region.region.sandbox is not None else ""
    key = endpoints.ssh_key or (identities[0].resolve() if identities else None)
    return [
        SSHTarget(
            name,
            found[name].address,
            found[name].port,
            found[name].user,
            pins,
            key,
            sandbox,
        )
        for name in nodes
    ]


def ssh_argv(target: SSHTarget, command: str, log_level: str = "ERROR") -> tuple[str, ...]:
    """Return the argv that runs `command` on the node.

    The host key must be the pinned one; a dead link is noticed after a minute; nothing is asked.
    Options of the operator's own SSH configuration that forward, share or run something have no
    effect: root on a node could use a forwarded agent. Nor does a host key from elsewhere count,
    such as one that DNS or a command supplies.
    """
    return (*_ssh_with_options(target, "-T", log_level), target.address, command)


def terminal_ssh_argv(target: SSHTarget, command: str = "") -> tuple[str, ...]:
    """Return the argv that opens a terminal on the node, for a shell or for `command`.

    The options are the same, but SSH may ask for the passphrase of a key.
    """
    words = [command] if command else []
    return (*_ssh_with_options(target, "-t", "ERROR", batch="no"), target.address, *words)


def _ssh_with_options(
    target: SSHTarget, terminal: str, log_level: str, batch: str = "yes"
) -> list[str]:
    options = {
        "BatchMode": batch,
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": f'"{target.known_hosts}"',
        "GlobalKnownHostsFile": "none",
        "UpdateHostKeys": "no",
        "VerifyHostKeyDNS": "no",
        "KnownHostsCommand": "none",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ServerAliveInterval": str(ALIVE_SECONDS),
        "ServerAliveCountMax": str(ALIVE_COUNT),
        "LogLevel": log_level,
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "Tunnel": "no",
        "ClearAllForwardings": "yes",
        "ControlMaster": "no",
        "ControlPath": "none",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
    }
    if batch == "no":
        options["PreferredAuthentications"] = "publickey"
    # With -k no credentials of Kerberos go to the node; as an option, ssh without GSSAPI warns.
    argv = ["ssh", terminal, "-k", "-p", str(target.port), "-l", target.user]
    for name, value in options.items():
        argv += ["-o", f"{name}={value}"]
    if target.key is not None:
        argv += ["-i", str(target.key), "-o", "IdentitiesOnly=yes"]
    return argv


def command_as_root(target: SSHTarget, command: str) -> str:
    """Return `command` as root runs it; other accounts need passwordless sudo."""
    return command if target.user == "root" else f"sudo -n {command}"
