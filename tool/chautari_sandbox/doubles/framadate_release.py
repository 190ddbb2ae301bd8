"""Builds the double of a Framadate release out of the folder `framadate` beside this module."""

import gzip
import re
from pathlib import Path

from chautari_sandbox.doubles.release_archive import (
    BUILD_TIME,
    pack_reproducible_tar,
    read_files_below,
)

SOURCES = Path(__file__).parent / "framadate"
TOP = "framadate"


def build_framadate(version: str, destination: Path) -> Path:
    """Write `framadate-<version>.tar.gz` into the folder `destination` and return its path.

    `version` is a release number such as `1.1.19`; another form raises ValueError.
    """
    if not re.fullmatch(r"\d{1,2}\.\d{1,2}\.\d{1,3}", version):
        raise ValueError(
            f"{version!r} is not a Framadate version: use three numbers, such as 1.1.19"
        )
    files = read_files_below(SOURCES)
    files["VERSION"] = f"{version}\n".encode()
    constants = files["app/inc/constants.php"].replace(b"@VERSION@", version.encode())
    files["app/inc/constants.php"] = constants
    destination.mkdir(parents=True, exist_ok=True)
    archive = destination / f"framadate-{version}.tar.gz"
    archive.write_bytes(gzip.compress(pack_reproducible_tar(files, TOP), mtime=BUILD_TIME))
    return archive
