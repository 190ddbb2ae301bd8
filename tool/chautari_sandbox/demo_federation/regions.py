"""The folders of the demo's regions: each is written once, and no other folder is replaced."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import NamedTuple

from chautari.errors import BadInput
from chautari.files import exists_or_is_dangling_link, write_atomically
from chautari.region.load import load_region
from chautari.region.locate import REGION_FILE

_TEMPLATES = Path(__file__).with_name("regions")
# Git ignores the folder because of this file, and it marks the folder as the demo's own.
_MARKER_FILE = ".gitignore"
_MARKER = "# Written by `make demo-federation`. Git ignores this folder.\n*\n"
_FEDERATION_LINE = re.compile(r"^federation: .*$", re.MULTILINE)
_PEERS = re.compile(r"\bpeers: \[.*?\]")


class DemoRegion(NamedTuple):
    """A region of the demo, and the account of the person in it who shares files."""

    name: str
    person: str
    root: Path

    @property
    def domain(self) -> str:
        """Return the region's domain."""
        return f"{self.name}.example.org"

    @property
    def cloud(self) -> str:
        """Return the name of the region's Nextcloud."""
        return f"cloud.{self.domain}"

    @property
    def folder(self) -> Path:
        """Return the region's folder below `inventories`."""
        return self.root / self.name

    @property
    def file(self) -> Path:
        """Return the region's `region.yml`."""
        return self.folder / REGION_FILE


def demo_regions(root: Path) -> tuple[DemoRegion, DemoRegion, DemoRegion]:
    """Return the two regions of the demo, and the one that may join them."""
    return (
        DemoRegion("andes", "luz", root),
        DemoRegion("himalaya", "pema", root),
        DemoRegion("delta", "rina", root),
    )


def is_own_folder(region: DemoRegion) -> bool:
    """Return whether the demo wrote the folder of this region."""
    marker = region.folder / _MARKER_FILE
    return marker.is_file() and marker.read_text() == _MARKER


def refuse_other_folders(regions: tuple[DemoRegion, ...]) -> None:
    """Refuse a region of the same name that the demo did not write.

    Raises:
        BadInput: with the folder.
    """
    for region in regions:
        if exists_or_is_dangling_link(region.folder) and not is_own_folder(region):
            raise BadInput(
                f"{region.folder} exists already, and this demo did not write it",
                fix="run the demo in another clone, or set CHAUTARI_INVENTORIES to an empty folder",
            )


def write_missing_region_files(region: DemoRegion) -> None:
    """Write the region's folder; a region.yml of an earlier run stays as it is."""
    write_atomically(region.folder / _MARKER_FILE, _MARKER)
    if not region.file.is_file():
        write_atomically(region.file, (_TEMPLATES / f"{region.name}.yml").read_text())


def ensure_password_of_person(region: DemoRegion) -> str:
    """Return the password of the region's person; it is generated once."""
    file = region.folder / f"{region.person}.password"
    if not file.is_file():
        write_atomically(file, secrets.token_urlsafe(16), 0o600)
    return file.read_text()


def peers_of(region: DemoRegion) -> list[str]:
    """Return the peers that region.yml names."""
    return list(load_region(region.file, with_peers=False).region.federation.peers)


def ensure_federation_peers(region: DemoRegion, peers: list[str]) -> str:
    """Write the line that names the peers; return it, or nothing if it is there already."""
    if peers == peers_of(region):
        return ""
    text, value = region.file.read_text(), f"peers: [{', '.join(peers)}]"
    if old := _FEDERATION_LINE.search(text):
        line = _PEERS.sub(value, old[0])
        text = text.replace(old[0], line)
    else:
        line = f"federation: {{{value}}}"
        text = f"{text.rstrip()}\n{line}\n"
    write_atomically(region.file, text)
    return line
