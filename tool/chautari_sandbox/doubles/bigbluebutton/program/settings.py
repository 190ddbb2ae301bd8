"""Reads settings as upstream does: a package's defaults, an operator's file laid over them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ETC = Path("/etc/bigbluebutton")
WEB = Path("/usr/share/bbb-web/WEB-INF/classes/bigbluebutton.properties")
WEB_OVER = ETC / "bbb-web.properties"
CLIENT = Path("/usr/share/bigbluebutton/html5-client/private/config/settings.yml")
CLIENT_OVER = ETC / "bbb-html5.yml"
SFU = Path("/usr/local/bigbluebutton/bbb-webrtc-sfu/config/default.yml")
SFU_OVER = ETC / "bbb-webrtc-sfu/production.yml"
RECORDER = Path("/etc/bbb-webrtc-recorder/bbb-webrtc-recorder.yml")
RECORDER_OVER = ETC / "bbb-webrtc-recorder.yml"
HOOKS = Path("/usr/local/bigbluebutton/bbb-webhooks/config/default.yml")
HOOKS_OVER = ETC / "bbb-webhooks/production.yml"
RECORD = Path("/usr/local/bigbluebutton/core/scripts/bigbluebutton.yml")
RECORD_OVER = ETC / "recording/recording.yml"
TURN = Path("/usr/share/bbb-web/WEB-INF/classes/spring/turn-stun-servers.xml")
TURN_OVER = ETC / "turn-stun-servers.xml"
RELEASE = ETC / "bigbluebutton-release"

LINE = re.compile(r"((?:\\.|[^\\=:\s])+)\s*[=:\s]?\s*(.*)", re.DOTALL)
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
PLACE = re.compile(r"\$\{([^}]+)\}")


class WrongSettings(Exception):
    """A file of settings cannot be used; the part does not start."""


def read_properties(text: str) -> dict[str, str]:
    """Return the entries of a Java properties file."""
    found: dict[str, str] = {}
    pending = ""
    for raw in text.splitlines():
        line = pending + raw.lstrip(" \t\f")
        pending = ""
        if not line or line[0] in "#!":
            continue
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pending = line[:-1]
            continue
        match = LINE.fullmatch(line)
        if match:
            found[_unescape(match[1])] = _unescape(match[2])
    return found


def _unescape(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        return {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}.get(code, code)

    return ESCAPE.sub(character, text)


def resolve_placeholders(entries: Mapping[str, str]) -> dict[str, str]:
    """Put other entries' values into the places that name them."""

    def value(key: str, seen: tuple[str, ...]) -> str:
        if key not in entries:
            raise WrongSettings(f"Could not resolve placeholder '{key}'")
        if key in seen:
            raise WrongSettings(f"Circular placeholder reference '{key}'")
        return PLACE.sub(lambda place: value(place[1], (*seen, key)), entries[key])

    return {key: value(key, ()) for key in entries}


def bbb_web_settings(defaults: Path = WEB, overrides: Path = WEB_OVER) -> dict[str, str]:
    """Return bbb-web's settings."""
    entries = read_properties(_read_text(defaults))
    if overrides.exists():
        entries |= read_properties(_read_text(overrides))
    return resolve_placeholders(entries)


def merge_trees(below: Any, above: Any) -> Any:
    """Lay one tree over another: mappings merge, everything else is replaced, lists too."""
    if isinstance(below, dict) and isinstance(above, dict):
        merged = dict(below)
        for key, value in above.items():
            merged[key] = merge_trees(below[key], value) if key in below else value
        return merged
    return above


def read_with_overrides(defaults: Path, overrides: Path) -> dict[str, Any]:
    """Return a YAML or JSON file with an operator's file laid over it."""
    merged = _read_yaml_mapping(defaults)
    if overrides.exists():
        merged = merge_trees(merged, _read_yaml_mapping(overrides))
    return merged


def _read_yaml_mapping(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(_read_text(file))
    except yaml.YAMLError as error:
        raise WrongSettings(f"{file}: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise WrongSettings(f"{file}: expected a mapping, found {type(content).__name__}")
    return content


def value_at_path(settings: Any, path: str) -> Any:
    """Return what stands at a dotted path, or None; a number in it is a place in a list."""
    for step in path.split("."):
        if isinstance(settings, dict):
            settings = settings.get(step)
        elif isinstance(settings, list) and step.isdigit() and int(step) < len(settings):
            settings = settings[int(step)]
        else:
            return None
    return settings


def installed_release() -> str:
    """Return the release that is installed; none while packages are being set up."""
    if not RELEASE.exists():
        return ""
    return read_properties(_read_text(RELEASE)).get("BIGBLUEBUTTON_RELEASE", "")


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSettings(f"{file}: {error}") from error
