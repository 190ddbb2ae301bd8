"""One named sandbox: up, down, and what is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from chautari.process import run
from chautari_sandbox import paths, podman, state
from chautari_sandbox.engine import Engine, Found
from chautari_sandbox.spec import NodeSpec, SandboxSpec, WantedArtifact, validate
from chautari_sandbox.state import ContainerStatus, SandboxState, SandboxStatus

__all__ = [
    "NodeSpec",
    "SandboxSpec",
    "SandboxState",
    "SandboxStatus",
    "WantedArtifact",
    "down",
    "load_state",
    "status",
    "up",
]


def up(spec: SandboxSpec, progress: Callable[[str], None]) -> SandboxState:
    """Have the sandbox running as the spec says; a second call changes nothing."""
    # Certificates, images and downloads are a lot to import, and a running sandbox needs none.
    from chautari_sandbox import archives, images, runtime, setup
    from chautari_sandbox.authority import ensure_authority

    validate(spec)
    folder = paths.state_dir(spec.name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with paths.locked(folder / "lock"):
        state.begin(spec.name)
        engine = Engine(runtime.choose(), spec.name, folder)
        recipes = images.recipes((node.release for node in spec.nodes), archives.host_targets())
        images.ensure(engine.base, recipes.values(), progress)
        made = {name: recipe.image for name, recipe in recipes.items()}
        authority = ensure_authority(folder / "tls", spec.name)
        steps = setup.Setup(spec, engine, made, authority, progress)
        described = setup.publish_artifacts(steps, setup.describe(spec, folder))
        setup.start_network(steps)
        roots = setup.start_internet(steps, described)
        setup.start_nodes(steps, described)
        setup.refresh(steps, roots)
        return state.save(described)


def down(name: str, *, purge: bool = False) -> None:
    """Remove the containers and the network; with `purge`, keys, mail and cache as well."""
    folder = paths.state_dir(name)
    if shutil.which("podman") is not None:
        engine = Engine(("podman",), name, folder)
        engine.remove(engine.containers().values())
        if engine.network():
            run(podman.network_remove(engine.base, name))
    if purge:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(paths.apt_cache_dir(name), ignore_errors=True)


def status(name: str) -> SandboxStatus:
    """What is there now, also when that is nothing."""
    if shutil.which("podman") is None:
        return SandboxStatus(name, exists=False, running=False, containers=())
    found = Engine(("podman",), name, paths.state_dir(name)).containers()
    members = tuple(_member(member, found[member]) for member in sorted(found))
    running = bool(members) and all(member.running for member in members)
    return SandboxStatus(name, exists=bool(members), running=running, containers=members)


def load_state(name: str) -> SandboxState | None:
    """The state that the last `up` left; None when there is none."""
    return state.load(name)


def _member(name: str, found: Found) -> ContainerStatus:
    address, release = found.labels[podman.ADDRESS], found.labels[podman.RELEASE]
    return ContainerStatus(name, found.name, address, found.running, release)
