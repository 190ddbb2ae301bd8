"""A key's fingerprint as words that two people compare."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from federation_samples import KEY, OTHER_KEY

from chautari.federation import key_words, signing_key

LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBrGGqcBHBE4f5PKbsVwLDrzhN6W4BmUn+yTgIeFkOZF"
OTHER = signing_key.public_key_of(OTHER_KEY)
PUBLIC = signing_key.public_key_of(KEY)


@pytest.mark.parametrize("language", key_words.LISTS)
def test_words_of_key_are_twelve_different_for_each_key_and_language(language: str) -> None:
    words = key_words.key_words_text(PUBLIC, language)
    assert len(words.split()) == 12
    assert words == key_words.key_words_text(PUBLIC, language)
    assert words != key_words.key_words_text(OTHER, language)


def test_words_of_a_known_key_never_change() -> None:
    """Two groups may use different releases of the toolkit, and must read the same words."""
    assert key_words.key_words_text(LINE, "en") == (
        "pupil attend menu couple caught fiber wrestle code tobacco judge measure doll"
    )
    assert key_words.key_words_text(LINE, "es") == (
        "pecera anuncio mayor ciclón búho farmacia yema causa tecla juzgar martes delito"
    )


def test_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(PUBLIC + "\n")
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(file)], capture_output=True, text=True, check=True
    ).stdout
    assert key_words.fingerprint_of_key(PUBLIC) == shown.split()[1]


@pytest.mark.parametrize("language", key_words.LISTS)
def test_matches_key_takes_words_as_people_type_them(language: str) -> None:
    words = key_words.key_words_text(PUBLIC, language)
    assert key_words.is_fingerprint_or_words_of_key(words, PUBLIC)
    assert key_words.is_fingerprint_or_words_of_key(
        f"  {words.upper()}\n".replace(" ", "  "), PUBLIC
    )
    assert key_words.is_fingerprint_or_words_of_key(
        " ".join(key_words._without_accents_and_case(words)), PUBLIC
    )
    assert not key_words.is_fingerprint_or_words_of_key(words, OTHER)


def test_matches_key_takes_the_whole_fingerprint_only() -> None:
    fingerprint = key_words.fingerprint_of_key(PUBLIC)
    assert key_words.is_fingerprint_or_words_of_key(f" {fingerprint} ", PUBLIC)
    words = key_words.key_words_text(PUBLIC).split()
    for text in ("", "SHA256:", fingerprint[:-1], fingerprint.lower(), "x", *words,
                 " ".join(words[:11]), " ".join(reversed(words))):  # fmt: skip
        assert not key_words.is_fingerprint_or_words_of_key(text, PUBLIC)


def test_word_languages_are_those_with_a_list_and_english() -> None:
    assert key_words.languages_with_word_list(["ne", "es_CO", "es", "pt_BR"]) == ["es", "pt", "en"]
    assert key_words.languages_with_word_list(["hi"]) == ["en"]
