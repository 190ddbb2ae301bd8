"""Domains that look like another one."""

from __future__ import annotations

import pytest

from chautari.federation.lookalikes import find_lookalike, validate_domain_scripts


def punycode(label: str) -> str:
    return f"xn--{label.encode('punycode').decode()}.example.org"


@pytest.mark.parametrize(
    "label",
    ["hіmalaya", "аndes", "сосо", "οα", "paypаl", "a\u200db"],
)
def test_check_scripts_refuses_imitations(label: str) -> None:
    with pytest.raises(ValueError, match="the label"):
        validate_domain_scripts(punycode(label))


@pytest.mark.parametrize("label", ["münchen", "peña", "гималаи", "हिमालय", "हिमाल", "日本の"])
def test_check_scripts_accepts_names_in_one_script(label: str) -> None:
    assert validate_domain_scripts(punycode(label)) == punycode(label)


@pytest.mark.parametrize("name", ["xn--.example.org", "xn--a.example.org", "ab--c.example.org"])
def test_check_scripts_refuses_invalid_encodings(name: str) -> None:
    with pytest.raises(ValueError, match="the label"):
        validate_domain_scripts(name)


@pytest.mark.parametrize(
    "name", ["hima1aya.example.org", "himaiaya.example.org", "hirnalaya.example.org",
             "hi-malaya.example.org"]
)  # fmt: skip
def test_find_lookalike_names_the_known_domain(name: str) -> None:
    assert find_lookalike(name, ["andes.example.org", "himalaya.example.org"]) == (
        "himalaya.example.org"
    )


def test_find_lookalike_passes_other_and_equal_names() -> None:
    known = ["himalaya.example.org"]
    assert find_lookalike("himalaya.example.org", known) is None
    assert find_lookalike("karakoram.example.org", known) is None
