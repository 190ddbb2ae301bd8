"""The steps that move any service to another node: backup, deploy there, restore there, check."""

from __future__ import annotations

from chautari.backup.restore_order import states_to_restore
from chautari.backup.scope import targets_of_node
from chautari.errors import BadInput
from chautari.region.model import Region
from chautari.services.base import MoveStep
from chautari.services.registry import SERVICES


def node_to_move_from(region: Region, service: str, to: str, old: str) -> str:
    """Return the node that runs the service before the move.

    Raises:
        BadInput: when the service cannot move to `to`.
    """
    known = region.nodes
    for node in filter(None, (to, old)):
        if node not in known:
            raise BadInput(
                f"this region has no node {node!r}",
                fix=f"add the new machine to region.yml: {node}: {{address: …}}",
            )
    if old:
        if old == to:
            raise BadInput("both nodes are the same", fix="write the new machine after --to")
        return old
    running = [node for node in region.nodes_running(service) if node != to]
    if running:
        return running[0]
    if to in region.nodes_running(service):
        raise BadInput(
            f"{to} already runs {service}",
            fix="to see the remaining steps, name the old node as well: --old NODE",
        )
    raise BadInput(
        f"no node in the region runs {service}, so there is nothing to move",
        fix=f"add {service} to the services of {to} and deploy",
    )


def move_steps(region: Region, service: str, to: str, old: str = "") -> list[MoveStep]:
    """Return what moves a service to the node `to`.

    Raises:
        BadInput: when it cannot move there, or its data is not backed up.
    """
    source = node_to_move_from(region, service, to, old)
    has_data = bool(states_to_restore(_region_with(region, source, service), source, service))
    if has_data:
        _check_backup(region, source, to, service)
    steps = [_prepare_step(region, to)]
    if has_data:
        steps.append(_first_backup_step(region, source))
    steps.append(_ttl_step(region, service, source))
    if has_data:
        steps.append(_last_backup_step(region, source, service))
    steps += [
        _region_file_step(region, service, source, to),
        _dns_step(region, service, to),
        _deploy_step(region, to),
    ]
    if has_data:
        steps.append(_restore_step(region, service, source, to))
    return [*steps, *_last_steps(region, service, source, to)]


def _region_with(region: Region, node: str, service: str) -> Region:
    """Return the region with the service on a node, also after region.yml was changed."""
    found = region.nodes[node]
    if service in found.services:
        return region
    running = found.model_copy(update={"services": (*found.services, service)})
    return region.model_copy(update={"nodes": {**region.nodes, node: running}})


def _check_backup(region: Region, source: str, to: str, service: str) -> None:
    if region.backup is None or not region.backup.to:
        raise BadInput(
            f"a move restores a backup of {source}, and {region.region} has no backups",
            fix="add backup: {to: […]} to region.yml and deploy; see docs/backups.md",
        )
    targets = region.backup.targets
    usable = [
        name
        for name in targets_of_node(_region_with(region, source, service), source)
        if name not in targets or targets[name].kind != "disk"
    ]
    if not usable:
        raise BadInput(
            f"the backups of {source} are only on a disk of {source}, which {to} cannot read",
            fix="add an SSH server or a peer to backup.to and deploy",
        )


def _deploy(*words: str) -> tuple[str, tuple[str, ...]]:
    return f"deploy {' '.join(words)}", ("deploy", *words)


def _prepare_step(region: Region, to: str) -> MoveStep:
    command, action = _deploy("prepare", region.region, "--node", to)
    return MoveStep(
        "Prepare the new machine",
        "This step finds problems with the new machine while the old one keeps running.",
        (command,),
        (action,),
    )


def _first_backup_step(region: Region, source: str) -> MoveStep:
    command, action = _deploy("backup", "now", region.region, "--node", source)
    return MoveStep(
        "Back up the old node",
        "This uploads most of the data while the service keeps running. The last backup then only "
        "uploads what changed.",
        (command,),
        (action,),
    )


