"""A node as the transport sees it, and the SSH command line that reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chautari.files import exists_or_is_dangling_link, refuse_special_file
from chautari.ssh import account_choice
from chautari.ssh.known_hosts import find_known_hosts_lines, read_known_hosts_text

if TYPE_CHECKING:
    from chautari.region.load import LoadedRegion
    from chautari.render.endpoints import Endpoints

CONNECT_SECONDS = 20
ALIVE_SECONDS = 15
ALIVE_COUNT = 4


class SSHTarget(NamedTuple):
    """Where a node is, who logs in, and the file that pins its host key.

    `sandbox` is the region of a node that is a container on this machine; empty for a real machine.
    `configured_user` is the account that `region.yml` names. `other_users` are the accounts to try
    if the node refuses `user`, and `memory` is the file in which this computer remembers the one
    that the node accepted.
    """

    name: str
    address: str
    port: int
    user: str
    known_hosts: Path
    key: Path | None = None
    sandbox: str = ""
    configured_user: str = ""
    other_users: tuple[str, ...] = ()
    memory: Path | None = None


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
    the region's file. The account is chosen by `account_choice`.
    """
    targets = configured_ssh_targets(loaded_region, endpoints, nodes, identities, known_hosts)
    if not targets:
        return []
    memory = account_choice.memory_file(loaded_region.folder)
    remembered = account_choice.load_memory(memory)
    operators = {**loaded_region.region.operators, **endpoints.operators}
    own = account_choice.own_accounts(operators, targets[0].key)
    pins = read_known_hosts_text(targets[0].known_hosts)
    return [_with_chosen_account(target, own, remembered, pins, memory) for target in targets]


def _with_chosen_account(
    target: SSHTarget,
    own: tuple[str, ...],
    remembered: Mapping[str, str],
    pins: str,
    memory: Path | None,
) -> SSHTarget:
    name = account_choice.memory_key(target.address, target.port, target.key)
    # Hashed names may stand for any address.
    pinned = "|1|" in pins or bool(find_known_hosts_lines(pins, target.address, target.port))
    user, *others = account_choice.accounts_to_try(
        target.user, own, remembered.get(name, ""), pinned=pinned
    )
    return target._replace(user=user, other_users=tuple(others), memory=memory)


def configured_ssh_targets(
    loaded_region: LoadedRegion,
    endpoints: Endpoints,
    nodes: tuple[str, ...],
    identities: tuple[Path, ...] = (),
    known_hosts: Path | None = None,
) -> list[SSHTarget]:
    """Return the targets of the nodes called `nodes`, with the account that `region.yml` names."""
    pins = known_hosts or loaded_region.known_hosts_file
    if exists_or_is_dangling_link(pins):
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
            found[name].user,
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
