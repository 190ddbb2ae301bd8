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
    file: Path, tokens: list[Pair], position: int, prefix: str, entries: dict[str, str]
) -> int:
    """Read entries until a bracket closes; return the place after them."""
    while position < len(tokens) and tokens[position] != ("mark", "}"):
        kind, text = tokens[position]
        if kind == "end":
            position += 1
            continue
        if kind not in ("word", "quoted"):
            raise WrongSettings(f"{file}: expected a key, found {text!r}")
        following = tokens[position + 1] if position + 1 < len(tokens) else ("end", "")
        if (kind, text) == ("word", "include") and following[0] == "quoted":
            entries |= {
                f"{prefix}{key}": value
                for key, value in read_hocon_file(Path(following[1])).items()
            }
            position += 2
        elif following == ("mark", "{"):
            position = _read_nested_object(file, tokens, position + 2, f"{prefix}{text}.", entries)
        elif following in (("mark", "="), ("mark", ":")):
            position = _read_value(file, tokens, position + 2, f"{prefix}{text}", entries)
        else:
            raise WrongSettings(f"{file}: {prefix}{text} has no value")
    return position


def _read_nested_object(
    file: Path, tokens: list[Pair], position: int, prefix: str, entries: dict[str, str]
) -> int:
    position = _read_object(file, tokens, position, prefix, entries)
    if position == len(tokens):
        raise WrongSettings(f"{file}: {prefix[:-1]} is not closed")
    return position + 1


def _read_value(
    file: Path, tokens: list[Pair], position: int, path: str, entries: dict[str, str]
) -> int:
    kind, text = tokens[position] if position < len(tokens) else ("end", "")
    if (kind, text) == ("mark", "{"):
        return _read_nested_object(file, tokens, position + 1, f"{path}.", entries)
    if (kind, text) == ("mark", "["):
        while position < len(tokens) and tokens[position] != ("mark", "]"):
            position += 1
        if position == len(tokens):
            raise WrongSettings(f"{file}: the list at {path} is not closed")
        return position + 1
    words = []
    while position < len(tokens) and tokens[position][0] in ("word", "quoted"):
        words.append(tokens[position][1])
        position += 1
    if not words:
        raise WrongSettings(f"{file}: {path} has no value")
    if not words[0].startswith("$"):
        entries[path] = " ".join(words)
    return position
