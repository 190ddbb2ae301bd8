"""The steps of starting a sandbox; each changes only what is not right yet."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from chautari.files import write_atomically
from chautari.language import _
from chautari_sandbox import (
    apt_sources,
    boot_archive,
    dns,
    image_registry,
    images,
    internet_container,
    mirror_publishing,
    neighbours,
    nodes,
    paths,
    repository_doubles,
    runtime,
    ssh_keys,
    trust_and_proxies,
)
from chautari_sandbox.authority import CertificateAndKeyFiles
from chautari_sandbox.doubles import catalog
from chautari_sandbox.podman_client import ExistingContainer, PodmanClient
from chautari_sandbox.spec import SandboxSpec
from chautari_sandbox.state import MailRelay, SandboxState


@dataclass(frozen=True)
class SetupContext:
    """The values that all steps share."""

    spec: SandboxSpec
    client: PodmanClient
    images: dict[str, str]
    authority: CertificateAndKeyFiles
    progress: Callable[[str], None]

    @property
    def folder(self) -> Path:
        """Return the sandbox's own folder."""
        return self.client.folder


def initial_state(spec: SandboxSpec, folder: Path) -> SandboxState:
    """Return a new state made from `spec`; its artifacts are published later."""
    operator = ssh_keys.ensure_operator_key_file(folder / "keys", spec.name)
    return SandboxState(
        name=spec.name,
        zone=spec.zone,
        network=spec.network,
        internet_address=spec.internet_address,
        resolver=spec.internet_address,
        acme_directory=f"https://acme.{spec.zone}:14000/dir",
        ca_file=folder / "ca.pem",
        ssh_key=operator,
        operator_public_key=ssh_keys.public_key_file(operator).read_text().strip(),
        mirror_url=f"http://mirror.{spec.zone}/",
        mail_relay=MailRelay(
            f"smtp.{spec.zone}", 587, "region", _load_or_create_relay_password(folder)
        ),
        nodes=tuple((node.name, node.address) for node in spec.nodes),
        neighbours=spec.neighbours,
        mail_api=f"http://{spec.internet_address}:8025",
    )


def _load_or_create_relay_password(folder: Path) -> str:
    file = folder / "mail-password"
    if not file.is_file():
        write_atomically(file, secrets.token_urlsafe(24), 0o600)
    return file.read_text()


def publish_artifacts(setup: SetupContext, state: SandboxState) -> SandboxState:
    """Publish upstream's artifacts on the mirror; report doubles and missing ones."""
    found, missing = mirror_publishing.sync_published_files(
        setup.spec.wanted,
        mirror_publishing.ArtifactSources(
            mirror=setup.spec.mirror,
            cache=paths.cache_dir() / "downloads",
            doubles=setup.folder / "doubles",
            mirror_root=setup.folder / "mirror",
            url=state.mirror_url,
            builders=catalog.ARCHIVES,
        ),
    )
    found += image_registry.publish_image_doubles(
        setup.spec.images,
        _base_archive_of_image_doubles(setup),
        setup.folder / "mirror",
        state.mirror_url,
    )
    served = repository_doubles.publish_doubles_of_unserved_repositories(
        setup.spec.repositories, setup.folder, setup.folder / "mirror", state.mirror_url
    )
    for repository in served:
        setup.progress(
            _(
                "{name} {version} is a double, not the real software: {reason}",
                name=repository.name,
                version=repository.version,
                reason=repository.reason,
            )
        )
    for artifact in found:
        if artifact.double:
            setup.progress(
                _(
                    "{name} {version} is a double, not the real software: {reason}",
                    name=artifact.name,
                    version=artifact.version,
                    reason=artifact.reason,
                )
            )
    for absent in missing:
        setup.progress(
            _(
                "{name} {version} is missing: {reason}",
                name=absent.name,
                version=absent.version,
                reason=absent.reason,
            )
        )
    requested = tuple((item.name, item.version) for item in setup.spec.repositories)
    return replace(
        state,
        artifacts=found,
        missing=missing,
        repositories=served,
        requested_packages=requested,
    )


