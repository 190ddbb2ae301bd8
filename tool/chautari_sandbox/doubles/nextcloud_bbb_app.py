"""Builds the double of Nextcloud's app bbb out of the folder `bbb` beside this module."""

import gzip
import re
from pathlib import Path

from chautari_sandbox.doubles.release_archive import (
    BUILD_TIME,
    pack_reproducible_tar,
    read_files_below,
)

SOURCES = Path(__file__).parent / "bbb"
TOP = "bbb"
# The releases of Nextcloud that upstream's 2.9 was published for.
FROM, TO = 33, 35


def build_nextcloud_bbb_app(version: str, destination: Path) -> Path:
    """Write `bbb-v<version>.tar.gz` into the folder `destination` and return its path.

    `version` is a release number such as `2.9.4`; another form raises ValueError.
    """
    if not re.fullmatch(r"\d{1,2}\.\d{1,2}\.\d{1,3}", version):
        raise ValueError(
            f"{version!r} is not a version of the app: use three numbers, such as 2.9.4"
        )
    files = read_files_below(SOURCES)
    files["appinfo/info.xml"] = _info_xml(version).encode()
    destination.mkdir(parents=True, exist_ok=True)
    archive = destination / f"bbb-v{version}.tar.gz"
    archive.write_bytes(gzip.compress(pack_reproducible_tar(files, TOP), mtime=BUILD_TIME))
    return archive


def _info_xml(version: str) -> str:
    return f"""<?xml version="1.0"?>
<info>
  <id>bbb</id>
  <name>BigBlueButton Integration (double)</name>
  <summary>Replaces the app bbb in the double of Nextcloud, for the sandbox only</summary>
  <version>{version}</version>
  <licence>agpl</licence>
  <author>Chautari contributors</author>
  <namespace>BigBlueButton</namespace>
  <types>
    <prevent_group_restriction/>
  </types>
  <dependencies>
    <nextcloud min-version="{FROM}" max-version="{TO}"/>
  </dependencies>
</info>
"""
