"""Upstream's package repository of Jitsi Meet.

Source: the project's installation manual; the fingerprints were read from at least two independent
packagings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.services.artifacts import PackageRepository
from chautari.services.base import PackageSource
from chautari.services.jitsi.settings import Jitsi
from chautari.services.release_tags import ReleaseTags

if TYPE_CHECKING:
    from chautari.render.context import NodeContext

# The key that upstream has signed with since April 2021 (jitsi-videobridge issue 1634), and the
# one before it, which many installations still name.
UPSTREAM = PackageRepository(
    name="jitsi",
    uri="https://download.jitsi.org",
    suite="stable/",
    key_url="https://download.jitsi.org/jitsi-key.gpg.key",
    fingerprints=(
        "FFD65A0DA2BEBDEB73D44C8BB4D2D216F1FD7806",
        "66A9CD0595D6AFA247290D3BEF8B479E2DC1389C",
    ),
    bundle="jitsi-meet",
    packages=("jitsi-*", "jicofo", "jigasi", "jibri"),
)
TESTED_VERSION = "2.0.11248"
# The number of the package jitsi-meet is that of the tag.
RELEASE_TAGS = ReleaseTags(
    "jitsi", "https://github.com/jitsi/jitsi-meet", "stable/jitsi-meet_{}", "2.0.{}"
)


def version_to_install(context: NodeContext) -> str:
    """Return the release to install: the region's choice, or the one that was tested."""
    selected: str | None = context.region.settings_of(Jitsi).version
    return selected or TESTED_VERSION


def package_repositories(context: NodeContext) -> list[PackageRepository]:
    """Return the repository, held at the release to install."""
    source = context.endpoints.repositories.get(UPSTREAM.name, UPSTREAM)
    release = f"{version_to_install(context)}-1"
    return [source._replace(bundle=UPSTREAM.bundle, packages=UPSTREAM.packages, release=release)]


PACKAGES = PackageSource(UPSTREAM.name, UPSTREAM.key_url, version_to_install, package_repositories)
