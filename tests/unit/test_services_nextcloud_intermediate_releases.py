"""The releases that an upgrade of Nextcloud may pass through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from region_samples import SANDBOX, region_file

from chautari.region.load import load_region
from chautari.render.endpoints import PUBLIC_INTERNET, Endpoints
from chautari.render.variables import NodeContext
from chautari.services.artifacts import Artifact
from chautari.services.nextcloud.variables import intermediate_releases

LOCK = f"nextcloud:\n  34.0.1: {{url: 'https://example.org/n.tar.bz2', sha256: {'a' * 64}}}\n"


def versions(folder: Path, endpoints: Endpoints = PUBLIC_INTERNET, lock: str = "") -> list[str]:
    file = region_file(folder)
    if lock:
        (file.parent / "artifacts.lock").write_text(lock)
    context = NodeContext(load_region(file), endpoints, "med1")
    return [item.version for item in intermediate_releases(context)]


def test_releases_on_the_way_are_the_newest_of_each_older_major(tmp_path: Path) -> None:
    assert versions(tmp_path) == ["33.0.9", "34.0.4"]


def test_release_that_the_region_pins_comes_first(tmp_path: Path) -> None:
    assert versions(tmp_path, lock=LOCK) == ["33.0.9", "34.0.1"]


def test_sandbox_offers_only_what_its_mirror_serves(tmp_path: Path) -> None:
    served = Artifact("nextcloud", "34.0.1", "http://mirror.example.org/n", "b" * 64)
    endpoints = replace(SANDBOX, artifacts={}, older_artifacts={("nextcloud", "34.0.1"): served})
    assert versions(tmp_path, endpoints, LOCK) == ["34.0.1"]
    assert versions(tmp_path / "other", endpoints) == []
