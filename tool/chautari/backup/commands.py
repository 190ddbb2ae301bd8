"""What `deploy backup` does: on all nodes at the same time, each result by node and target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chautari.backup import node_program
from chautari.backup.node_program import NodeProblem, ProgramEvent
from chautari.backup.node_state import NodeError
from chautari.backup.scope import is_peer_target, nodes_with_backup, targets_of_node
from chautari.backup.secrets import borg_key_name, public_login_key
from chautari.deploy.request import Request
from chautari.errors import BadInput
from chautari.language import _
from chautari.parallel import map_parallel
from chautari.region.model import Region
from chautari.render.endpoints import Endpoints
from chautari.render.provider import known_endpoints
from chautari.report.backup_texts import backup_error_line, backup_state_texts
from chautari.secrets.completion import open_secrets, update_secrets
from chautari.secrets.private_keys import private_keys_to_try
from chautari.secrets.store import SecretStore
from chautari.ssh.target import SSHTarget, ssh_targets

Tell = Callable[[str, ProgramEvent], None]


@dataclass
class NodeResult:
    """What one node did.

    Attributes:
        targets: the result by target, as plain JSON data with `ok`.
        problem: why the node has no result.
        error: why the node did nothing for any target.
        saved_keys: targets whose key was new, and is now in the region's secrets.
    """

    node: str
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    problem: NodeProblem | None = None
    error: dict[str, Any] | None = None
    saved_keys: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every target is well, and there is one."""
        done = bool(self.targets) and all(item["ok"] for item in self.targets.values())
        return done and self.problem is None and self.error is None

    def as_object(self) -> Mapping[str, object]:
        """Return plain JSON data."""
        return {
            "node": self.node,
            "ok": self.ok,
            "targets": self.targets,
            "error": self.error,
            "problem": self.problem.as_object() if self.problem else None,
            "saved_keys": self.saved_keys,
        }


def backed_up_nodes_of_request(request: Request) -> tuple[str, ...]:
    """Return the nodes of a command that are backed up.

    Raises:
        BadInput: when the region stores no backups, or a node of the command is not backed up.
    """
    region = request.loaded_region.region
    backed_up = nodes_with_backup(region)
    if not backed_up:
        raise BadInput(
            _("region {region} stores no backups", region=region.region),
            fix=_(
                "write in region.yml where backups are stored, for example backup: {{to: "
                "[PEER]}}, then deploy: deploy region {region}",
                region=region.region,
            ),
        )
    names = request.node_names()
    for name in request.nodes:
        if name not in backed_up:
            raise BadInput(
                _(
                    "{name} is not backed up, because none of its services has data to store",
                    name=name,
                ),
                fix=_("use one of: {backed_up}", backed_up=", ".join(backed_up)),
            )
    return tuple(name for name in names if name in backed_up)


def back_up_now(request: Request, tell: Tell) -> list[NodeResult]:
    """Back up the nodes of a command, and store the keys of new repositories in the secrets."""
    endpoints = known_endpoints(request.loaded_region)
    _open_region_secrets(request, endpoints)  # it fails now, and not after hours of work

    def one(target: SSHTarget) -> tuple[NodeResult, dict[str, str]]:
        result = _back_up_node(request.loaded_region.region, target, tell)
        return result, _export_repository_keys_by_target(
            request.loaded_region.region, target, result
        )

    found = map_parallel(one, _ssh_targets_of_backed_up_nodes(request, endpoints))
    _save_new_repository_keys(request, endpoints, found)
    return [result for result, _ in found]


def _save_new_repository_keys(
    request: Request,
    endpoints: Endpoints,
    results_and_keys: Sequence[tuple[NodeResult, Mapping[str, str]]],
) -> None:
    """Store the keys of repositories that the region's secrets do not have yet."""
    if not any(keys for _, keys in results_and_keys):
        return

    def add_new_keys(opened: SecretStore) -> SecretStore:
        new = {}
        for result, keys in results_and_keys:
            for target, key in keys.items():
                name = borg_key_name(result.node, target)
                if name not in opened or opened[name] != key:
                    new[name] = key
                    result.saved_keys.append(target)
        return opened.with_values(new)

    extra = [key for keys in endpoints.operators.values() for key in keys]
    identities = private_keys_to_try(request.identities, endpoints.ssh_key)
    update_secrets(request.loaded_region, identities, extra, add_new_keys)


def _back_up_node(region: Region, target: SSHTarget, tell: Tell) -> NodeResult:
    result = NodeResult(target.name)

    def take(event: ProgramEvent) -> None:
        tell(target.name, event)
        if isinstance(event, node_program.TargetFinished):
            values = event.model_dump(exclude={"event", "target", "error"})
            result.targets[event.target] = values | {"error": error_object(event.error)}
        elif isinstance(event, node_program.ProgramFinished):
            result.error = error_object(event.error)

    result.problem = node_program.start_or_follow_backup(region.region, target, take)
    _align_result_targets_with_region(region, result)
    return result


