"""Releases of Nextcloud and its apps, their checksums, and which OS can run them.

Sources: the SHA-256 values are those that Nextcloud publishes beside each archive, read from at
least two independent packagings where two existed (server 35.0.1, 34.0.4, 33.0.9; calendar; tasks)
and from nixpkgs' flat hashes for contacts and deck. That of the app bbb is the one that nc4nix, the
source of nixpkgs' hashes, found on the day of the release and again three weeks later. 35 needs
PHP 8.3 or newer, 33 and 34 take 8.2 (Nextcloud administration manual, "System requirements"). A
region can pin a release that is not listed here in its `artifacts.lock`.
"""

from __future__ import annotations

from collections.abc import Mapping

from chautari.region.operating_systems import PHP_OF
from chautari.services.artifacts import Artifact, Pins, version_key
from chautari.services.release_tags import ReleaseTags

NAME = "nextcloud"
PHP_MINIMUM = {35: (8, 3), 34: (8, 2), 33: (8, 2), 32: (8, 1)}
PHP_MAXIMUM = {35: (8, 5), 34: (8, 5), 33: (8, 5), 32: (8, 4)}


def _server_archive(version: str, sha256: str) -> Artifact:
    url = f"https://download.nextcloud.com/server/releases/nextcloud-{version}.tar.bz2"
    return Artifact(NAME, version, url, sha256)


def _app_archive(name: str, version: str, sha256: str) -> Artifact:
    if name == "tasks":
        url = f"https://github.com/nextcloud/tasks/releases/download/v{version}/tasks.tar.gz"
    else:
        base = f"https://github.com/nextcloud-releases/{name}/releases/download"
        url = f"{base}/v{version}/{name}-v{version}.tar.gz"
    return Artifact(name, version, url, sha256)


RELEASES: tuple[Artifact, ...] = (
    _server_archive("35.0.1", "7ed305e880192d804ba83179a19dd22257679608d63161a611ce3f8a918d2aa6"),
    _server_archive("34.0.4", "00f226e6364f96e0918ab06157158f66601b8cedc25af777f5ee5a3056f42b83"),
    _server_archive("33.0.9", "f331c1041d027e6588526d2a00ce42bc70a9622eab5871c0be9177252cf77423"),
)

_TASKS = _app_archive(
    "tasks", "0.18.1", "0c988d50531c9bfa246e6c31f3f95369adde1629ba70d15194915ab56e24687b"
)
_CALENDAR = _app_archive(
    "calendar", "6.5.4", "67c777a6ea974409e9d228c23fc60f2be8e675d376531b6b1b125f2f0365738d"
)

# The app whose rooms open meetings of BigBlueButton.
ROOMS_APP = "bbb"
_ROOMS_URL = "https://github.com/littleredbutton/cloud_bbb/releases/download/v{0}/bbb-v{0}.tar.gz"


def _rooms_app_archive(version: str, sha256: str) -> Artifact:
    return Artifact(ROOMS_APP, version, _ROOMS_URL.format(version), sha256)


_ROOMS = _rooms_app_archive(
    "2.9.3", "faa821da7bfa92800b110707f7dd0ff9f032f97f16e597cd1f95cc88925b3348"
)
# The first release that supports Nextcloud 35. Upstream publishes no checksum: a region pins it.
_ROOMS_UNPINNED = _rooms_app_archive("2.9.4", "")

APPS: dict[int, dict[str, Artifact]] = {
    35: {
        "calendar": _app_archive(
            "calendar", "6.6.1", "fd6630deec568368784c569ef01c7d9ed8acca1ab6833cf12a2bff5984a3fa7b"
        ),
        "contacts": _app_archive(
            "contacts", "8.9.0", "06f5da48d70884cef60faaf8bb36a8b2ec22a7bcdb0aecf4970a693614562854"
        ),
        "deck": _app_archive(
            "deck", "1.19.0", "4946ae3e0f7939d8cdd6c3a72f35ccc92703d2c5a694586d65ce02d724d3eaa8"
        ),
        "tasks": _TASKS,
    },
    34: {
        "calendar": _CALENDAR,
        "contacts": _app_archive(
            "contacts", "8.9.1", "a25cdf448b192631b8e8eb7addc31b40382b33871b10521f4308ac5a6e0457bf"
        ),
        "deck": _app_archive(
            "deck", "1.18.5", "dafec6635ff3af50fb6f73330064ef6153910be2fa434d2edbf8043263122253"
        ),
        "tasks": _TASKS,
        ROOMS_APP: _ROOMS,
    },
    33: {ROOMS_APP: _ROOMS},
}

_UPSTREAM = "https://github.com/nextcloud-releases"
RELEASE_TAGS: tuple[ReleaseTags, ...] = (
    ReleaseTags(NAME, f"{_UPSTREAM}/server"),
    *(ReleaseTags(name, f"{_UPSTREAM}/{name}") for name in ("calendar", "contacts", "deck")),
    ReleaseTags("tasks", "https://github.com/nextcloud/tasks"),
    ReleaseTags(ROOMS_APP, "https://github.com/littleredbutton/cloud_bbb"),
)


def find_newest_release(known: Mapping[str, Artifact]) -> Artifact:
    """Return the newest of some releases by version."""
    return known[max(known, key=version_key)]


def rooms_app_release(version: str, pins: Pins) -> Artifact:
    """Return the release of the app bbb for Nextcloud `version`, the region's own pin first.

    Without a checksum it must not be installed: upstream publishes none and the region pins none.
    """
    own = pins.get(ROOMS_APP)
    if own:
        return find_newest_release(own)
    return APPS.get(major_version(version), {}).get(ROOMS_APP, _ROOMS_UNPINNED)


def newest_release_with_rooms_app(os: str) -> Artifact:
    """Return the newest pinned Nextcloud for `os` whose app bbb has a known checksum."""
    fit = (release for release in RELEASES if release_supports_os(release.version, os))
    return next(release for release in fit if rooms_app_release(release.version, {}).sha256)


def major_version(version: str) -> int:
    """Return the first number of `version`."""
    return int(version.split(".", 1)[0])


def release_supports_os(version: str, os: str) -> bool:
    """Return whether Nextcloud `version` takes the PHP that `os` ships.

    A major that is not listed is judged like its nearest listed neighbour.
    """
    known = sorted(PHP_MINIMUM)
    nearest = min(max(major_version(version), known[0]), known[-1])
    return PHP_MINIMUM[nearest] <= PHP_OF[os] <= PHP_MAXIMUM[nearest]


def newest_release_for_os(os: str) -> Artifact:
    """Return the newest pinned Nextcloud release that `os` can run."""
    return next(release for release in RELEASES if release_supports_os(release.version, os))
