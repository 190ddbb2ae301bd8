"""Where upstream publishes the releases of an artifact, and how upstream vouches for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from chautari.services.artifacts import Pins

if TYPE_CHECKING:
    from chautari.region.model import Region

MAX_BYTES = 1 << 30
# GitHub keeps the files of releases on servers of their own.
GITHUB_FILES = ("objects.githubusercontent.com", "release-assets.githubusercontent.com")


class OpenPGPSigner(NamedTuple):
    """Who signs the archives: the fingerprint decides, wherever the key comes from."""

    name: str
    fingerprint: str
    key_url: str


class AppCatalogue(NamedTuple):
    """A catalogue of apps, each release signed with a certificate of the app.

    Attributes:
        name: of the catalogue.
        url: of the list for a release of the platform, with `{}` in place of its version.
        authority_url: certificates of the authority; only those with these fingerprints count.
        authorities: SHA-256 fingerprints.
        revoked_url: the authority's list of revoked certificates.
        platform: returns the version of the platform on which a region runs the apps.
    """

    name: str
    url: str
    authority_url: str
    authorities: tuple[str, ...]
    revoked_url: str
    platform: Callable[[Region], str]


class ArtifactSource(NamedTuple):
    """Where the releases of an artifact come from.

    Attributes:
        name: of the artifact, as in `artifacts.lock`.
        url: address of a release, with `{0}` in place of its version.
        version_file: file in the archive that names the version; one folder may be above it.
        version_pattern: regular expression for the version in this file, with one group.
        hosts: other hosts to which the server may redirect.
        checksum_suffixes: endings of published checksums, added to the address.
        signer: who signs the archives; None if upstream does not.
        catalogue: the catalogue of apps that has the signature; None if there is none.
        max_bytes: size above which an archive is refused.
    """

    name: str
    url: str
    version_file: str
    version_pattern: str
    hosts: tuple[str, ...] = ()
    checksum_suffixes: tuple[str, ...] = ()
    signer: OpenPGPSigner | None = None
    catalogue: AppCatalogue | None = None
    max_bytes: int = MAX_BYTES


class MissingPin(NamedTuple):
    """A release that a region needs and has no pin for.

    Attributes:
        version: empty for the newest release that runs in the region.
    """

    name: str
    version: str


MissingPins = Callable[["Region", Pins], Iterable[MissingPin]]