def _base_archive_of_image_doubles(setup: SetupContext) -> Path | None:
    """Return the base system for doubles of container images; None where there are none."""
    if not setup.spec.images:
        return None
    sources = apt_sources.sources_list_lines(apt_sources.host_apt_index_targets_text(), "12")
    recipe = images.ImageRecipe("application", "12", image_registry.PACKAGES, sources)
    return images.ensure_image_archive(recipe, setup.progress)


def ensure_network(setup: SetupContext) -> None:
    """Create the network of all containers, with the subnet that the spec names."""
    if setup.client.ensure_network(setup.spec.network):
        setup.progress(_("created the network {network}", network=setup.spec.network))


def start_internet(setup: SetupContext, state: SandboxState) -> None:
    """Start the internet container, and save the roots of its ACME server."""
    spec, folder = setup.spec, setup.folder
    files = internet_container.build_internet_boot_archive(
        spec, setup.authority, state.mail_relay, folder
    )
    wanted = internet_container.internet_container_spec(
        spec, setup.images["internet"], folder, runtime.container_ulimit(), files
    )
    others = neighbours.started_neighbours_listed_by_either(spec.name, spec.neighbours)
    done = internet_container.ensure_internet_container(setup.client, spec, wanted, files, others)
    if done:
        setup.progress(
            _(
                "{done} the internet container at {address}",
                done=_(done),
                address=spec.internet_address,
            )
        )
    root = internet_container.fetch_acme_root(spec, setup.authority.certificate)
    internet_container.record_acme_root(folder, root)


def start_nodes(setup: SetupContext, state: SandboxState) -> None:
    """Start all nodes."""
    done = nodes.start_and_remove_nodes(
        setup.client, setup.spec, setup.images, runtime.container_ulimit(), state.ssh_key
    )
    for name, what in done.items():
        if what:
            setup.progress(_("{what} the node {name}", what=_(what), name=name))


def update_trust_and_proxies(setup: SetupContext, state: SandboxState) -> None:
    """Give every container the authorities to trust and its proxy settings."""
    for name, found in _update_trust_and_return_changed(setup.client, state).items():
        setup.progress(_("updated the trusted certificate authorities of {name}", name=name))
        if name != internet_container.MEMBER:
            nodes.delete_acme_accounts(setup.client, found, setup.spec.zone)


def _update_trust_and_return_changed(
    client: PodmanClient, state: SandboxState
) -> dict[str, ExistingContainer]:
    """Update what the containers and this machine trust; return the containers that changed."""
    own = neighbours.own_ca_certificates_of_sandbox(state.name)
    others = neighbours.started_neighbours_listed_by_either(state.name, state.neighbours)
    theirs = tuple(
        text for item in others for text in neighbours.own_ca_certificates_of_sandbox(item.name)
    )
    paths.write_if_changed(state.ca_file, "".join((*own, *theirs)))
    trusted = trust_and_proxies.authority_entries(own, theirs)
    ways = trust_and_proxies.apt_and_pip_entries(
        state.internet_address, trust_and_proxies.host_pip_index_url()
    )
    changed = {}
    for name, found in client.containers_by_member().items():
        entries = trusted if name == internet_container.MEMBER else (*trusted, *ways)
        if found.running and client.update_trust_and_proxies(
            found, boot_archive.build_tar_archive(entries)
        ):
            changed[name] = found
    return changed


def announce_to_neighbours(setup: SetupContext) -> None:
    """Let the neighbours that run know this sandbox's names and authorities."""
    for other in neighbours.started_neighbours_listed_by_either(
        setup.spec.name, setup.spec.neighbours
    ):
        client = PodmanClient(setup.client.base, other.name, paths.state_dir(other.name))
        found = client.containers_by_member().get(internet_container.MEMBER)
        if found is None or not found.running:
            continue
        known = neighbours.started_neighbours_listed_by_either(other.name, other.neighbours)
        if dns.write_neighbour_files(client.folder / "dns", known):
            internet_container.reload_name_server(client, found.name)
        if _update_trust_and_return_changed(client, other):
            setup.progress(
                _("updated the sandbox {name}, which now trusts this region", name=other.name)
            )
