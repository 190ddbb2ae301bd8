"""Reads as much HOCON as settings of the akka parts are written in, and refuses the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .settings import WrongSettings

TOKEN = re.compile(
    r"""(?P<skip>[ \t\r]+|\#[^\n]*|//[^\n]*)|(?P<end>[\n,])|(?P<mark>[{}\[\]=:])"""
    r"""|"(?P<quoted>(?:\\.|[^"\\\n])*)"|(?P<word>\$\{[^}\n]*\}|[^\s{}\[\],=:#"]+)"""
)
Pair = tuple[str, str]


def read_hocon_file(file: Path) -> dict[str, str]:
    """Return a file's values by their dotted paths; what it includes comes first, as it stands."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise WrongSettings(f"{file}: {error}") from error
    found: dict[str, str] = {}
    tokens = list(_tokenize(file, text))
    rest = _read_object(file, tokens, 0, "", found)
    if rest != len(tokens):
        raise WrongSettings(f"{file}: a closing bracket has no opening bracket")
    return found


def _tokenize(file: Path, text: str) -> Iterator[Pair]:
    place = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise WrongSettings(f"{file}: cannot read {text[place : place + 20]!r}")
        if match.lastgroup != "skip":
            kind = match.lastgroup or ""
            yield kind, match[kind]
        place = match.end()


def _read_object(
    file: Path, tokens: list[Pair], place: int, prefix: str, found: dict[str, str]
) -> int:
    """Read entries until a bracket closes; return the place after them."""
    while place < len(tokens) and tokens[place] != ("mark", "}"):
        kind, text = tokens[place]
        if kind == "end":
            place += 1
            continue
        if kind not in ("word", "quoted"):
            raise WrongSettings(f"{file}: expected a key, found {text!r}")
        following = tokens[place + 1] if place + 1 < len(tokens) else ("end", "")
        if (kind, text) == ("word", "include") and following[0] == "quoted":
            found |= {
                f"{prefix}{key}": value
                for key, value in read_hocon_file(Path(following[1])).items()
            }
            place += 2
        elif following == ("mark", "{"):
            place = _read_nested_object(file, tokens, place + 2, f"{prefix}{text}.", found)
        elif following in (("mark", "="), ("mark", ":")):
            place = _read_value(file, tokens, place + 2, f"{prefix}{text}", found)
        else:
            raise WrongSettings(f"{file}: {prefix}{text} has no value")
    return place


def _read_nested_object(
    file: Path, tokens: list[Pair], place: int, prefix: str, found: dict[str, str]
) -> int:
    place = _read_object(file, tokens, place, prefix, found)
    if place == len(tokens):
        raise WrongSettings(f"{file}: {prefix[:-1]} is not closed")
    return place + 1


def _read_value(
    file: Path, tokens: list[Pair], place: int, path: str, found: dict[str, str]
) -> int:
    kind, text = tokens[place] if place < len(tokens) else ("end", "")
    if (kind, text) == ("mark", "{"):
        return _read_nested_object(file, tokens, place + 1, f"{path}.", found)
    if (kind, text) == ("mark", "["):
        while place < len(tokens) and tokens[place] != ("mark", "]"):
            place += 1
        if place == len(tokens):
            raise WrongSettings(f"{file}: the list at {path} is not closed")
        return place + 1
    words = []
    while place < len(tokens) and tokens[place][0] in ("word", "quoted"):
        words.append(tokens[place][1])
        place += 1
    if not words:
        raise WrongSettings(f"{file}: {path} has no value")
    if not words[0].startswith("$"):
        found[path] = " ".join(words)
    return place
