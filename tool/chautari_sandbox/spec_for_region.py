"""What a region needs of its sandbox: nodes, and the software that they will download."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from chautari.errors import BadInput
from chautari.language import _
from chautari.region.load import LoadedRegion
from chautari.region.model import Region
from chautari.render.context import NodeContext
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.placement import public_names_of_node
from chautari.services.artifacts import Artifact
from chautari.services.base import Service
from chautari.services.containers import image_to_run
from chautari.services.registry import SERVICES
from chautari_sandbox.spec import (
    NodeSpec,
    Release,
    RequiredArtifact,
    RequiredRepository,
    SandboxSpec,
    UpstreamImage,
)


def sandbox_spec(loaded_region: LoadedRegion, mirror: Path | None = None) -> SandboxSpec:
    """Return the sandbox that the region needs; `mirror` is a folder with real artifacts.

    Raises:
        BadInput: when the region has no `sandbox:`.
    """
    region = loaded_region.region
    if region.sandbox is None:
        raise BadInput(
            _("{region} is a real region, not a sandbox", region=region.region),
            fix=_("use a region that has `sandbox: {network: …}` in region.yml, such as demo"),
        )
    return SandboxSpec(
        name=region.region,
        zone=region.domain,
        network=region.sandbox.network,
        nodes=tuple(_spec_of_region_node(region, name) for name in region.nodes),
        wanted=_required_artifacts(loaded_region),
        repositories=_required_repositories(loaded_region),
        images=_required_images(loaded_region),
        mirror=mirror,
        owner=str(loaded_region.folder.resolve()),
        neighbours=region.sandbox.neighbours,
    )


def _spec_of_region_node(region: Region, name: str) -> NodeSpec:
    node = region.nodes[name]
    release: Release = "12" if region.os_or_substitute_of(name) == "debian-12" else "13"
    nests = any(service.image for service in region.services_of(name))
    return NodeSpec(name, node.address, release, public_names_of_node(region, name), nests)


def _required_artifacts(loaded_region: LoadedRegion) -> tuple[RequiredArtifact, ...]:
    region = loaded_region.region
    found: list[Artifact] = []
    older: list[Artifact] = []
    for name in region.nodes:
        context = NodeContext(loaded_region, PUBLIC_INTERNET, name)
        for service in region.services_of(name):
            found += service.artifacts(context) if service.artifacts else ()
            if service.older_artifacts:
                older += _artifacts_pinned_by_region(service, service.older_artifacts(context))
    return tuple(
        RequiredArtifact(item.name, item.version, item.file_name, item.url, item.sha256, is_older)
        for items, is_older in ((found, False), (older, True))
        for item in items
    )


def _artifacts_pinned_by_region(service: Service, artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Return those that the region pins itself: few sandboxes upgrade from a release of ours."""
    return [item for item in artifacts if item not in service.releases]


def _required_images(loaded_region: LoadedRegion) -> tuple[UpstreamImage, ...]:
    context = NodeContext(loaded_region, PUBLIC_INTERNET, "")
    deployed = (name for name in SERVICES if loaded_region.region.nodes_running(name))
    return tuple(
        UpstreamImage(name, image_to_run(context, name).version)
        for name in deployed
        if SERVICES[name].image
    )


def _required_repositories(loaded_region: LoadedRegion) -> tuple[RequiredRepository, ...]:
    context = NodeContext(loaded_region, PUBLIC_INTERNET, "")
    deployed = loaded_region.region.services_with_public_name()
    packages = {
        service.packages.name: service.packages
        for name, service in SERVICES.items()
        if name in deployed and service.packages
    }
    return tuple(
        RequiredRepository(name, item.version(context), item.key_url)
        for name, item in packages.items()
    )
