"""Upstream's package repositories of BigBlueButton, with the keys that sign them.

Source: the project's installer; fingerprints were read from at least two independent packagings
where two existed. Launchpad archives are named by the last 16 digits of their key's fingerprint,
which is all that the installer contains. Launchpad's API names the whole fingerprint, and the key
comes from another server, so a forged key would have to get past both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.services.artifacts import PackageRepository
from chautari.services.base import PackageSource
from chautari.services.bigbluebutton.settings import BigBlueButton
from chautari.services.release_tags import ReleaseTags

if TYPE_CHECKING:
    from chautari.render.context import NodeContext

NAME = "bigbluebutton"
# The Ubuntu that upstream builds each release line for.
OS_OF = {"3.0": "ubuntu-22.04", "4.0": "ubuntu-24.04"}
KEY_URL = "https://ubuntu.bigbluebutton.org/repo/bigbluebutton.asc"
# The newest releases known; a suite without a version gives upstream's current one.
NEWEST = {"3.0": "3.0.35", "4.0": "4.0.0"}
RELEASE_TAGS = ReleaseTags(NAME, "https://github.com/bigbluebutton/bigbluebutton")
_CODENAMES = {"3.0": "jammy", "4.0": "noble"}
_SUITES = {"3.0": "jammy-300", "4.0": "noble-400"}
_NODEJS = PackageRepository(
    name="nodesource",
    uri="https://deb.nodesource.com/node_22.x",
    suite="nodistro",
    key_url="https://deb.nodesource.com/gpgkey/nodesource-repo.gpg.key",
    fingerprints=("6F71F525282841EEDAF851B42F59B5F99B1BE0B4",),
    components=("main",),
    packages=("nodejs",),
)


def _launchpad_repository(
    name: str, owner: str, archive: str, suite: str, key: str, packages: tuple[str, ...]
) -> PackageRepository:
    return PackageRepository(
        name=name,
        uri=f"https://ppa.launchpadcontent.net/{owner}/{archive}/ubuntu",
        suite=suite,
        key_url=f"https://keyserver.ubuntu.com/pks/lookup?op=get&search=0x{key}",
        fingerprints=(key,),
        components=("main",),
        packages=packages,
        fingerprint_url=f"https://api.launchpad.net/1.0/~{owner}/+archive/ubuntu/{archive}",
    )


def upstream_repositories(release: str, version: str | None) -> tuple[PackageRepository, ...]:
    """Return the repositories of a release line, BigBlueButton's own first.

    `version` holds it at one release: upstream has a suite for each.
    """
    codename = _CODENAMES[release]
    folder = _SUITES[release] + (f"-{version}" if version else "")
    own = PackageRepository(
        name=NAME,
        uri=f"https://ubuntu.bigbluebutton.org/{folder}",
        suite=f"bigbluebutton-{codename}",
        key_url=KEY_URL,
        fingerprints=("770C4267C5E63474D171B60937B5DD5EFAB46452",),
        components=("main",),
        packages=("bigbluebutton", "bbb-*"),
    )
    if release != "3.0":
        return (own, _NODEJS)
    return (
        own,
        _NODEJS,
        # libopusenc0 and yq 3.
        _launchpad_repository(
            "bigbluebutton-support", "bigbluebutton", "support", codename, "2E1B01D0E95B94BC",
            ("libopusenc0", "yq"),
        ),
        # A coturn with TURN's newer features than the distribution's.
        _launchpad_repository(
            "coturn", "martin-uni-mainz", "coturn", codename, "4B77C2225D3BBDB3", ("coturn",)
        ),
    )  # fmt: skip


def version_to_install(context: NodeContext) -> str:
    """Return the release to install: the region's choice, or the newest known of its line."""
    settings = context.region.settings_of(BigBlueButton)
    return settings.version or NEWEST[settings.release]


def package_repositories(context: NodeContext) -> list[PackageRepository]:
    """Return upstream's repositories, or the one that replaces all of them."""
    settings = context.region.settings_of(BigBlueButton)
    upstream = upstream_repositories(settings.release, settings.version)
    if found := context.endpoints.repositories.get(NAME):
        return [found._replace(packages=tuple(name for item in upstream for name in item.packages))]
    return list(upstream)


PACKAGES = PackageSource(NAME, KEY_URL, version_to_install, package_repositories)
