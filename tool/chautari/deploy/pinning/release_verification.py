"""Pin releases: fetch each one, check what vouches for it, and say why one is refused.

    needed releases ─ fetch ─ published checksum, signature ─ content ─ further ways ─ pin

Where upstream publishes neither a checksum nor a signature, the same file has to arrive on two
independent ways, or a person has to agree.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from chautari.deploy.pinning import app_catalogue, image_digest, signatures
from chautari.deploy.pinning.archive_content import check_archive
from chautari.deploy.pinning.download import AllowedServers, Download
from chautari.deploy.pinning.download_routes import (
    THIS_MACHINE,
    DownloadRoute,
    RemoteFile,
    additional_download_routes,
    find_file_in_mirror,
)
from chautari.deploy.pinning.lock_file import Pin
from chautari.deploy.pinning.refusal import PinRefused
from chautari.language import _
from chautari.paths import state_dir
from chautari.region.load import LoadedRegion, missing_pins
from chautari.services.artifact_sources import ArtifactSource, MissingPin
from chautari.services.artifacts import Image
from chautari.services.registry import SERVICES
from chautari.ssh.target import SSHTarget

Progress = Callable[[MissingPin, int, int | None], None]
Consent = Callable[[Pin], bool]
_ARCHIVE_URL = re.compile(r"https://[^\s{}]+\.(zip|tar\.(bz2|gz|xz))")
# Refusals after which the part of a download stays for the next command.
_RESUMABLE = frozenset({"no_network", "no_progress", "too_slow", "http_status"})


@dataclass(frozen=True)
class LockRequest:
    """What to pin, and how.

    Attributes:
        wanted: further releases to pin.
        mirrors: folders with copies of upstream's files.
        nodes: nodes that fetch the files as well.
        consent: whether a release is pinned that arrived on one way and that nothing vouches for.
        ca_file: certificates of the authorities that count; None for the system's.
        catalogues: catalogues of apps that were fetched already, by their addresses.
    """

    loaded_region: LoadedRegion
    consent: Consent
    progress: Progress
    wanted: tuple[MissingPin, ...] = ()
    mirrors: tuple[Path, ...] = ()
    nodes: tuple[SSHTarget, ...] = ()
    ca_file: str | None = None
    catalogues: dict[str, bytes] = field(default_factory=dict, repr=False)

    def allowed_servers(self, hosts: tuple[str, ...] = ()) -> AllowedServers:
        """Return the servers of an upstream that redirects to `hosts`."""
        return AllowedServers(hosts, self.ca_file)


class RefusedRelease(NamedTuple):
    """A release that was not pinned, and why."""

    release: MissingPin
    refusal: PinRefused


@dataclass
class LockResult:
    """The releases that were checked, and those that were refused."""

    pins: list[Pin] = field(default_factory=list)
    refused: list[RefusedRelease] = field(default_factory=list)


def fetch_and_check_releases(request: LockRequest) -> LockResult:
    """Fetch and check each release that the region needs; nothing is written to its files."""
    region = request.loaded_region.region
    needed = missing_pins(region, request.loaded_region.releases)
    result = LockResult()
    for release in dict.fromkeys((*needed, *request.wanted)):
        try:
            result.pins.append(_check_release_and_make_pin(request, release))
        except PinRefused as refusal:
            result.refused.append(RefusedRelease(release, refusal))
    return result


def parse_name_equals_version(text: str) -> MissingPin:
    """Return the release in `NAME=VERSION`.

    Raises:
        PinRefused: when no service uses an artifact of this name.
        ValueError: when it has another form.
    """
    match = re.fullmatch(r"([a-z][a-z0-9-]*)=([0-9A-Za-z][0-9A-Za-z.-]{0,40})", text)
    if match is None:
        raise ValueError(text)
    known = [*archive_sources_by_name(), *container_images_by_name()]
    if match[1] not in known:
        raise PinRefused("not_known", name=match[1], known=sorted(known))
    return MissingPin(match[1], match[2])


def archive_sources_by_name() -> dict[str, ArtifactSource]:
    """Return where the archives of all services come from, by their names."""
    return {source.name: source for service in SERVICES.values() for source in service.sources}


def container_images_by_name() -> dict[str, Image]:
    """Return the container images of all services, by their names."""
    return {name: service.image for name, service in SERVICES.items() if service.image}


def _check_release_and_make_pin(request: LockRequest, release: MissingPin) -> Pin:
    source = archive_sources_by_name().get(release.name)
    pin = (
        _pin_of_image(request, release)
        if source is None
        else _fetch_and_check_archive(request, release, source)
    )
    if not pin.signer and len(pin.ways) < 2 and not request.consent(pin):
        raise PinRefused("one_way", name=pin.name, version=pin.version, ways=", ".join(pin.ways))
    return pin


def _pin_of_image(request: LockRequest, release: MissingPin) -> Pin:
    """Return the digest that the registry serves for the tag of a release."""
    image = container_images_by_name()[release.name]
    tag = image.tag.format(release.version)
    found = image_digest.fetch_manifest(image.image, tag, request.allowed_servers())
    remote = RemoteFile(
        release.name, release.version, found.url, (), image_digest.MAX_MANIFEST, found.headers
    )
    others = _routes_with_same_digest(
        remote, found.sha256, THIS_MACHINE, additional_download_routes((), request.nodes)
    )
    return Pin(
        release.name, release.version, image.image, found.sha256, found.size, image=True,
        ways=(THIS_MACHINE, *others),
    )  # fmt: skip


class _ArchiveToCheck(NamedTuple):
    """An archive that is being checked: where it is published, and what the catalogue says."""

    source: ArtifactSource
    version: str
    url: str
    listed: app_catalogue.CatalogueRelease | None

    @property
    def remote(self) -> RemoteFile:
        source = self.source
        return RemoteFile(source.name, self.version, self.url, source.hosts, source.max_bytes)


def _fetch_and_check_archive(
    request: LockRequest, release: MissingPin, source: ArtifactSource
) -> Pin:
    """Fetch an archive, check it, and return its pin; a joined download is tried twice."""
    archive = _find_archive(request, release, source)
    for folder in request.mirrors:
        if path := find_file_in_mirror(folder, archive.remote):
            return _check_file_and_make_pin(
                request, archive, path, _("the folder {folder}", folder=folder), None
            )
    download = _resumable_download(request, archive.remote)
    try:
        return _download_and_check(request, release, archive, download)
    except PinRefused as refusal:
        if not download.joined or refusal.code in _RESUMABLE:
            raise
    # The parts may not belong together: what comes as a whole decides.
    return _download_and_check(request, release, archive, download)


def _download_and_check(
    request: LockRequest, release: MissingPin, archive: _ArchiveToCheck, download: Download
) -> Pin:
    try:
        download.download_until_complete(lambda size, total: request.progress(release, size, total))
        pin = _check_file_and_make_pin(request, archive, download.file, THIS_MACHINE, download)
    except PinRefused as refusal:
        if refusal.code not in _RESUMABLE:
            download.discard_received()
        raise
    download.discard_received()
    return pin


def _resumable_download(request: LockRequest, file: RemoteFile) -> Download:
    """Return the download of a file, which continues what an earlier command began."""
    name = hashlib.sha256(file.url.encode()).hexdigest()[:32]
    part = state_dir() / "downloads" / f"{name}.part"
    return Download(file.url, part, file.max_bytes, request.allowed_servers(file.hosts))


def _fetch_catalogue(request: LockRequest, release: MissingPin, url: str) -> bytes:
    """Return a catalogue of apps; it is fetched once, although each app needs it."""
    if url not in request.catalogues:
        remote = RemoteFile(release.name, release.version, url, (), app_catalogue.MAX_CATALOGUE)
        download = _resumable_download(request, remote)
        download.download_until_complete(lambda size, total: request.progress(release, size, total))
        request.catalogues[url] = download.file.read_bytes()
        download.discard_received()
    return request.catalogues[url]


def _find_archive(
    request: LockRequest, release: MissingPin, source: ArtifactSource
) -> _ArchiveToCheck:
    if source.catalogue is None:
        return _ArchiveToCheck(source, release.version, source.url.format(release.version), None)
    platform = source.catalogue.platform(request.loaded_region.region)
    content = _fetch_catalogue(request, release, source.catalogue.url.format(platform))
    listed = app_catalogue.find_release(source, release.version, platform, content)
    if not _ARCHIVE_URL.fullmatch(listed.url):
        raise PinRefused(
            "published_elsewhere", catalogue=source.catalogue.name, name=source.name,
            url=listed.url[:200],
        )  # fmt: skip
    return _ArchiveToCheck(source, listed.version, listed.url, listed)


def _check_file_and_make_pin(
    request: LockRequest,
    archive: _ArchiveToCheck,
    file: Path,
    route: str,
    download: Download | None,
) -> Pin:
    """Check a file in every way that upstream offers; without any, compare it with other ways."""
    sha256 = signatures.file_digest(file)
    signer = _check_published_proofs_and_return_signer(request, archive, file)
    check_archive(file, archive.url, archive.source, archive.version)
    if signatures.file_digest(file) != sha256:
        # Another program writes to it: what was checked is not what would be pinned.
        raise PinRefused("file_changed", name=archive.source.name, version=archive.version)
    found: tuple[str, ...] = (route,)
    if not signer:
        others = [
            item
            for item in additional_download_routes(request.mirrors, request.nodes)
            if item.name != route
        ]
        if download is None:
            others.append(_route_from_upstream(request, archive))
        found += _routes_with_same_digest(archive.remote, sha256, route, others)
    return Pin(
        archive.source.name, archive.version, archive.url, sha256, file.stat().st_size, signer,
        ways=found,
    )  # fmt: skip


def _check_published_proofs_and_return_signer(
    request: LockRequest, archive: _ArchiveToCheck, file: Path
) -> str:
    """Check the published checksums and signatures; return who vouches, empty if nothing does."""
    source, origin = archive.source, request.allowed_servers(archive.source.hosts)
    found = []
    if source.checksum_suffixes:
        signatures.check_published_checksums(file, archive.url, source, archive.version, origin)
        found.append(_("published checksum"))
    if source.signer is not None:
        found.append(
            signatures.check_openpgp_signature(file, archive.url, source, archive.version, origin)
        )
    if archive.listed is not None:
        found.append(app_catalogue.verified_app_signer(file, archive.listed, source, origin))
    return found[-1] if found else ""


def _routes_with_same_digest(
    file: RemoteFile, sha256: str, first: str, others: Sequence[DownloadRoute]
) -> tuple[str, ...]:
    """Return the further ways on which the same file arrives.

    Raises:
        PinRefused: when another file arrives on one of them.
    """
    found = []
    for way in others:
        other = way.sha256(file)
        if other is None:
            continue
        if other != sha256:
            raise PinRefused(
                "ways_differ", name=file.name, version=file.version, first=first,
                second=way.name,
            )  # fmt: skip
        found.append(way.name)
    return tuple(found)


def _route_from_upstream(request: LockRequest, archive: _ArchiveToCheck) -> DownloadRoute:
    """Return the way over this machine's connection, for a file that a mirror has."""

    def digest(file: RemoteFile) -> str | None:
        download = _resumable_download(request, file)
        release = MissingPin(file.name, file.version)
        try:
            download.download_until_complete(
                lambda size, total: request.progress(release, size, total)
            )
        except PinRefused as refusal:
            if refusal.code == "no_network":
                return None
            raise
        found = signatures.file_digest(download.file)
        download.discard_received()
        return found

    return DownloadRoute(THIS_MACHINE, digest)
