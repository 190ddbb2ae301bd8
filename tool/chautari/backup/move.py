"""The steps that move any service to another node: backup, deploy there, restore there, check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.backup.restore_order import states_to_restore
from chautari.backup.scope import targets_of_node
from chautari.errors import BadInput
from chautari.language import _
from chautari.region.model import Region
from chautari.render.context import NodeContext
from chautari.services.base import MoveStep
from chautari.services.registry import SERVICES
from chautari.services.state import State

if TYPE_CHECKING:
    from chautari.region.load import LoadedRegion
    from chautari.render.endpoints import Endpoints


def node_to_move_from(region: Region, service: str, to: str, old: str) -> str:
    """Return the node that runs the service before the move.

    Raises:
        BadInput: when the service cannot move to `to`.
    """
    known = region.nodes
    for node in filter(None, (to, old)):
        if node not in known:
            raise BadInput(
                _("this region has no node {node!r}", node=node),
                fix=_("add the new machine to region.yml: {node}: {{address: …}}", node=node),
            )
    if old:
        if old == to:
            raise BadInput(
                _("both nodes are the same"), fix=_("write the name of the new machine after --to")
            )
        return old
    running = [node for node in region.nodes_running(service) if node != to]
    if running:
        return running[0]
    if to in region.nodes_running(service):
        raise BadInput(
            _("{to} already runs {service}", to=to, service=service),
            fix=_("to see the remaining steps, name the old node as well: --old NODE"),
        )
    raise BadInput(
        _("no node in the region runs {service}, so there is nothing to move", service=service),
        fix=_("add {service} to the services of {to} and deploy", service=service, to=to),
    )


def release_to_keep(
    loaded_region: LoadedRegion, endpoints: Endpoints, service: str, source: str, to: str
) -> str:
    """Return the release on the old node, if the new one would get another; empty if not."""
    before, after = (
        release_that_move_installs(loaded_region, endpoints, service, node, other)
        for node, other in ((source, to), (to, source))
    )
    return before if before != after else ""


def release_that_move_installs(
    loaded_region: LoadedRegion, endpoints: Endpoints, service: str, node: str, other: str
) -> str:
    """Return the release that a node gets with the service moved there; empty if unknown."""
    region = region_before_move(loaded_region.region, service, node, other)
    found = SERVICES[service].with_region_settings(region)
    if found.artifacts is None:
        return ""
    context = NodeContext(loaded_region._replace(region=region), endpoints, node)
    names = [item for item in found.artifacts(context) if item.name == found.role_and_artifact_name]
    return names[0].version if names else ""


def region_before_move(region: Region, service: str, source: str, to: str) -> Region:
    """Return the region as it was before region.yml named the new node."""
    nodes = dict(region.nodes)
    for node in (source, to):
        services = [name for name in nodes[node].services if name != service]
        if node == source:
            services.append(service)
        nodes[node] = nodes[node].model_copy(update={"services": tuple(services)})
    return region.model_copy(update={"nodes": nodes})


def move_steps(
    region: Region, service: str, to: str, old: str = "", version: str = ""
) -> list[MoveStep]:
    """Return what moves a service to the node `to`, before and after region.yml names it.

    `version` is the release on the old node, if the new node would get another one.

    Raises:
        BadInput: when it cannot move there, or its data is not backed up.
    """
    source = node_to_move_from(region, service, to, old)
    region = region_before_move(region, service, source, to)
    has_data = bool(states_to_restore(region, source, service))
    if has_data:
        _require_target_readable_by_new_node(region, source, to)
    steps = [_prepare_step(region, to)]
    if has_data:
        steps.append(_first_backup_step(region, source))
    steps += [
        _shorten_dns_ttl_step(region, service, source),
        _close_service_step(region, source, service, has_data=has_data),
        _edit_region_file_step(region, service, source, to, version),
        _change_dns_records_step(region, service, to),
        _deploy_new_machine_step(region, to, service),
    ]
    if has_data:
        steps.append(_restore_step(region, service, source, to))
    steps += _steps_to_check_new_machine(region, service, source, to)
    if has_data:
        steps.append(_back_up_new_node_step(region, to))
    return [*steps, *_steps_to_clean_up_old_machine(region, service, source)]


def _require_target_readable_by_new_node(region: Region, source: str, to: str) -> None:
    if region.backup is None or not region.backup.to:
        raise BadInput(
            _(
                "a move restores a backup of {source}, but {region} has no backups",
                source=source,
                region=region.region,
            ),
            fix=_("add backup: {to: […]} to region.yml and deploy; see docs/backups.md"),
        )
    targets = region.backup.targets
    usable = [
        name
        for name in targets_of_node(region, source)
        if name not in targets or targets[name].kind != "disk"
    ]
    if not usable:
        raise BadInput(
            _(
                "the backups of {source} are only on a disk of {source}, which {to} cannot read",
                source=source,
                to=to,
            ),
            fix=_("add an SSH server or a peer to backup.to and deploy"),
        )


def _deploy_command_and_action(*words: str) -> tuple[str, tuple[str, ...]]:
    return f"deploy {' '.join(words)}", ("deploy", *words)


def _prepare_step(region: Region, to: str) -> MoveStep:
    command, action = _deploy_command_and_action("prepare", region.region, "--node", to)
    return MoveStep(
        _("Prepare the new machine"),
        _("This step finds problems with the new machine while the old one keeps running."),
        (command,),
        (action,),
    )


def _first_backup_step(region: Region, source: str) -> MoveStep:
    command, action = _deploy_command_and_action("backup", "now", region.region, "--node", source)
    return MoveStep(
        _("Back up the old node"),
        _(
            "This uploads most of the data while the service keeps running. Then the last "
            "backup, in a later step, only has to upload the changes."
        ),
        (command,),
        (action,),
    )


def _shorten_dns_ttl_step(region: Region, service: str, source: str) -> MoveStep:
    return MoveStep(
        _("Shorten the lifetime of the DNS records"),
        _("One day before the move, set the TTL (time to live) of these records to 300 seconds."),
        _dns_record_lines(region, service, source),
    )


def _close_service_step(region: Region, source: str, service: str, *, has_data: bool) -> MoveStep:
    commands = _commands_closing_service(region, source, service)
    texts = [_ssh_command_text(region, source, " && ".join(commands))]
    actions: list[tuple[str, ...]] = [("ssh", source, " && ".join(commands))]
    if has_data:
        command, action = _deploy_command_and_action(
            "backup", "now", region.region, "--node", source
        )
        texts.append(command)
        actions.append(action)
    others = [name for name in region.nodes[source].services if name != service]
    also = (
        _(
            " These services on {source} keep running: {others}.",
            source=source,
            others=", ".join(others),
        )
        if others
        else ""
    )
    return MoveStep(
        _("Close {service} on the old node, and back it up for the last time", service=service)
        if has_data
        else _("Close {service} on the old node", service=service),
        _(
            "After this step, people cannot use {service}, and its background jobs do not run, "
            "so its data no longer changes. {service} stays closed even if {source} "
            "restarts.{also} To open {service} again instead of continuing: deploy region "
            "{region} --node {source}.",
            service=service,
            source=source,
            also=also,
            region=region.region,
        ),
        tuple(texts),
        tuple(actions),
    )


def _commands_closing_service(region: Region, source: str, service: str) -> list[str]:
    """Return the commands of root that close a service on a node until the next deploy."""
    found = SERVICES[service].with_region_settings(region)
    commands = []
    if not found.is_auxiliary:
        name = region.public_name(service, source)
        file = found.site_file.format(name=name) or f"{found.role_and_artifact_name}.conf"
        commands += [f"rm -f /etc/nginx/sites-enabled/{file}", "systemctl reload nginx"]
    units = (found.state or State()).active_units
    return [*commands, *(f"systemctl disable --now {unit}" for unit in units)]


def _edit_region_file_step(
    region: Region, service: str, source: str, to: str, version: str
) -> MoveStep:
    before = [name for name in region.nodes[source].services if name != service]
    after = [*region.nodes[to].services, service]
    command, action = _deploy_command_and_action("validate", region.region)
    pin, why = [], ""
    if version:
        pin = [f'{service}: {{…, version: "{version}"}}']
        why = _(
            " Without this version, the new node would get a newer release, but a backup "
            "can only be restored into the release that made it. To upgrade, remove "
            "`version` after the move and deploy."
        )
    return MoveStep(
        _("Move the service in region.yml"),
        _(
            "Change these {count} lines. The public name, the secrets and all other settings "
            "stay the same.{why}",
            count=2 + len(pin),
            why=why,
        ),
        (
            f"{source}: {{…, services: [{', '.join(before)}]}}",
            f"{to}: {{…, services: [{', '.join(after)}]}}",
            *pin,
            command,
        ),
        (action, ("check-region", source, to)),
        by_person=True,
    )


def _change_dns_records_step(region: Region, service: str, to: str) -> MoveStep:
    command, action = _deploy_command_and_action("dns", region.region, "--wait")
    return MoveStep(
        _("Point the DNS names to the new machine"),
        _(
            "The new machine gets certificates only when DNS points to it. Change these records, "
            "then wait until the changes are visible."
        ),
        (*_dns_record_lines(region, service, to), command),
        (action,),
        by_person=True,
    )


def _deploy_new_machine_step(region: Region, to: str, service: str) -> MoveStep:
    command, action = _deploy_command_and_action("region", region.region, "--node", to)
    return MoveStep(
        _("Set up the service on the new machine"),
        _(
            "After this step, people can already open {service} on the new machine, but it is "
            "still empty. Ask them to wait. This step does not change the old machine.",
            service=service,
        ),
        (command,),
        (action,),
    )


def _restore_step(region: Region, service: str, source: str, to: str) -> MoveStep:
    command, action = _deploy_command_and_action(
        "restore", region.region, "--node", to, "--service", service, "--backup-of", source, "--yes"
    )
    return MoveStep(
        _("Restore the last backup on the new machine"),
        _(
            "Each file and each table is compared with the backup before the service gets "
            "the data. Then all checks of the new machine run. Do not repeat this step once "
            "people use the service there, because their changes would be lost."
        ),
        (command,),
        (action,),
    )


def _steps_to_check_new_machine(
    region: Region, service: str, source: str, to: str
) -> list[MoveStep]:
    verify, action = _deploy_command_and_action("verify", region.region, "--node", to)
    back = f"deploy region {region.region} --node {source}"
    return [
        MoveStep(
            _("Check the new machine"),
            _("These are the checks that follow each deploy."),
            (verify,),
            (action,),
        ),
        MoveStep(
            _("Log in yourself, and look for your data"),
            _(
                "You can still go back to {source}: undo the changes in region.yml and in the "
                "DNS records, then run: {back}. Changes that people made on {to} are then lost.",
                source=source,
                back=back,
                to=to,
            ),
            by_person=True,
        ),
    ]


def _back_up_new_node_step(region: Region, to: str) -> MoveStep:
    """Return the step that stores backups of the new node; SSH servers need its key first."""
    assert region.backup is not None
    targets = region.backup.targets
    servers = [
        name
        for name in region.backup.to
        if name in targets
        and targets[name].kind == "ssh"
        and to in (targets[name].nodes or region.nodes)
    ]
    peers = [name for name in region.backup.to if name not in targets]
    keys = f"deploy backup keys {region.region} --node {to}"
    command, action = _deploy_command_and_action("backup", "now", region.region, "--node", to)
    why = [_("{to} has its own repositories for backups, with its own key.", to=to)]
    if servers:
        why.append(
            _(
                "Add the lines that the first command prints to {servers}.",
                servers=", ".join(servers),
            )
        )
    if peers:
        why.append(_("Each of these peers must deploy first: {peers}.", peers=", ".join(peers)))
    return MoveStep(
        _("Back up the new node"),
        " ".join(why),
        (keys, command) if servers else (command,),
        (action,),
        by_person=bool(servers or peers),
    )


def _steps_to_clean_up_old_machine(region: Region, service: str, source: str) -> list[MoveStep]:
    deploy, action = _deploy_command_and_action("region", region.region)
    return [
        MoveStep(
            _("Remove the service from the old machine"),
            _(
                "Its data stays on {source}, and the backups of {source} are kept. This deploy "
                "tells the other nodes where the service runs now.",
                source=source,
            ),
            (deploy,),
            (action,),
        ),
        MoveStep(
            _("Some weeks later, delete the old data"),
            _advice_about_old_data(region, service, source),
            later=True,
        ),
    ]


def _advice_about_old_data(region: Region, service: str, source: str) -> str:
    others = [name for name in region.nodes[source].services if name != service]
    if not others:
        return _(
            "If nothing is missing: remove {source} from region.yml, deploy, erase the "
            "disk of {source} and give the machine back.",
            source=source,
        )
    return _(
        "If nothing is missing, delete the data on {source} by hand. The deploy that removed "
        "{service} reported where the data is. {source} still runs {others}.",
        source=source,
        service=service,
        others=", ".join(others),
    )


def _dns_record_lines(region: Region, service: str, node: str) -> tuple[str, ...]:
    if SERVICES[service].is_auxiliary:
        return ()
    name = region.public_name(service, node)
    return tuple(
        f"{name}  {'AAAA' if ':' in address else 'A'}  {address}"
        for address in region.nodes[node].addresses
    )


def _ssh_command_text(region: Region, node: str, command: str) -> str:
    found = region.nodes[node]
    port = "" if found.port == 22 else f"-p {found.port} "
    remote = command if found.user == "root" else f'sudo sh -c "{command}"'
    return f"ssh {port}{found.user}@{found.address} '{remote}'"
