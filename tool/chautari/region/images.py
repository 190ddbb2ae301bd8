"""Upstream's container images: where they come from, and the digests that hold them.

A digest names the bytes of an image, whatever registry hands it out. Upstream publishes none apart
from its registry, so a region pins its own in `artifacts.lock`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chautari.region.catalog import Artifact


@dataclass(frozen=True)
class Upstream:
    """An image of upstream's: its name with the registry's, and the newest release known."""

    title: str
    image: str
    newest: str
    tag: str

    def tagged(self, version: str) -> str:
        """Return the image with upstream's tag for `version`."""
        return f"{self.image}:{self.tag.format(version)}"


IMAGES: dict[str, Upstream] = {
    "greenlight": Upstream(
        "Greenlight", "docker.io/bigbluebutton/greenlight", "3.8.2.4", "release-{}"
    ),
    "scalelite": Upstream("Scalelite", "docker.io/blindsidenetwks/scalelite", "1.8.5", "v{}"),
}


def chosen(
    service: str, version: str | None, pins: Mapping[str, Mapping[str, Artifact]]
) -> Artifact:
    """Return the image of `service`; without a checksum when nobody pinned that release.

    Without a version it is the newest pinned one, else the newest that is known of.
    """
    upstream, own = IMAGES[service], pins.get(service, {})
    if version is None:
        known = sorted(own, key=lambda text: tuple(map(int, text.split("."))))
        version = known[-1] if known else upstream.newest
    return own.get(version) or Artifact(service, version, upstream.image, "")
