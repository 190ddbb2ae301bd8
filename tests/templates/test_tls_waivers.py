"""The waivers of TLS: written for people, with a cause in our settings, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from region_samples import ROOT
from templates import render, variables

from chautari.toolkit_yaml import read_toolkit_yaml

WAIVERS = read_toolkit_yaml(ROOT / "tests/fixtures/tls/waivers.yml")
PAGE = ROOT / "docs/security.md"


def titles_on_the_page() -> list[str]:
    """Return the first column of the table below the heading of the waivers."""
    section = re.search(r"^### Waivers of TLS\n(.*?)(?=^#)", PAGE.read_text(), re.M | re.S)
    assert section, "the page has no list of waivers"
    rows = [line.strip("| ").split(" | ") for line in section[1].splitlines() if line[:1] == "|"]
    assert all(len(row) == 2 and all(row) for row in rows[2:]), "a waiver has no reason"
    return [row[0] for row in rows[2:]]


def test_page_lists_each_waiver_and_no_other() -> None:
    assert titles_on_the_page() == [waiver["title"] for waiver in WAIVERS]


@pytest.mark.parametrize("waiver", WAIVERS, ids=lambda waiver: waiver["title"])
def test_cause_of_a_waiver_is_in_our_settings(waiver: dict[str, str], tmp_path: Path) -> None:
    given = variables(tmp_path, waiver["role"], "13")
    text = render(waiver["role"], waiver["template"], given)
    line = waiver["line"].replace("{domain}", str(given.get("jitsi_domain", "")))
    assert line in [item.strip() for item in text.splitlines()]


def test_each_finding_has_one_waiver() -> None:
    found = [name for waiver in WAIVERS for name in waiver["findings"]]
    assert found and len(found) == len(set(found))
