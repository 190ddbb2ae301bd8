"""The steps of starting a sandbox; each changes only what is not right yet."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from chautari_sandbox import (
    archives,
    artifacts,
    images,
    internet_container,
    keys,
    nodes,
    paths,
    registry,
    repositories,
    runtime,
    seed,
    trust,
)
from chautari_sandbox.authority import Identity
from chautari_sandbox.doubles import catalog
from chautari_sandbox.engine import Engine
from chautari_sandbox.spec import SandboxSpec
from chautari_sandbox.state import MailRelay, SandboxState


@dataclass(frozen=True)
class Setup:
    """The values that all steps share."""

    spec: SandboxSpec
    engine: Engine
    images: dict[str, str]
    authority: Identity
    progress: Callable[[str], None]

    @property
    def folder(self) -> Path:
        """Return the sandbox's own folder."""
        return self.engine.folder


def initial_state(spec: SandboxSpec, folder: Path) -> SandboxState:
    """Return the state of the sandbox before its artifacts are published."""
    operator = keys.operator_key(folder / "keys", spec.name)
    return SandboxState(
        name=spec.name,
        zone=spec.zone,
        network=spec.network,
        internet_address=spec.internet_address,
        resolver=spec.internet_address,
        acme_directory=f"https://acme.{spec.zone}:14000/dir",
        ca_file=folder / "ca.pem",
        ssh_key=operator,
        operator_public_key=keys.public_half(operator).read_text().strip(),
        mirror_url=f"http://mirror.{spec.zone}/",
        mail_relay=MailRelay(f"smtp.{spec.zone}", 587, "region", _ensure_mail_password(folder)),
        nodes=tuple((node.name, node.address) for node in spec.nodes),
        mail_api=f"http://{spec.internet_address}:8025",
    )


def _ensure_mail_password(folder: Path) -> str:
    file = folder / "mail-password"
    if not file.is_file():
        paths.write(file, secrets.token_urlsafe(24), 0o600)
    return file.read_text()


def publish_artifacts(setup: Setup, state: SandboxState) -> SandboxState:
    """Publish upstream's artifacts on the mirror; report doubles and missing ones."""
    found, missing = artifacts.publish_files(
        setup.spec.wanted,
        artifacts.Sources(
            mirror=setup.spec.mirror,
            cache=paths.cache_dir() / "downloads",
            doubles=setup.folder / "doubles",
            mirror_root=setup.folder / "mirror",
            url=state.mirror_url,
            builders=catalog.ARCHIVES,
        ),
    )
    found += registry.publish_images(
        setup.spec.images,
        _base_archive_of_image_doubles(setup),
        setup.folder / "mirror",
        state.mirror_url,
    )
    served = repositories.publish_repositories(
        setup.spec.repositories, setup.folder, setup.folder / "mirror", state.mirror_url
    )
    for repository in served:
        setup.progress(f"{repository.name} {repository.version} is a double: {repository.reason}")
    for artifact in found:
        if artifact.double:
            setup.progress(f"{artifact.name} {artifact.version} is a double: {artifact.reason}")
    for absent in missing:
        setup.progress(f"{absent.name} {absent.version} is missing: {absent.reason}")
    requested = tuple((item.name, item.version) for item in setup.spec.repositories)
    return replace(
        state,
        artifacts=found,
        missing=missing,
        repositories=served,
        requested_packages=requested,
    )


def _base_archive_of_image_doubles(setup: Setup) -> Path | None:
    """Return the base system for doubles of container images; None where there are none."""
    if not setup.spec.images:
        return None
    sources = archives.apt_sources(archives.host_apt_targets(), "12")
    recipe = images.Recipe("application", "12", registry.PACKAGES, sources)
    return images.ensure_archive(recipe, setup.progress)


def start_network(setup: Setup) -> None:
    """Create the network of all containers."""
    if setup.engine.ensure_network(setup.spec.network):
        setup.progress(f"created the network {setup.spec.network}")


def start_internet(setup: Setup, state: SandboxState) -> tuple[str, ...]:
    """Start the internet container; return the roots of its ACME server."""
    spec, folder = setup.spec, setup.folder
    files = internet_container.seed_files(spec, setup.authority, state.mail_relay, folder)
    wanted = internet_container.internet_container(
        spec, setup.images["internet"], folder, runtime.process_limit(), files
    )
    done = internet_container.ensure_internet(setup.engine, spec, wanted, files)
    if done:
        setup.progress(f"{done} the internet container at {spec.internet_address}")
    own = setup.authority.certificate
    roots = internet_container.remember_acme_root(folder, internet_container.acme_root(spec, own))
    paths.write_if_changed(state.ca_file, "".join((own.read_text(), *roots)))
    return roots


def start_nodes(setup: Setup, state: SandboxState) -> None:
    """Start all nodes."""
    done = nodes.sync_nodes(
        setup.engine, setup.spec, setup.images, runtime.process_limit(), state.ssh_key
    )
    for name, what in done.items():
        if what:
            setup.progress(f"{what} the node {name}")


def refresh_trust(setup: Setup, roots: tuple[str, ...]) -> None:
    """Give every container the authorities to trust and its proxy settings."""
    trusted = trust.authority_entries(setup.authority.certificate, roots)
    ways = trust.proxy_entries(setup.spec.internet_address, trust.package_index())
    for name, found in setup.engine.containers().items():
        entries = trusted if name == internet_container.MEMBER else (*trusted, *ways)
        if setup.engine.refresh_settings(found, seed.tar_archive(entries)):
            setup.progress(f"updated the trusted authorities of {name}")
            if name != internet_container.MEMBER:
                nodes.forget_acme_accounts(setup.engine, found, setup.spec.zone)
