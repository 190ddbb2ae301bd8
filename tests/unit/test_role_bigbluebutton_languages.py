"""Which languages the role of BigBlueButton reads from an installed release."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from role_samples import ROLES

COMMAND = ROLES / "bigbluebutton/files/missing_languages.py"
# Texts of Etherpad 1.9.4 and the languages that it is translated into by at least two thirds, read
# from src/locales/*.json of that tag: hi has 19 % of 171 texts, ne 59 %, bn 91 %.
ETHERPAD = {"en": 171, "es": 162, "pt-br": 171, "hi": 32, "ne": 101, "bn": 156}


def folder_of(folder: Path, counts: dict[str, int]) -> Path:
    for name, count in counts.items():
        texts: dict[str, object] = {f"text{number}": name for number in range(count)}
        texts |= {"@metadata": {"authors": []}} | {f"old{number}": name for number in range(200)}
        (folder / f"{name}.json").write_text(json.dumps(texts))
    english = json.loads((folder / "en.json").read_text())
    kept = {key: text for key, text in english.items() if not key.startswith("old")}
    (folder / "en.json").write_text(json.dumps(kept))
    return folder


def missing(folder: Path, *languages: str) -> list[str]:
    argv = [sys.executable, str(COMMAND), str(folder), *languages]
    found: list[str] = json.loads(subprocess.check_output(argv, text=True))
    return found


@pytest.mark.parametrize(
    ("language", "there"),
    [("es", True), ("es_CO", True), ("pt", True), ("pt_PT", True), ("bn", True), ("en", True),
     ("hi", False), ("ne", False), ("si", False)],
)  # fmt: skip
def test_language_counts_with_two_thirds_of_the_english_texts(
    language: str, there: bool, tmp_path: Path
) -> None:
    assert missing(folder_of(tmp_path, ETHERPAD), language) == ([] if there else [language])


def test_empty_texts_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "en.json").write_text('{"a": "x", "b": "y"}')
    (tmp_path / "es_ES.json").write_text('{"a": "", "b": ""}')
    assert missing(tmp_path, "es", "en") == ["es"]
