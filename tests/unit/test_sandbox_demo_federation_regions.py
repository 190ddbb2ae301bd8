"""The folders of the federation demo: valid regions that never replace another person's."""

from __future__ import annotations

import difflib
import ipaddress
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
from region_samples import ROOT

from chautari.errors import BadInput
from chautari.region.load import load_region
from chautari_sandbox.demo_federation import regions
from chautari_sandbox.demo_federation.regions import DemoRegion


@pytest.fixture
def three(tmp_path: Path) -> tuple[DemoRegion, ...]:
    return regions.demo_regions(tmp_path / "inventories")


def test_templates_are_valid_regions_with_the_names_that_the_demo_uses(
    three: tuple[DemoRegion, ...],
) -> None:
    for region in three:
        regions.write_missing_region_files(region)
        found = load_region(region.file).region
        (node,) = found.nodes
        assert (found.region, found.domain) == (region.name, region.domain)
        assert found.public_name("nextcloud", node) == region.cloud
        assert found.public_name("portal", node) == region.domain


def test_networks_overlap_with_no_other_sandbox_of_this_tree(
    three: tuple[DemoRegion, ...],
) -> None:
    for region in three:
        regions.write_missing_region_files(region)
    files = [*(region.file for region in three), ROOT / "inventories" / "demo" / "region.yml"]
    files += sorted((ROOT / "molecule").glob("*/region.yml"))[:1]
    sandboxes = [load_region(file).region.sandbox for file in files]
    networks = [ipaddress.ip_network(found.network) for found in sandboxes if found]
    assert len(networks) == len(files)
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]


def test_regions_are_linked_in_each_direction(three: tuple[DemoRegion, ...]) -> None:
    links = set()
    for region in three:
        regions.write_missing_region_files(region)
        sandbox = load_region(region.file).region.sandbox
        assert sandbox
        links |= {frozenset({region.name, other}) for other in sandbox.neighbours}
    assert links == {frozenset(pair) for pair in combinations((item.name for item in three), 2)}


def test_git_ignores_a_folder_of_the_demo(three: tuple[DemoRegion, ...], tmp_path: Path) -> None:
    regions.write_missing_region_files(three[0])
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    status = ["git", "-C", tmp_path, "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.run(status, check=True, capture_output=True).stdout == b""


def test_folder_of_another_person_is_refused(three: tuple[DemoRegion, ...]) -> None:
    regions.write_missing_region_files(three[0])
    regions.refuse_other_folders(three)
    other = three[1].folder
    other.mkdir()
    with pytest.raises(BadInput, match=f"{other} exists already"):
        regions.refuse_other_folders(three)
    (other / ".gitignore").write_text("secrets.age\n")
    with pytest.raises(BadInput, match=f"{other} exists already"):
        regions.refuse_other_folders(three)


def test_second_call_keeps_what_is_there(three: tuple[DemoRegion, ...]) -> None:
    region = three[0]
    regions.write_missing_region_files(region)
    password = regions.ensure_password_of_person(region)
    region.file.write_text(region.file.read_text().replace("1 GB", "2 GB"))
    regions.write_missing_region_files(region)
    assert "2 GB" in region.file.read_text()
    assert regions.ensure_password_of_person(region) == password
    assert (region.folder / "luz.password").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("before", "after"),
    [([], ["himalaya"]), (["himalaya"], ["himalaya", "delta"]), (["himalaya"], [])],
)
def test_peers_are_one_line(
    three: tuple[DemoRegion, ...], before: list[str], after: list[str]
) -> None:
    region = three[0]
    regions.write_missing_region_files(region)
    assert bool(regions.ensure_federation_peers(region, before)) is bool(before)
    old = region.file.read_text().splitlines()
    line = regions.ensure_federation_peers(region, after)
    assert line == f"federation: {{peers: [{', '.join(after)}]}}"
    changes = [
        change
        for change in difflib.ndiff(old, region.file.read_text().splitlines())
        if change[0] in "+-"
    ]
    assert [change for change in changes if change[0] == "+"] == [f"+ {line}"]
    assert len(changes) == 1 + bool(before)
    assert regions.peers_of(region) == after
    assert regions.ensure_federation_peers(region, after) == ""
