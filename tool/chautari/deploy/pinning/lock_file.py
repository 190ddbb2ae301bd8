"""Add pins to `artifacts.lock`; comments, order and everything else in it stay."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from chautari.deploy.pinning.refusal import PinRefused
from chautari.files import exists_or_is_dangling_link, write_atomically
from chautari.region.locate import LOCK_FILE
from chautari.region.yaml_reader import MAX_BYTES, read_yaml

_HEAD = "# Releases that this region pins. `deploy lock` adds to this file.\n"


class Pin(NamedTuple):
    """A release that was checked, as `artifacts.lock` holds it.

    Attributes:
        image: whether `place` is the name of a container image, and not an address.
        signer: who vouches for the release; empty if only several ways agree.
        ways: the ways on which the same file arrived.
    """

    name: str
    version: str
    place: str
    sha256: str
    size: int
    signer: str = ""
    image: bool = False
    ways: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, str | int]:
        """Return the fields of the pin in the file."""
        found: dict[str, str | int] = {
            "image" if self.image else "url": self.place, "sha256": self.sha256, "size": self.size,
        }  # fmt: skip
        return found | ({"signer": self.signer} if self.signer else {})


def add_pins_to_lock_file(folder: Path, pins: Iterable[Pin]) -> Path:
    """Add pins to the region's file and return it. The file changes as a whole or not at all.

    Raises:
        PinRefused: when the file has a form that cannot be extended.
    """
    file = folder / LOCK_FILE
    before = read_yaml(file).data if exists_or_is_dangling_link(file) else None
    text = (
        file.read_bytes()[: MAX_BYTES + 1].decode() if exists_or_is_dangling_link(file) else _HEAD
    )
    for pin in pins:
        text = text_with_pin(text, pin, file)
    _write_if_only_pins_changed(file, text, before or {}, list(pins))
    return file


def _write_if_only_pins_changed(file: Path, text: str, before: Any, pins: list[Pin]) -> None:
    """Write the text if it says what it said before, and the pins."""
    expected = {name: dict(of or {}) for name, of in before.items()}
    for pin in pins:
        expected.setdefault(pin.name, {})[pin.version] = pin.fields
    draft = file.with_name(f".{file.name}.draft")
    try:
        write_atomically(draft, text)
        found = read_yaml(draft, shown_as=file).data
        if found != expected:
            raise _unknown_file_form_refusal(file, pins[0])
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def text_with_pin(text: str, pin: Pin, file: Path) -> str:
    """Return the text of the file with a pin: under its name, or at the end.

    An older pin of the same version is replaced.
    """
    lines = text.splitlines()
    heading = re.compile(rf"(['\"]?){re.escape(pin.name)}\1:\s*(#.*)?$")
    start = next((number for number, line in enumerate(lines) if heading.match(line)), None)
    if start is None:
        if any(line.startswith(f"{pin.name}:") for line in lines):
            raise _unknown_file_form_refusal(file, pin)
        gap = [""] if lines and lines[-1].strip() and not lines[-1].startswith("#") else []
        return "\n".join([*lines, *gap, f"{pin.name}:", *_pin_lines(pin, "  "), ""])
    end = _end_of_yaml_entry(lines, start)
    indent = re.match(" *", next((line for line in lines[start + 1 : end] if line.strip()), "  "))
    assert indent is not None
    if not indent[0]:
        raise _unknown_file_form_refusal(file, pin)
    kept = _remove_version_lines(lines[start + 1 : end], pin.version, indent[0])
    new = [*lines[: start + 1], *kept, *_pin_lines(pin, indent[0]), *lines[end:]]
    return "\n".join([*new, ""])


def _end_of_yaml_entry(lines: list[str], start: int) -> int:
    """Return the line after the last one that belongs to the entry at `start`."""
    end = start + 1
    for number in range(start + 1, len(lines)):
        if lines[number].startswith(" "):
            end = number + 1
        elif lines[number].strip() and not lines[number].startswith("#"):
            break
    return end


def _remove_version_lines(block: list[str], version: str, indent: str) -> list[str]:
    """Return the lines of an entry without those of one version."""
    key = re.compile(rf"{indent}(['\"]?){re.escape(version)}\1:")
    kept, inside = [], False
    for line in block:
        if not line.startswith(f"{indent} ") and line.strip():
            inside = bool(key.match(line))
        if not inside:
            kept.append(line)
    return kept


def _pin_lines(pin: Pin, indent: str) -> list[str]:
    # Two numbers with a dot would be read as one number.
    version = pin.version if pin.version.count(".") > 1 else json.dumps(pin.version)
    fields = [f"{indent * 2}{key}: {_yaml_scalar(value)}" for key, value in pin.fields.items()]
    return [f"{indent}{version}:", *fields]


def _yaml_scalar(value: str | int) -> str:
    plain = isinstance(value, int) or re.fullmatch(r"[a-z][A-Za-z0-9./:_-]*[A-Za-z0-9]", value)
    # A digest of digits only would be a number.
    return str(value) if plain else json.dumps(value)


def _unknown_file_form_refusal(file: Path, pin: Pin) -> PinRefused:
    fields = ", ".join(f"{key}: {_yaml_scalar(value)}" for key, value in pin.fields.items())
    shown = f"{pin.name}: {{{json.dumps(pin.version)}: {{{fields}}}}}"
    return PinRefused("lock_file_form", file=str(file), pin=shown)
