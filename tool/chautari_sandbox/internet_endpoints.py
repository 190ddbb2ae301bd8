"""A sandbox's simulated internet as the renderer and the checks see it."""

from __future__ import annotations

from chautari.region.field_types import DOCUMENTATION_NETWORKS
from chautari.render.endpoints import ArtifactReplacement, Endpoints
from chautari.services.artifacts import Artifact, PackageRepository
from chautari_sandbox.doubles import limits
from chautari_sandbox.spec import gateway_of_network
from chautari_sandbox.state import SandboxState


def internet_endpoints(known: SandboxState) -> Endpoints:
    """Return the endpoints of a sandbox that was brought up."""
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
            if not item.older
        },
        older_artifacts={
            (item.name, item.version): Artifact(item.name, item.version, item.url, item.sha256)
            for item in known.artifacts
            if item.older
        },
        repositories={
            item.name: PackageRepository(
                item.name, item.uri, "stable/", item.key_url, (item.fingerprint,)
            )
            for item in known.repositories
        },
        missing={item.name: item.reason for item in known.missing},
        doubles=_artifact_doubles(known),
        mail_api=known.mail_api,
        # Peers in other sandboxes on this machine.
        peer_networks=tuple(map(str, DOCUMENTATION_NETWORKS)),
        # podman's networks reach each other through the gateway of the other one.
        peer_gateway=gateway_of_network(known.network),
    )


def _artifact_doubles(known: SandboxState) -> tuple[ArtifactReplacement, ...]:
    found = [(item.name, item.version, item.reason) for item in known.artifacts if item.double]
    found += [(item.name, item.version, item.reason) for item in known.repositories]
    return tuple(
        ArtifactReplacement(name, version, limits.replacement_reason_with_limits(name, reason))
        for name, version, reason in found
    )
