"""What a region needs of its sandbox: nodes, and the software that they will download."""

from __future__ import annotations

from pathlib import Path

from chautari.errors import BadInput
from chautari.region.load import Inventory
from chautari.region.model import Region
from chautari.render.context import NodeContext
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.placement import public_names_of
from chautari.services.artifacts import Artifact
from chautari.services.containers import image_of
from chautari.services.registry import SERVICES
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
        nodes=tuple(_spec_of_region_node(region, name) for name in region.nodes),
        wanted=_required_artifacts(inventory),
        repositories=_required_repositories(inventory),
        images=_required_images(inventory),
        mirror=mirror,
        owner=str(inventory.folder.resolve()),
    )


def _spec_of_region_node(region: Region, name: str) -> NodeSpec:
    node = region.nodes[name]
    release: Release = "12" if region.os_of(name) == "debian-12" else "13"
    nests = any(service.image for service in region.services_of(name))
    return NodeSpec(name, node.address, release, public_names_of(region, name), nests)


def _required_artifacts(inventory: Inventory) -> tuple[RequiredArtifact, ...]:
    region = inventory.region
    found: list[Artifact] = []
    for name in region.nodes:
        context = NodeContext(inventory, PUBLIC_INTERNET, name)
        for service in region.services_of(name):
            found += service.artifacts(context) if service.artifacts else ()
    return tuple(
        RequiredArtifact(item.name, item.version, item.file_name, item.url, item.sha256)
        for item in found
    )


def _required_images(inventory: Inventory) -> tuple[RequiredImage, ...]:
    context = NodeContext(inventory, PUBLIC_INTERNET, "")
    deployed = (name for name in SERVICES if inventory.region.nodes_running(name))
    return tuple(
        RequiredImage(name, image_of(context, name).version)
        for name in deployed
        if SERVICES[name].image
    )


def _required_repositories(inventory: Inventory) -> tuple[RequiredRepository, ...]:
    context = NodeContext(inventory, PUBLIC_INTERNET, "")
    deployed = inventory.region.deployed_services()
    packages = {
        service.packages.name: service.packages
        for name, service in SERVICES.items()
        if name in deployed and service.packages
    }
    return tuple(
        RequiredRepository(name, item.version(context), item.key_url)
        for name, item in packages.items()
    )
