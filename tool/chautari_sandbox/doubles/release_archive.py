"""Builds the double of a Nextcloud release: the archive that the sandbox's mirror serves.

The PHP sources lie in the folder `nextcloud` beside this module. Building adds what depends on the
version (`version.php`, the apps' `info.xml`, the sums of all files) and packs everything with fixed
times, owners and order, so that the same sources always give the same bytes.
"""

import bz2
import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

SOURCES = Path(__file__).parent / "nextcloud"
TOP = "nextcloud"
BUILD_TIME = 1_760_000_000
EXECUTABLES = frozenset({"occ"})
UNSUMMED = ("config/", "themes/", "apps/")

SHIPPED_APPS: dict[str, list[str]] = json.loads(
    (Path(__file__).parent / "shipped_apps.json").read_text(encoding="utf-8")
)
ENABLED_APPS = SHIPPED_APPS["enabled"]
DISABLED_APPS = SHIPPED_APPS["disabled"]


def build_nextcloud(version: str, destination: Path) -> Path:
    """Write `nextcloud-<version>.tar.bz2` into the folder `destination` and return its path.

    `version` is a release number such as `34.0.4`; another form raises ValueError.
    """
    if not re.fullmatch(r"\d{2}\.\d{1,2}\.\d{1,3}", version):
        raise ValueError(
            f"{version!r} is not a Nextcloud version: use three numbers, such as 34.0.4"
        )
    destination.mkdir(parents=True, exist_ok=True)
    archive = destination / f"nextcloud-{version}.tar.bz2"
    archive.write_bytes(
        bz2.compress(pack_reproducible_tar(_release_files(version), TOP, EXECUTABLES))
    )
    return archive


def _release_files(version: str) -> dict[str, bytes]:
    """All files of the release by their path below the top folder."""
    files = read_files_below(SOURCES)
    files["version.php"] = _version_php(version).encode()
    files |= {
        f"apps/{app}/appinfo/info.xml": _info_xml(app, version).encode()
        for app in (*ENABLED_APPS, *DISABLED_APPS)
    }
    files["core/shipped.json"] = _to_json({"shippedApps": sorted((*ENABLED_APPS, *DISABLED_APPS))})
    files["core/signature.json"] = _checksums_json(files)
    return files


def _version_php(version: str) -> str:
    major, minor, patch = (int(part) for part in version.split("."))
    return f"""<?php
// Double of Nextcloud, for the sandbox only.
$OC_Version = array({major},{minor},{patch},1);
$OC_VersionString = '{version}';
$OC_Edition = 'double';
$OC_Channel = 'stable';
$OC_VersionCanBeUpgradedFrom = array (
  'nextcloud' =>
  array (
    '{major - 1}.0' => true,
    '{major}.0' => true,
  ),
);
$OC_Build = 'double';
$vendor = 'nextcloud';
"""


def _info_xml(app: str, version: str) -> str:
    major = version.split(".")[0]
    enabled = "  <default_enable/>\n" if app in ENABLED_APPS else ""
    return f"""<?xml version="1.0"?>
<info>
  <id>{app}</id>
  <name>{app}</name>
  <summary>Replaces the app {app} in the double of Nextcloud</summary>
  <version>{version}</version>
  <licence>agpl</licence>
  <author>Chautari contributors</author>
  <namespace>Double</namespace>
{enabled}  <dependencies>
    <nextcloud min-version="{major}" max-version="{major}"/>
  </dependencies>
</info>
"""


def _checksums_json(files: dict[str, bytes]) -> bytes:
    """Sums of the code, as `occ integrity:check-core` compares them."""
    sums = {
        name: hashlib.sha512(content).hexdigest()
        for name, content in sorted(files.items())
        if not name.startswith(UNSUMMED)
    }
    return _to_json({"hashes": sums, "signature": "", "certificate": ""})


def _to_json(value: object) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def read_files_below(folder: Path) -> dict[str, bytes]:
    """Return all files below `folder` by their path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pack_reproducible_tar(
    files: dict[str, bytes], top: str, executables: frozenset[str] = frozenset()
) -> bytes:
    """Return a tar of `files` in the folder `top`, with the same bytes every time."""
    folders = {top} | {
        f"{top}/{parent.as_posix()}"
        for name in files
        for parent in Path(name).parents
        if parent != Path()
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for folder in sorted(folders):
            archive.addfile(_tar_entry(folder, tarfile.DIRTYPE, 0o755))
        for name, content in sorted(files.items()):
            mode = 0o755 if name in executables else 0o644
            member = _tar_entry(f"{top}/{name}", tarfile.REGTYPE, mode)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _tar_entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = kind, mode, BUILD_TIME
    member.uname = member.gname = "root"
    return member
