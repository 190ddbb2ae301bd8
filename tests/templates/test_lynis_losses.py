"""The tests of Lynis in which nodes lose points: written for people, each with a reason."""

from __future__ import annotations

import re

from region_samples import ROOT

from chautari.toolkit_yaml import read_toolkit_yaml

LOSSES = read_toolkit_yaml(ROOT / "tests/fixtures/lynis/losses.yml")
PAGE = ROOT / "docs/security.md"


def section() -> str:
    found = re.search(r"^### Points that nodes lose\n(.*?)(?=^#)", PAGE.read_text(), re.M | re.S)
    assert found, "the page has no list of lost points"
    return found[1]


def test_page_lists_each_loss_with_its_tests_and_a_reason() -> None:
    rows = [line.strip("| ").split(" | ") for line in section().splitlines() if line[:1] == "|"]
    assert all(len(row) == 3 and all(row) for row in rows[2:]), "a loss has no reason"
    assert [(row[0], row[1].split(", ")) for row in rows[2:]] == [
        (loss["title"], loss["tests"]) for loss in LOSSES["losses"]
    ]


def test_each_test_of_lynis_has_one_reason() -> None:
    tests = [test for loss in LOSSES["losses"] for test in loss["tests"]]
    assert tests and len(tests) == len(set(tests))


def test_page_names_the_index_of_the_checks() -> None:
    lowest = min(LOSSES["index"].values())
    assert f"hardening index of at least {lowest}," in PAGE.read_text()