def _export_repository_keys_by_target(
    region: Region, target: SSHTarget, result: NodeResult
) -> dict[str, str]:
    """Return the keys of the repositories in which the node stored a backup, by target."""
    found: dict[str, str] = {}

    def take(event: ProgramEvent) -> None:
        if isinstance(event, node_program.RepositoryKey):
            found[event.target] = event.key.rstrip("\n") + "\n"

    for name, item in result.targets.items():
        if item["ok"]:
            arguments = ("export-key", "--target", name)
            node_program.call_program(region.region, target, arguments, take)
    return {name: key for name, key in found.items() if name in result.targets}


def list_archives(request: Request) -> list[NodeResult]:
    """Return the archives of the nodes of a command."""
    region = request.loaded_region.region

    def one(target: SSHTarget) -> NodeResult:
        result = NodeResult(target.name)

        def take(event: ProgramEvent) -> None:
            if isinstance(event, node_program.Archives):
                for name, item in event.targets.items():
                    result.targets[name] = {
                        "ok": item.error is None,
                        "archives": [archive.model_dump() for archive in item.archives],
                        "error": error_object(item.error),
                    }
            elif isinstance(event, node_program.ProgramFinished):
                result.error = error_object(event.error)

        result.problem = node_program.call_program(region.region, target, ("list",), take)
        _align_result_targets_with_region(region, result)
        return result

    return map_parallel(
        one, _ssh_targets_of_backed_up_nodes(request, known_endpoints(request.loaded_region))
    )


def check_repositories(request: Request, tell: Tell) -> list[NodeResult]:
    """Check the repositories of the nodes of a command, and return the results."""
    region = request.loaded_region.region

    def one(target: SSHTarget) -> NodeResult:
        result = NodeResult(target.name)

        def take(event: ProgramEvent) -> None:
            tell(target.name, event)
            if isinstance(event, node_program.TargetChecked):
                values = event.model_dump(include={"ok", "seconds"})
                result.targets[event.target] = values | {"error": error_object(event.error)}
            elif isinstance(event, node_program.ProgramFinished):
                result.error = error_object(event.error)

        result.problem = node_program.call_program(region.region, target, ("check",), take)
        _align_result_targets_with_region(region, result)
        return result

    return map_parallel(
        one, _ssh_targets_of_backed_up_nodes(request, known_endpoints(request.loaded_region))
    )


def public_login_keys(request: Request) -> dict[str, str]:
    """Return the public keys with which the nodes of a command log in where backups are stored."""
    opened = _open_region_secrets(request, known_endpoints(request.loaded_region))
    values = opened.values_of_names(opened.names)
    try:
        return {
            name: public_login_key(name, values) for name in backed_up_nodes_of_request(request)
        }
    except KeyError:
        region = request.loaded_region.region.region
        raise BadInput(
            _(
                "the nodes have no backup keys yet, because the region was not deployed "
                "after `backup` was added to region.yml"
            ),
            fix=_("generate them: deploy region {region}", region=region),
        ) from None


def error_object(error: NodeError | None) -> dict[str, Any] | None:
    """Return an error as plain JSON data, with its text."""
    if error is None:
        return None
    return error.model_dump() | {"text": backup_error_line(error.code, error.data)}


def _align_result_targets_with_region(region: Region, result: NodeResult) -> None:
    """Limit a result to the region's targets, and add those that the node does not know yet.

    A node is believed about its own targets only.
    """
    known = targets_of_node(region, result.node)
    result.targets = {name: item for name, item in result.targets.items() if name in known}
    if result.problem or result.error:
        return
    for name in known:
        if name not in result.targets:
            error = _undeployed_target_error(region, result.node, name)
            result.targets[name] = {"ok": False, "error": error}


def _undeployed_target_error(region: Region, node: str, target: str) -> dict[str, Any]:
    code = "space_not_known" if is_peer_target(region, target) else "not_deployed"
    data = {"region": region.region, "node": node, "target": target}
    cause, fix = backup_state_texts(code, data)
    return {"code": code, "data": data, "text": _("{cause}. Fix: {fix}", cause=cause, fix=fix)}


def _ssh_targets_of_backed_up_nodes(request: Request, endpoints: Endpoints) -> list[SSHTarget]:
    names = backed_up_nodes_of_request(request)
    return ssh_targets(request.loaded_region, endpoints, names, request.identities)


def _open_region_secrets(request: Request, endpoints: Endpoints) -> SecretStore:
    return open_secrets(
        request.loaded_region, private_keys_to_try(request.identities, endpoints.ssh_key)
    )
