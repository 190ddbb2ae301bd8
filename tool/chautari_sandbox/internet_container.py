"""The internet container: created, started, and asked for its ACME root."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from chautari.errors import RunFailed
from chautari.files import write_atomically
from chautari.language import Text, _
from chautari_sandbox import boot_archive, dns, podman_commands, port_probes
from chautari_sandbox.authority import CertificateAndKeyFiles, ensure_server_certificate
from chautari_sandbox.internet import container_files
from chautari_sandbox.podman_client import PodmanClient
from chautari_sandbox.spec import SandboxSpec
from chautari_sandbox.state import MailRelay, SandboxState

MEMBER = "internet"
VOLUMES = ("mail", "packages")
SERVERS: Mapping[int, Text] = {
    25: "the mail server for neighbours", 53: "the name server", 80: "the mirror",
    587: "the mail relay", 3142: "the apt cache", 8025: "the mail store",
    14000: "the ACME server", 15000: "the ACME server's management API",
}  # fmt: skip


def internet_container_spec(
    spec: SandboxSpec, image: str, folder: Path, limit: int, files: bytes
) -> podman_commands.ContainerSpec:
    """Return the internet container as podman should create it."""
    # Only root can delete what accounts of the container write, so podman keeps it.
    mail, packages = (podman_commands.volume_name(spec.name, content) for content in VOLUMES)
    volumes = (
        f"{folder / 'dns'}:/etc/chautari-dns:ro",
        f"{folder / 'mirror'}:/srv/mirror:ro",
        f"{mail}:/var/lib/chautari-mail",
        f"{packages}:/var/cache/packages",
    )
    return podman_commands.ContainerSpec(
        name=podman_commands.container_name(spec.name, MEMBER),
        image=image,
        hostname=MEMBER,
        network=podman_commands.network_name(spec.name),
        address=spec.internet_address,
        resolver="127.0.0.1",
        limit=limit,
        labels={
            podman_commands.SANDBOX: spec.name,
            podman_commands.MEMBER: MEMBER,
            podman_commands.ADDRESS: spec.internet_address,
            podman_commands.RELEASE: "12",
            podman_commands.OWNER: spec.owner,
            podman_commands.RECIPE: boot_archive.short_digest(image, files, str(limit), *volumes),
        },
        volumes=volumes,
    )


def build_internet_boot_archive(
    spec: SandboxSpec, authority: CertificateAndKeyFiles, relay: MailRelay, folder: Path
) -> bytes:
    """Return the container's files, with certificates of the sandbox's authority."""
    acme = ensure_server_certificate(
        authority, folder / "tls", (f"acme.{spec.zone}", spec.internet_address)
    )
    smtp = ensure_server_certificate(authority, folder / "tls", (relay.host, spec.internet_address))
    return boot_archive.build_tar_archive(
        container_files.container_files(spec.zone, spec.internet_address, acme, smtp, relay)
    )


def ensure_internet_container(
    client: PodmanClient,
    spec: SandboxSpec,
    wanted: podman_commands.ContainerSpec,
    files: bytes,
    neighbours: tuple[SandboxState, ...],
) -> str:
    """Start the internet container with the right names; return what was done."""
    dns.write_name_server_files(client.folder / "dns", spec, neighbours)
    done = client.ensure_container(wanted, files, client.containers_by_member().get(MEMBER))
    if not done:
        reload_name_server(client, wanted.name)
    for port, what in SERVERS.items():
        port_probes.wait_for_port(
            spec.internet_address, port, _(what),
            container_runs=lambda: client.is_running(MEMBER),
        )  # fmt: skip
    return done


def reload_name_server(client: PodmanClient, container: str) -> None:
    """Let the name server read its files again."""
    client.run_in_container(container, "systemctl", "kill", "--signal=HUP", "chautari-dns.service")


def fetch_acme_root(spec: SandboxSpec, authority: Path) -> str:
    """Return the root that the ACME server signs with; it is new after each start."""
    trusted = ssl.create_default_context(cafile=str(authority))
    url = f"https://{spec.internet_address}:15000/roots/0"
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
    )
    try:
        with opener.open(url, timeout=10) as answer:
            return str(answer.read().decode())
    except OSError as error:
        raise RunFailed(
            _(
                "the ACME server's root certificate could not be read from {url}: {error}",
                url=url,
                error=error,
            ),
            fix=f"deploy sandbox down {spec.name} && deploy sandbox up {spec.name}",
        ) from None


def record_acme_root(folder: Path, root: str) -> None:
    """Add `root` to the roots that signed certificates of this sandbox."""
    file = folder / "tls" / "acme-roots" / f"{boot_archive.short_digest(root)}.crt"
    if not file.is_file():
        write_atomically(file, root)