def _ttl_step(region: Region, service: str, source: str) -> MoveStep:
    return MoveStep(
        "Shorten the lifetime of the DNS records",
        "One day before the move, set the TTL (time to live) of these records to 300 seconds.",
        _records(region, service, source),
    )


def _last_backup_step(region: Region, source: str, service: str) -> MoveStep:
    stop = "systemctl stop nginx"
    command, action = _deploy("backup", "now", region.region, "--node", source)
    others = [name for name in region.nodes[source].services if name != service]
    also = f" This also closes {', '.join(others)} for a while." if others else ""
    return MoveStep(
        "Close the old node and back it up for the last time",
        f"From now on, people cannot write data that the new node would not get.{also} To go back "
        "until the service runs on the new node: systemctl start nginx.",
        (_ssh_text(region, source, stop), command),
        (("ssh", source, stop), action),
    )


def _region_file_step(region: Region, service: str, source: str, to: str) -> MoveStep:
    before = [name for name in region.nodes[source].services if name != service]
    after = list(dict.fromkeys([*region.nodes[to].services, service]))
    command, action = _deploy("validate", region.region)
    return MoveStep(
        "Move the service in region.yml",
        "Change these two lines. The public name, the secrets and all settings stay the same.",
        (
            f"{source}: {{…, services: [{', '.join(before)}]}}",
            f"{to}: {{…, services: [{', '.join(after)}]}}",
            command,
        ),
        (action,),
        by_person=True,
    )


def _dns_step(region: Region, service: str, to: str) -> MoveStep:
    command, action = _deploy("dns", region.region, "--wait")
    return MoveStep(
        "Point the DNS names to the new machine",
        "Certificates need the new address. Change these records, then wait until the changes are "
        "visible.",
        (*_records(region, service, to), command),
        (action,),
        by_person=True,
    )


def _deploy_step(region: Region, to: str) -> MoveStep:
    command, action = _deploy("region", region.region, "--node", to)
    return MoveStep(
        "Set up the service on the new machine",
        "The service is empty there. This step does not change the old machine.",
        (command,),
        (action,),
    )


def _restore_step(region: Region, service: str, source: str, to: str) -> MoveStep:
    command, action = _deploy(
        "restore", region.region, "--node", to, "--service", service, "--backup-of", source, "--yes"
    )
    return MoveStep(
        "Restore the last backup on the new machine",
        "Each file and each table is compared with the backup before the service gets the data. "
        "Then all checks of the new machine run.",
        (command,),
        (action,),
    )


def _last_steps(region: Region, service: str, source: str, to: str) -> list[MoveStep]:
    verify, verify_action = _deploy("verify", region.region, "--node", to)
    remove, remove_action = _deploy("region", region.region, "--node", source)
    purge = f"deploy region {region.region} --node {source} --purge"
    return [
        MoveStep(
            "Check the service, and log in yourself",
            "Until now you can go back: undo the changes in region.yml and of the DNS records, and "
            "start nginx on the old machine.",
            (verify,),
            (verify_action,),
            by_person=True,
        ),
        MoveStep(
            "Remove the service from the old machine",
            f"Its data stays on {source}, and so do the backups of {source}.",
            (remove,),
            (remove_action,),
        ),
        MoveStep(
            "Some weeks later, delete the old data",
            f"If nothing is missing: add {service} to {source} again and deploy, remove it and "
            f"deploy with --purge, or give the machine back. Then remove {source} from region.yml "
            "if it is not needed.",
            (purge,),
        ),
    ]


def _records(region: Region, service: str, node: str) -> tuple[str, ...]:
    if SERVICES[service].is_auxiliary:
        return ()
    name = region.public_name(service, node)
    return tuple(
        f"{name}  {'AAAA' if ':' in address else 'A'}  {address}"
        for address in region.nodes[node].addresses
    )


def _ssh_text(region: Region, node: str, command: str) -> str:
    found = region.nodes[node]
    port = "" if found.port == 22 else f"-p {found.port} "
    root = "" if found.user == "root" else "sudo "
    return f"ssh {port}{found.user}@{found.address} '{root}{command}'"
