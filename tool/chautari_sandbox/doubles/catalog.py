"""Which doubles there are: archives, packages and images, by the name of what they replace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chautari_sandbox.debian_packages import DebianPackage
from chautari_sandbox.doubles import bigbluebutton_packages, jitsi_packages
from chautari_sandbox.doubles.framadate_release import build_framadate
from chautari_sandbox.doubles.nextcloud_bbb_app import build_nextcloud_bbb_app
from chautari_sandbox.doubles.release_archive import build_nextcloud


@dataclass(frozen=True)
class ImageRecipe:
    """The settings of an image: working directory, user, and what it starts."""

    home: str
    config: Mapping[str, Any]
    folders: tuple[str, ...]
    scripts: Mapping[str, str]


# Each takes a version and a folder, and returns the archive that it wrote there.
ARCHIVES: Mapping[str, Callable[[str, Path], Path]] = {
    "nextcloud": build_nextcloud,
    "framadate": build_framadate,
    "bbb": build_nextcloud_bbb_app,
}
# Each takes a version, and returns the packages of a repository.
REPOSITORIES: Mapping[str, Callable[[str], Iterable[DebianPackage]]] = {
    "bigbluebutton": bigbluebutton_packages.build_package_doubles,
    "jitsi": jitsi_packages.build_package_doubles,
}
IMAGES: Mapping[str, ImageRecipe] = {
    "greenlight": ImageRecipe(
        "usr/src/app",
        {"Entrypoint": ["./bin/start"]},
        ("bin", "tmp", "log", "public", "storage", "app/assets/builds"),
        {},
    ),
    "scalelite": ImageRecipe(
        "srv/scalelite",
        {"User": "1000:1000", "Cmd": ["bin/start"]},
        ("bin", "tmp", "log", "config"),
        {"bin/start": "puma", "bin/start-poller": "poller"},
    ),
}
