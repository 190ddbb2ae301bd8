"""What a service is installed from: archives, container images and package repositories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Artifact(NamedTuple):
    """A file or image from upstream, pinned: only these bytes are ever installed."""

    name: str
    version: str
    url: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Return upstream's name for the file, with the version added where upstream omits it."""
        name = self.url.rsplit("/", 1)[-1]
        return name if self.version in name else f"{self.name}-{self.version}.tar.gz"


Pins = Mapping[str, Mapping[str, Artifact]]


class Image(NamedTuple):
    """A container image of upstream's, named with its registry, and its newest known release.

    Upstream publishes no digest apart from its registry, so a region pins one in `artifacts.lock`.
    """

    image: str
    newest: str
    tag: str

    def reference_for_version(self, version: str) -> str:
        """Return the image with upstream's tag for `version`."""
        return f"{self.image}:{self.tag.format(version)}"

    def to_artifact(self, name: str, version: str | None, pins: Pins) -> Artifact:
        """Return the image to run, without a checksum when `pins` holds none for it.

        Without a `version` it is the newest pinned release, else the newest known one.
        """
        own = pins.get(name, {})
        if version is None:
            version = max(own, key=version_key) if own else self.newest
        return own.get(version) or Artifact(name, version, self.image, "")


class PackageRepository(NamedTuple):
    """A package repository of upstream's; its key must have one of the fingerprints.

    Attributes:
        suite: ends with a slash where the repository is flat, without components.
        bundle: a package that names the parts of a release with their exact versions.
        release: the release of `bundle` to hold; empty where the suite selects the release.
        packages: names or patterns of the packages that may come from here in another version than
            the distribution's. Nothing else from here replaces an installed package.
        fingerprint_url: where upstream publishes the whole fingerprint of a key, as JSON; for a key
            of which only the last 16 digits are known.
    """

    name: str
    uri: str
    suite: str
    key_url: str
    fingerprints: tuple[str, ...]
    components: tuple[str, ...] = ()
    bundle: str = ""
    release: str = ""
    packages: tuple[str, ...] = ()
    fingerprint_url: str = ""


def version_key(version: str) -> tuple[int, ...]:
    """Return the numbers of a dotted `version`, to sort by."""
    return tuple(map(int, version.split(".")))
