"""The releases on the way of an upgrade of Nextcloud, as the role computes them."""

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from templates import ROLES, read_variables


@pytest.mark.parametrize(
    ("installed", "target", "ladder", "missing"),
    [
        ("32.0.2", "32.0.9", ["32.0.9"], []),
        ("32.0.2", "33.0.3", ["32.0.5", "33.0.3"], []),
        ("32.0.5", "33.0.3", ["33.0.3"], []),
        ("32.0.2", "34.0.1", ["32.0.5", "33.0.9", "34.0.1"], []),
        ("33.0.9", "35.0.0", ["35.0.0"], [34]),
        ("31.0.0", "34.0.1", ["32.0.5", "33.0.9", "34.0.1"], []),
        ("30.0.0", "34.0.1", ["32.0.5", "33.0.9", "34.0.1"], [31]),
    ],
)
def test_ladder_has_one_release_of_each_major(
    installed: str, target: str, ladder: list[str], missing: list[int]
) -> None:
    older = [{"version": item, "url": "u", "sha256": "0"} for item in ("32.0.5", "33.0.9")]
    given = read_variables(ROLES / "nextcloud" / "vars" / "main.yml") | {
        "__nextcloud_instance": {"installed": True, "version": f"{installed}.1"},
        "nextcloud_older_releases": older, "nextcloud_version": target,
        "nextcloud_url": "u", "nextcloud_sha256": "1",
    }  # fmt: skip
    templar = Templar(loader=DataLoader(), variables=given)
    found = templar.template(given["__nextcloud_ladder"])
    assert [item["version"] for item in found] == ladder
    assert templar.template(given["__nextcloud_majors_without_release"]) == missing
