"""A sandbox's simulated internet as the renderer and the checks see it."""

from __future__ import annotations

from chautari.region.field_types import DOCUMENTATION_NETWORKS
from chautari.render.endpoints import ArtifactReplacement, Endpoints
from chautari.services.artifacts import Artifact, PackageRepository
from chautari_sandbox.doubles import limits
from chautari_sandbox.spec import gateway_of_network
from chautari_sandbox.state import SandboxState


def internet_endpoints(sandbox_state: SandboxState) -> Endpoints:
    """Return the endpoints of a sandbox that was brought up."""
    return Endpoints(
        acme_directory=sandbox_state.acme_directory,
        ca_file=sandbox_state.ca_file,
        resolver=sandbox_state.resolver,
        ssh_key=sandbox_state.ssh_key,
        operators={"sandbox": (sandbox_state.operator_public_key,)},
        secrets={"mail_relay_password": sandbox_state.mail_relay.password},
        artifacts={
            item.name: Artifact(item.name, item.version, item.url, item.sha256)
            for item in sandbox_state.artifacts
            if not item.older
        },
        older_artifacts={
            (item.name, item.version): Artifact(item.name, item.version, item.url, item.sha256)
            for item in sandbox_state.artifacts
            if item.older
        },
        repositories={
            item.name: PackageRepository(
                item.name, item.uri, "stable/", item.key_url, (item.fingerprint,)
            )
            for item in sandbox_state.repositories
        },
        missing={item.name: item.reason for item in sandbox_state.missing},
        doubles=_artifact_doubles(sandbox_state),
        mail_api=sandbox_state.mail_api,
        # Peers in other sandboxes on this machine.
        peer_networks=tuple(map(str, DOCUMENTATION_NETWORKS)),
        # podman's networks reach each other through the gateway of the other one.
        peer_gateway=gateway_of_network(sandbox_state.network),
    )


def _artifact_doubles(sandbox_state: SandboxState) -> tuple[ArtifactReplacement, ...]:
    found = [
        (item.name, item.version, item.reason) for item in sandbox_state.artifacts if item.double
    ]
    found += [(item.name, item.version, item.reason) for item in sandbox_state.repositories]
    return tuple(
        ArtifactReplacement(name, version, limits.replacement_reason_with_limits(name, reason))
        for name, version, reason in found
    )
