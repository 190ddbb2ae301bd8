"""Finds out what surrounds a region: the public internet, or its sandbox, which is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chautari.errors import BadInput
from chautari.region import catalog
from chautari.region.catalog import Artifact, Repository
from chautari.region.load import Inventory
from chautari.region.model import Region
from chautari.render import jitsi
from chautari.render.internet import PUBLIC, Internet, StandIn
from chautari.render.placing import names_of
from chautari.render.variables import Place, nextcloud_release
from chautari.sandbox import api, paths
from chautari.sandbox.spec import (
    NodeSpec,
    Release,
    SandboxSpec,
    WantedArtifact,
    WantedRepository,
)
from chautari.sandbox.state import SandboxState

Tell = Callable[[str], None]


def surroundings(inventory: Inventory, tell: Tell, mirror: Path | None = None) -> Internet:
    """Return what surrounds the region; a sandbox that is not running is started.

    `mirror` is a folder with upstream's real artifacts; it is remembered until another is named
    or the sandbox is taken down.
    """
    region = inventory.region
    if region.sandbox is None:
        return PUBLIC
    state = api.load_state(region.region)
    spec = sandbox_spec(inventory, mirror)
    if state is None or mirror is not None or not _is_running(spec):
        state = api.up(spec, tell)
    return internet_of(state)


def known_surroundings(inventory: Inventory) -> Internet:
    """Return what surrounds the region without starting anything."""
    if inventory.region.sandbox is None:
        return PUBLIC
    state = api.load_state(inventory.region.region)
    return PUBLIC if state is None else internet_of(state)


def sandbox_spec(inventory: Inventory, mirror: Path | None = None) -> SandboxSpec:
    """Return the sandbox that the region wants."""
    region = inventory.region
    if region.sandbox is None:
        raise BadInput(
            f"{region.region} is a real region, not a sandbox",
            fix="only a region with `sandbox: {network: …}` lives in containers, such as demo",
        )
    return SandboxSpec(
        name=region.region,
        zone=region.domain,
        network=region.sandbox.network,
        nodes=tuple(_node_spec(region, name) for name in region.nodes),
        wanted=_wanted(inventory),
        repositories=_repositories(inventory),
        mirror=_remembered(region.region, mirror),
        owner=str(inventory.folder.resolve()),
    )


def internet_of(state: SandboxState) -> Internet:
    """Return a sandbox's small internet as the renderer and the checks see it."""
    return Internet(
        acme_directory=state.acme_directory,
        ca_file=state.ca_file,
        resolver=state.resolver,
        ssh_key=state.ssh_key,
        operators={"sandbox": (state.operator_public_key,)},
        secrets={"mail_relay_password": state.mail_relay.password},
        artifacts={
            item.name: Artifact(item.name, item.version, item.url, item.sha256)
            for item in state.artifacts
        },
        repositories={
            item.name: Repository(
                item.name,
                item.uri,
                "stable/",
                item.key_url,
                (item.fingerprint,),
                catalog.JITSI.bundle,
            )
            for item in state.repositories
        },
        missing={item.name: item.reason for item in state.missing},
        doubles=tuple(
            StandIn(item.name, item.version, item.reason) for item in state.artifacts if item.double
        )
        + tuple(StandIn(item.name, item.version, item.reason) for item in state.repositories),
        mail_api=state.mail_api,
    )


def _is_running(spec: SandboxSpec) -> bool:
    """Return whether every container of this very inventory is there and up."""
    found = api.status(spec.name)
    wanted = {(node.name, node.address) for node in spec.nodes}
    there = {(item.name, item.address) for item in found.containers}
    state = api.load_state(spec.name)
    served = {(item.name, item.version) for item in state.artifacts} if state else set()
    served |= {(item.name, item.version) for item in state.missing} if state else set()
    asked = {(item.name, item.version) for item in spec.wanted}
    known = {(name, version) for name, version in state.asked} if state else set()
    asked_of = {(item.name, item.version) for item in spec.repositories}
    return (
        found.running
        and wanted <= there
        and asked_of <= known
        and (bool(spec.mirror) or asked <= served)
    )


def _node_spec(region: Region, name: str) -> NodeSpec:
    node = region.nodes[name]
    release: Release = "12" if node.os == "debian-12" else "13"
    return NodeSpec(name, node.address, release, names_of(region, name))


def _wanted(inventory: Inventory) -> tuple[WantedArtifact, ...]:
    region = inventory.region
    found: list[Artifact] = []
    for name, node in region.nodes.items():
        if "nextcloud" in node.services:
            release = nextcloud_release(Place(inventory, PUBLIC, name))
            pins = catalog.NEXTCLOUD_APPS.get(catalog.major(release.version), {})
            found.append(release)
            found += [pins[app] for app in region.services.of("nextcloud").apps if app in pins]
    return tuple(
        WantedArtifact(item.name, item.version, item.file, item.url, item.sha256) for item in found
    )


def _repositories(inventory: Inventory) -> tuple[WantedRepository, ...]:
    if "jitsi" not in inventory.region.carried():
        return ()
    release = jitsi.version(Place(inventory, PUBLIC, ""))
    return (WantedRepository("jitsi", release, catalog.JITSI.key_url),)


def forget_mirror(name: str) -> None:
    """Forget the mirror's folder: new nodes need not go on with its releases."""
    _mirror_note(name).unlink(missing_ok=True)


def _mirror_note(name: str) -> Path:
    return paths.state_dir(name) / "mirror-folder"


def _remembered(name: str, mirror: Path | None) -> Path | None:
    note = _mirror_note(name)
    if mirror is not None:
        paths.write(note, str(mirror.resolve()))
        return mirror.resolve()
    if note.is_file() and (folder := Path(note.read_text())).is_dir():
        return folder
    return None
