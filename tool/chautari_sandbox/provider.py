"""Finds out what surrounds a region: the public internet, or its sandbox, which is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chautari.errors import BadInput
from chautari.region import packages as upstream
from chautari.region.catalog import Artifact
from chautari.region.images import IMAGES
from chautari.region.load import Inventory
from chautari.region.model import Region
from chautari.region.packages import Repository
from chautari.render import apps, containers, packages
from chautari.render.endpoints import PUBLIC_INTERNET, ArtifactDouble, Endpoints
from chautari.render.placement import names_of
from chautari.render.variables import RELEASES, NodeContext, release_of
from chautari_sandbox import alive, paths, state
from chautari_sandbox.doubles import limits
from chautari_sandbox.spec import (
    NodeSpec,
    Release,
    SandboxSpec,
    WantedArtifact,
    WantedImage,
    WantedRepository,
)
from chautari_sandbox.state import SandboxState

Tell = Callable[[str], None]


def surroundings(inventory: Inventory, tell: Tell, mirror: Path | None = None) -> Endpoints:
    """Return what surrounds the region; a sandbox that is not running is started.

    `mirror` is a folder with upstream's real artifacts; it is remembered until another is named
    or the sandbox is taken down.
    """
    region = inventory.region
    if region.sandbox is None:
        return PUBLIC_INTERNET
    known = state.load(region.region)
    spec = sandbox_spec(inventory, mirror)
    if known is None or mirror is not None or not _is_running(spec):
        from chautari_sandbox import api

        known = api.up(spec, tell)
    return internet_of(known)


def known_surroundings(inventory: Inventory) -> Endpoints:
    """Return what surrounds the region without starting anything."""
    if inventory.region.sandbox is None:
        return PUBLIC_INTERNET
    known = state.load(inventory.region.region)
    return PUBLIC_INTERNET if known is None else internet_of(known)


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
        images=_images(inventory),
        mirror=_remembered(region.region, mirror),
        owner=str(inventory.folder.resolve()),
    )


def internet_of(known: SandboxState) -> Endpoints:
    """Return a sandbox's small internet as the renderer and the checks see it."""
    return Endpoints(
        acme_directory=known.acme_directory,
        ca_file=known.ca_file,
        resolver=known.resolver,
        ssh_key=known.ssh_key,
        operators={"sandbox": (known.operator_public_key,)},
        secrets={"mail_relay_password": known.mail_relay.password},
        artifacts={
            item.name: Artifact(item.name, item.version, item.url, item.sha256)
            for item in known.artifacts
        },
        repositories={
            item.name: Repository(item.name, item.uri, "stable/", item.key_url, (item.fingerprint,))
            for item in known.repositories
        },
        missing={item.name: item.reason for item in known.missing},
        doubles=_doubles(known),
        mail_api=known.mail_api,
    )


def _doubles(known: SandboxState) -> tuple[ArtifactDouble, ...]:
    found = [(item.name, item.version, item.reason) for item in known.artifacts if item.double]
    found += [(item.name, item.version, item.reason) for item in known.repositories]
    return tuple(
        ArtifactDouble(name, version, limits.described(name, reason))
        for name, version, reason in found
    )


def _is_running(spec: SandboxSpec) -> bool:
    """Return whether every container of this very inventory is there, up and furnished."""
    if not state.finished(spec.name):
        return False
    there = alive.members(spec.name)
    if there is None:
        from chautari_sandbox import api  # a real region never needs it

        found = api.status(spec.name)
        there = {item.name: item.address for item in found.containers} if found.running else {}
    wanted = {node.name: node.address for node in spec.nodes}
    known = state.load(spec.name)
    served = {(item.name, item.version) for item in known.artifacts} if known else set()
    served |= {(item.name, item.version) for item in known.missing} if known else set()
    asked = {(item.name, item.version) for item in spec.wanted}
    asked |= {(item.name, item.version) for item in spec.images}
    is_served = bool(spec.mirror) or asked <= served
    is_served &= {(item.name, item.version) for item in spec.repositories} <= _asked(known)
    return bool(there) and wanted.items() <= there.items() and is_served


def _asked(known: SandboxState | None) -> set[tuple[str, str]]:
    """Return the repositories that the sandbox was asked for, with their releases."""
    return {(name, version) for name, version in known.asked} if known else set()


def _node_spec(region: Region, name: str) -> NodeSpec:
    node = region.nodes[name]
    release: Release = "12" if region.os_of(name) == "debian-12" else "13"
    nests = bool(containers.services_of(region, name))
    return NodeSpec(name, node.address, release, names_of(region, name), nests)


def _wanted(inventory: Inventory) -> tuple[WantedArtifact, ...]:
    region = inventory.region
    found: list[Artifact] = []
    for name, node in region.nodes.items():
        for service in (item for item in node.services if item in RELEASES):
            release = release_of(NodeContext(inventory, PUBLIC_INTERNET, name), service)
            found.append(release)
            if service == "nextcloud":
                pins = apps.pinned(NodeContext(inventory, PUBLIC_INTERNET, name), release.version)
                found += [pin for pin in pins.values() if pin is not None]
    return tuple(
        WantedArtifact(item.name, item.version, item.file, item.url, item.sha256) for item in found
    )


def _images(inventory: Inventory) -> tuple[WantedImage, ...]:
    context = NodeContext(inventory, PUBLIC_INTERNET, "")
    services = (item for item in IMAGES if inventory.region.nodes_running(item))
    return tuple(WantedImage(item, containers.image(context, item).version) for item in services)


def _repositories(inventory: Inventory) -> tuple[WantedRepository, ...]:
    context, deployed_services = (
        NodeContext(inventory, PUBLIC_INTERNET, ""),
        inventory.region.deployed_services(),
    )
    found = list[WantedRepository]()
    if "jitsi" in deployed_services:
        version = packages.jitsi_version(context)
        found.append(WantedRepository("jitsi", version, upstream.JITSI.key_url))
    if "bigbluebutton" in deployed_services:
        version = packages.bigbluebutton_version(context)
        found.append(WantedRepository("bigbluebutton", version, upstream.BIGBLUEBUTTON_KEY))
    return tuple(found)


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
