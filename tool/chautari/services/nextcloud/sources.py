"""Where Nextcloud and its apps come from, and which of their releases a region has to pin.

The archive of the server has published checksums and an OpenPGP signature. Each app's release is
signed with a certificate that Nextcloud's authority for code gave to the app; the app store
publishes certificate and signature. Nextcloud itself checks apps in the same way
(`lib/private/Installer.php`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

from chautari.services.artifact_sources import (
    GITHUB_FILES,
    AppCatalogue,
    ArtifactSource,
    MissingPin,
    OpenPGPSigner,
)
from chautari.services.nextcloud import releases
from chautari.services.nextcloud.bigbluebutton_rooms import has_bigbluebutton_rooms
from chautari.services.nextcloud.settings import Nextcloud, NextcloudApp

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.region.rule import Pins


def _nextcloud_version_of_region(region: Region) -> str:
    """Return the version of Nextcloud that the region runs."""
    selected = region.settings_of(Nextcloud).version
    if selected is not None:
        return selected
    for node in region.nodes_running(releases.NAME):
        return releases.newest_release_for_os(region.nodes[node].os).version
    return releases.RELEASES[0].version


_CODE = "https://raw.githubusercontent.com/nextcloud/server/master/resources/codesigning"
APP_STORE = AppCatalogue(
    name="Nextcloud's app store",
    url="https://apps.nextcloud.com/api/v1/platform/{}/apps.json",
    authority_url=f"{_CODE}/root.crt",
    # Nextcloud Root Authority, Nextcloud Code Signing Intermediate Authority
    authorities=(
        "fb418711e0cd2cae9be332cd61a1538214f55448b40170313f1c08b092ffcbfd",
        "ff038235477d48db67da20962958f7f9f0739b3c568af49b7c6daa0d9d410ea0",
    ),
    revoked_url=f"{_CODE}/root.crl",
    platform=_nextcloud_version_of_region,
)
SERVER = ArtifactSource(
    name=releases.NAME,
    url="https://download.nextcloud.com/server/releases/nextcloud-{0}.tar.bz2",
    version_file="nextcloud/version.php",
    version_pattern=r"(?m)^\$OC_VersionString *= *'([^']+)'",
    checksum_suffixes=(".sha256", ".sha512"),
    signer=OpenPGPSigner(
        "Nextcloud Security",
        "28806A878AE423A28372792ED75899B9A724937A",
        "https://nextcloud.com/nextcloud.asc",
    ),
)
_REPOSITORIES = {"tasks": "nextcloud/tasks", releases.ROOMS_APP: "littleredbutton/cloud_bbb"}


def _app_source(name: str) -> ArtifactSource:
    repository = _REPOSITORIES.get(name, f"nextcloud-releases/{name}")
    return ArtifactSource(
        name=name,
        url=f"https://github.com/{repository}/releases/download/v{{0}}/",
        version_file=f"{name}/appinfo/info.xml",
        version_pattern=r"<version>\s*([^<\s]+)\s*</version>",
        hosts=GITHUB_FILES,
        catalogue=APP_STORE,
        max_bytes=200 << 20,
    )


SOURCES = (SERVER, *map(_app_source, (releases.ROOMS_APP, *get_args(NextcloudApp))))


def missing_pins(region: Region, pins: Pins) -> Iterator[MissingPin]:
    """Yield the server's and the apps' releases that have no pin."""
    selected = region.settings_of(Nextcloud).version
    if selected is not None and selected not in pins.get(releases.NAME, {}):
        yield MissingPin(releases.NAME, selected)
    for node in region.nodes_running(releases.NAME):
        version = selected or releases.newest_release_for_os(region.nodes[node].os).version
        known = releases.APPS.get(releases.major_version(version), {})
        for app in region.settings_of(Nextcloud).apps:
            if app not in known and not pins.get(app):
                yield MissingPin(app, "")
        if has_bigbluebutton_rooms(region):
            rooms = releases.rooms_app_release(version, pins)
            if not rooms.sha256:
                yield MissingPin(rooms.name, rooms.version)
