"""A release that a node cannot reach is an error of the region, before any node is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from deploy_samples import Data, Nodes, answer, facts, nodes, run
from region_samples import region_file

from chautari.deploy import pipeline
from chautari.errors import InvalidRegion
from chautari.preflight.facts import parse_facts
from chautari.region.load import load_region
from chautari.render.context import NodeContext
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.services.nextcloud.rules import check_releases_on_the_way

__all__ = ["nodes", "run"]
CHANGED = {"nextcloud": [{"code": "role_changed", "data": {}}]}


def med1_with(release: str) -> Data:
    found = [*facts("debian-13"), f"release=nextcloud {release}-0123abcd"]
    return answer("debian-13", facts=found, reasons=CHANGED)


@pytest.mark.parametrize("verb", [pipeline.deploy, pipeline.plan])
def test_major_without_a_release_is_an_error_of_the_region(
    nodes: Nodes, run: Any, verb: Any
) -> None:
    nodes.answers["med1"] = med1_with("31.0.2")
    with pytest.raises(InvalidRegion) as raised:
        run(verb)
    [problem] = raised.value.problems
    assert problem.file.name == "region.yml" and problem.line > 1
    assert problem.where == "services.nextcloud.version"
    assert "med1 runs Nextcloud 31.0.2; an upgrade to 35.0.1 must first" in problem.message
    assert "deploy lock andes --pin nextcloud=32.X.Y" in problem.message
    assert raised.value.exit_code == 2
    assert (nodes.prepared, nodes.converged) == ([], [])


@pytest.mark.parametrize("release", ["32.0.2", "33.0.9", "35.0.1"])
def test_release_with_all_majors_on_the_way_is_deployed(
    nodes: Nodes, run: Any, release: str
) -> None:
    nodes.answers["med1"] = med1_with(release)
    assert run().ok
    assert "med1" in nodes.converged


def test_verify_ignores_the_releases_on_the_way(nodes: Nodes, run: Any) -> None:
    nodes.answers["med1"] = med1_with("31.0.2")
    assert run(pipeline.verify).ok


def test_pin_in_artifacts_lock_allows_the_upgrade(tmp_path: Path) -> None:
    file = region_file(tmp_path)
    pin = f"{{url: 'https://example.org/n.tar.bz2', sha256: {'a' * 64}}}"
    (file.parent / "artifacts.lock").write_text(f"nextcloud:\n  32.0.9: {pin}\n")
    context = NodeContext(load_region(file), PUBLIC_INTERNET, "med1")
    assert list(check_releases_on_the_way(context, "31.0.2")) == []
    [(path, text)] = check_releases_on_the_way(context, "30.0.2")
    assert path == ("services", "nextcloud", "version") and "nextcloud=31.X.Y" in text


def test_facts_take_only_well_formed_releases() -> None:
    lines = [
        "release=nextcloud 34.0.4-00f226e6", "release=framadate 1.1.19", "release=x 0-broken",
        "release=../etc 1.0", "release=nextcloud $(id)", "release=a 1.2.3-00f226e6\x1b[31m",
    ]  # fmt: skip
    found = parse_facts(lines, 0, 0).releases
    assert found == {"nextcloud": "34.0.4", "framadate": "1.1.19"}
    many = [f"release=role{'x' * number} 1.0" for number in range(1, 60)]
    assert len(parse_facts(many, 0, 0).releases) <= 40
