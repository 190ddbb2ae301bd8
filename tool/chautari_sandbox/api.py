"""Start, stop and inspect the sandbox of one region."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chautari.errors import BadInput
from chautari.files import remove_folder
from chautari.language import _
from chautari.process import run
from chautari_sandbox import (
    apt_sources,
    capacity,
    images,
    paths,
    podman_commands,
    privileges,
    runtime,
    setup,
    state,
)
from chautari_sandbox.authority import ensure_authority
from chautari_sandbox.podman_client import ExistingContainer, PodmanClient
from chautari_sandbox.spec import NodeSpec, RequiredArtifact, SandboxSpec, validate_spec
from chautari_sandbox.state import SandboxState

__all__ = [
    "NodeSpec",
    "RequiredArtifact",
    "SandboxSpec",
    "SandboxState",
    "SandboxStatus",
    "load_last_saved_state",
    "remove_sandbox",
    "sandbox_status",
    "start_sandbox",
]


@dataclass(frozen=True)
class ContainerStatus:
    """One container as podman sees it."""

    name: str
    container: str
    address: str
    running: bool
    release: str


@dataclass(frozen=True)
class SandboxStatus:
    """Which containers run; `exists` is false when there are none."""

    name: str
    exists: bool
    running: bool
    containers: tuple[ContainerStatus, ...]


def start_sandbox(spec: SandboxSpec, progress: Callable[[str], None]) -> SandboxState:
    """Start the sandbox that `spec` describes; a second call changes nothing."""
    validate_spec(spec)
    folder = paths.state_dir(spec.name)
    paths.check_owner_of_sandbox_files(spec.name)
    runtime.require_podman()
    with (
        privileges.hold_root_access(),
        paths.temporary_umask_for_containers(),
        paths.hold_lock(folder / "lock"),
    ):
        client = PodmanClient(runtime.working_podman_command(), spec.name, folder)
        present = client.containers_by_member()
        _refuse_sandbox_of_another_account(spec.name, present)
        folder.chmod(0o700)
        state.mark_unfinished(spec.name)
        recipes = images.image_recipes(
            (node.release for node in spec.nodes), apt_sources.host_apt_index_targets_text()
        )
        running = sum(found.running for found in present.values())
        capacity.require_room_for_containers(
            max(0, len(spec.nodes) + 1 - running),
            len(images.missing_images(client.base, recipes.values())),
            client.base,
        )
        images.build_missing_images(client.base, recipes.values(), progress)
        made = {name: recipe.image_name for name, recipe in recipes.items()}
        authority = ensure_authority(folder / "tls", spec.name)
        steps = setup.SetupContext(spec, client, made, authority, progress)
        described = setup.publish_artifacts(steps, setup.initial_state(spec, folder))
        setup.ensure_network(steps)
        setup.start_internet(steps, described)
        capacity.require_forwarding()
        setup.start_nodes(steps, described)
        setup.update_trust_and_proxies(steps, described)
        saved = state.save_completed_state(described)
        setup.announce_to_neighbours(steps)
        return saved


def remove_sandbox(name: str, *, purge: bool = False) -> None:
    """Remove the containers and the network; with `purge`, also keys, mail and caches."""
    folder = paths.state_dir(name)
    paths.check_owner_of_sandbox_files(name)
    if shutil.which("podman") is not None:
        privileges.require_root_access()
        client = PodmanClient(podman_commands.podman_command_prefix(), name, folder)
        client.remove_containers(client.containers_by_member().values())
        if client.find_sandbox_network():
            run(podman_commands.remove_network_command(client.base, name))
        if purge:
            client.remove_volumes()
    if purge:
        remove_folder(folder)
        # Earlier versions kept the packages here.
        remove_folder(paths.cache_dir() / "apt" / name)


def sandbox_status(name: str) -> SandboxStatus:
    """Return which containers exist and run."""
    if shutil.which("podman") is None:
        return SandboxStatus(name, exists=False, running=False, containers=())
    privileges.require_root_access()
    found = PodmanClient(
        podman_commands.podman_command_prefix(), name, paths.state_dir(name)
    ).containers_by_member()
    members = tuple(_container_status(member, found[member]) for member in sorted(found))
    running = bool(members) and all(member.running for member in members)
    return SandboxStatus(name, exists=bool(members), running=running, containers=members)


def load_last_saved_state(name: str) -> SandboxState | None:
    """Return the state that the last `up` saved; None when there is none."""
    return state.load_last_saved_state(name)


def _refuse_sandbox_of_another_account(name: str, present: Mapping[str, ExistingContainer]) -> None:
    """Refuse to replace containers whose keys and state are not in this account's folders."""
    if not present or state.is_sandbox_known(name):
        return
    owners = sorted(
        {found.labels.get(podman_commands.OWNER, "") for found in present.values()} - {""}
    )
    raise BadInput(
        _(
            "the sandbox {name} already exists; another account on this machine created it",
            name=name,
        )
        + (_(" for the region in {folders}", folders=", ".join(owners)) if owners else ""),
        fix=_(
            "use the sandbox from that account, or remove it: deploy sandbox down {name}", name=name
        ),
    )


def _container_status(name: str, container: ExistingContainer) -> ContainerStatus:
    address, release = (
        container.labels[podman_commands.ADDRESS],
        container.labels[podman_commands.RELEASE],
    )
    return ContainerStatus(name, container.name, address, container.running, release)
