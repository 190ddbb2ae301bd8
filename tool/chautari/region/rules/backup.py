"""Rules about where backups are stored, and about the space that the region gives to peers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from chautari.backup.scope import nodes_with_state, states_of_node, targets_of_node
from chautari.language import _
from chautari.region.backup import DEFAULT_SSH_PORT, Target
from chautari.region.model import Region
from chautari.region.rule import Finding, Pins, Rule

# A disk that is mounted at one of these is the system's own.
_SYSTEM_FOLDERS = frozenset(
    f"/{name}"
    for name in (
        *("bin", "boot", "dev", "etc", "home", "lib", "lib64", "opt", "proc", "root", "run"),
        *("sbin", "sys", "tmp", "usr", "var"),
    )
)


def check_backup_has_a_purpose(region: Region, __: Pins) -> Iterator[Finding]:
    """An empty `backup` looks as if something were stored."""
    if region.backup and not region.backup.to and not region.backup.give:
        yield (
            ("backup",),
            _(
                "no backups are stored; list a peer or one of `targets` in `backup.to` "
                "(for example `to: [disk]`), or remove `backup`"
            ),
        )


def check_targets_exist(region: Region, __: Pins) -> Iterator[Finding]:
    """Each name in `to` is a peer or a target, and appears once."""
    if region.backup is None:
        return
    names, peers, targets = region.backup.to, region.federation.peers, region.backup.targets
    for index, name in enumerate(names):
        if name in names[:index]:
            message = _("{name} is already in the list; remove one of the entries", name=name)
        elif name == region.region:
            message = _("this is the region itself; write the name of a peer or of a target")
        elif name in targets or name in peers:
            continue
        else:
            message = _(
                "{name} is neither in federation.peers nor in backup.targets; add it "
                "there, or remove it here",
                name=name,
            )
        yield ("backup", "to", index), message
    for name in targets:
        if name in peers:
            yield (
                ("backup", "targets", name),
                _(
                    "{name} is also the name of a peer; choose another name for the target",
                    name=name,
                ),
            )
        elif name not in names:
            yield (
                ("backup", "targets", name),
                _(
                    "no backups are stored in {name}; add {name} to backup.to, or remove it here",
                    name=name,
                ),
            )


def check_targets_are_complete(region: Region, __: Pins) -> Iterator[Finding]:
    """A target is a disk or an SSH server, and has only the keys of its kind."""
    if region.backup is None:
        return
    for name, target in region.backup.targets.items():
        path = ("backup", "targets", name)
        if (target.disk is None) == (target.ssh is None):
            yield path, _("write exactly one of `disk` (a folder) and `ssh` (ACCOUNT@HOST)")
        elif target.ssh and target.host_key is None:
            host = target.ssh.partition("@")[2]
            port = "" if target.port == DEFAULT_SSH_PORT else f" -p {target.port}"
            yield (
                path,
                _(
                    "`host_key` is missing, so another machine could pretend to be this server; "
                    "run ssh-keyscan -t ed25519{port} {host}, and compare the key with the one "
                    "that the provider publishes",
                    port=port,
                    host=host,
                ),
            )
        elif target.disk:
            for key in sorted({"port", "path", "host_key"} & target.model_fields_set):
                yield (*path, key), _("`{key}` is only for an SSH server; remove it", key=key)


def check_disks_hold_no_state(region: Region, __: Pins) -> Iterator[Finding]:
    """A backup on the system's own disk is lost with it, and a backup must not store itself."""
    if region.backup is None:
        return
    state = {
        folder.path
        for node in region.nodes
        for item in states_of_node(region, node)
        for folder in item.state.folders
    }
    for name, target in region.backup.targets.items():
        if target.disk is None:
            continue
        path = ("backup", "targets", name, "disk")
        if target.disk in _SYSTEM_FOLDERS:
            yield (
                path,
                _(
                    "{disk} belongs to the system; mount the disk at /mnt/{name}",
                    disk=target.disk,
                    name=name,
                ),
            )
        elif found := next(
            (item for item in sorted(state) if _paths_overlap(item, target.disk)), None
        ):
            yield (
                path,
                _(
                    "the backup would contain itself, because it includes {found}; mount the "
                    "disk at /mnt/{name}",
                    found=found,
                    name=name,
                ),
            )


def _paths_overlap(first: str, second: str) -> bool:
    one, other = PurePosixPath(first), PurePosixPath(second)
    return one.is_relative_to(other) or other.is_relative_to(one)


def check_targets_and_nodes_with_data_match(region: Region, __: Pins) -> Iterator[Finding]:
    """A target is used by nodes of the region, and each node with data has a target."""
    if region.backup is None:
        return
    for name, target in region.backup.targets.items():
        yield from _unknown_node_findings(region, name, target)
    if not region.backup.to:
        return
    for node in nodes_with_state(region):
        if not targets_of_node(region, node):
            yield (
                ("backup", "to"),
                _(
                    "{node} has data, but none of these targets stores its backups; add a "
                    "target, or add {node} to the `nodes` of a target",
                    node=node,
                ),
            )
    if not nodes_with_state(region):
        yield ("backup", "to"), _("no service of this region has data to store; remove `to`")


def _unknown_node_findings(region: Region, name: str, target: Target) -> Iterator[Finding]:
    for index, node in enumerate(target.nodes):
        if node not in region.nodes:
            yield (
                ("backup", "targets", name, "nodes", index),
                _(
                    "there is no node {node}; choose from: {nodes}",
                    node=node,
                    nodes=", ".join(region.nodes),
                ),
            )


def check_space_is_given_to_peers(region: Region, __: Pins) -> Iterator[Finding]:
    """Space is given to peers only, on a node of the region."""
    if region.backup is None:
        return
    for peer in region.backup.give:
        if peer not in region.federation.peers:
            yield (
                ("backup", "give", peer),
                _("{peer} is not in federation.peers; add it there, or remove it here", peer=peer),
            )
    node = region.backup.give_on
    if node is None:
        return
    if not region.backup.give:
        yield (
            ("backup", "give_on"),
            _("no peer gets any space; write give: {PEER: 50 GB}, or remove this key"),
        )
    elif node not in region.nodes:
        yield (
            ("backup", "give_on"),
            _(
                "there is no node {node}; choose from: {nodes}",
                node=node,
                nodes=", ".join(region.nodes),
            ),
        )


RULES: tuple[Rule, ...] = (
    check_backup_has_a_purpose,
    check_targets_exist,
    check_targets_are_complete,
    check_disks_hold_no_state,
    check_targets_and_nodes_with_data_match,
    check_space_is_given_to_peers,
)
