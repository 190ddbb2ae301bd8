#!/usr/bin/python3
"""missing-languages FOLDER LANGUAGE...: prints the languages that a release is not translated into.

The result is a JSON list. FOLDER holds a JSON file of texts for each language, such as pt_BR.json
or pt-br.json. A language counts if any of its files has two thirds of the texts of en.json, as
people of one country can read the language of another.
"""

import json
import sys
from pathlib import Path


def read_texts(file: Path) -> set[str]:
    """Return the keys of the texts in a file, none if it is damaged; @ begins other keys."""
    try:
        found = dict(json.loads(file.read_text()))
    except (TypeError, ValueError):
        return set()
    return {key for key, text in found.items() if text and not key.startswith("@")}


def language_of(name: str) -> str:
    """Return the language of a code such as pt_BR or pt-br."""
    return name.lower().replace("-", "_").split("_")[0]


def missing_languages(folder: Path, languages: list[str]) -> list[str]:
    """Return those of `languages` without a complete translation."""
    english = read_texts(folder / "en.json")
    complete = {
        language_of(file.stem)
        for file in folder.glob("*.json")
        if 3 * len(read_texts(file) & english) >= 2 * len(english)
    }
    return [item for item in languages if language_of(item) not in complete]


if __name__ == "__main__":
    print(json.dumps(missing_languages(Path(sys.argv[1]), sys.argv[2:])))
