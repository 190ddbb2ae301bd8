"""What a region needs of its sandbox: nodes, and the software that they will download."""

from __future__ import annotations

from pathlib import Path

from chautari.errors import BadInput
from chautari.region import packages as upstream
from chautari.region.catalog import Artifact
from chautari.region.images import IMAGES
from chautari.region.load import Inventory
from chautari.region.model import Region
from chautari.render import apps, containers, packages
from chautari.render.context import NodeContext
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.placement import names_of
from chautari.render.variables import RELEASES, release_of
from chautari_sandbox.spec import (
    NodeSpec,
    Release,
    RequiredArtifact,
    RequiredImage,
    RequiredRepository,
    SandboxSpec,
)


def sandbox_spec(inventory: Inventory, mirror: Path | None = None) -> SandboxSpec:
    """Return the sandbox that the region needs; `mirror` is a folder with real artifacts.

    Raises:
        BadInput: when the region has no `sandbox:`.
    """
    region = inventory.region
    if region.sandbox is None:
        raise BadInput(
            f"{region.region} is a real region, not a sandbox",
            fix="only a region with `sandbox: {network: …}` runs in containers, such as demo",
        )
    return SandboxSpec(
        name=region.region,
        zone=region.domain,
        network=region.sandbox.network,
        nodes=tuple(_node_spec(region, name) for name in region.nodes),
        wanted=_artifacts(inventory),
        repositories=_repositories(inventory),
        images=_images(inventory),
        mirror=mirror,
        owner=str(inventory.folder.resolve()),
    )


def _node_spec(region: Region, name: str) -> NodeSpec:
    node = region.nodes[name]
    release: Release = "12" if region.os_of(name) == "debian-12" else "13"
    nests = bool(containers.services_of(region, name))
    return NodeSpec(name, node.address, release, names_of(region, name), nests)


def _artifacts(inventory: Inventory) -> tuple[RequiredArtifact, ...]:
    region = inventory.region
    found: list[Artifact] = []
    for name, node in region.nodes.items():
        context = NodeContext(inventory, PUBLIC_INTERNET, name)
        for service in (item for item in node.services if item in RELEASES):
            release = release_of(context, service)
            found.append(release)
            if service == "nextcloud":
                pins = apps.pinned(context, release.version)
                found += [pin for pin in pins.values() if pin is not None]
    return tuple(
        RequiredArtifact(item.name, item.version, item.file, item.url, item.sha256)
        for item in found
    )


def _images(inventory: Inventory) -> tuple[RequiredImage, ...]:
    context = NodeContext(inventory, PUBLIC_INTERNET, "")
    services = (item for item in IMAGES if inventory.region.nodes_running(item))
    return tuple(RequiredImage(item, containers.image(context, item).version) for item in services)


def _repositories(inventory: Inventory) -> tuple[RequiredRepository, ...]:
    context = NodeContext(inventory, PUBLIC_INTERNET, "")
    deployed_services = inventory.region.deployed_services()
    found = list[RequiredRepository]()
    if "jitsi" in deployed_services:
        version = packages.jitsi_version(context)
        found.append(RequiredRepository("jitsi", version, upstream.JITSI.key_url))
    if "bigbluebutton" in deployed_services:
        version = packages.bigbluebutton_version(context)
        found.append(RequiredRepository("bigbluebutton", version, upstream.BIGBLUEBUTTON_KEY))
    return tuple(found)
