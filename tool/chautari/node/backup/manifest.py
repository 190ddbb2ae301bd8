"""The manifest of an archive: what a backup stored, with the row counts of every table.

A restore reads it from a repository that another region stores, so the parser takes nothing that a
backup does not write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FORMAT = 1
ENGINES = ("postgresql", "mariadb")
FOLDER = "run/chautari-backup"
MANIFEST_PATH = f"{FOLDER}/manifest.json"
# The suffix of a dump by the engine that made it.
DUMP_SUFFIXES = {"postgresql": "dump", "mariadb": "sql"}
MAX_BYTES = 16 << 20
MAX_ITEMS = 10_000  # of one list or object; a node has some hundred tables
MAX_TEXT = 4096
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_OS = re.compile(r"[a-z]+-[0-9.]{1,16}")
_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,30}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~_:-]{0,60}")

RowCounts = Mapping[str, Mapping[str, Mapping[str, int]]]  # by engine, database and table


class InvalidManifest(ValueError):
    """A manifest or a list of states has content that no backup writes."""


@dataclass(frozen=True)
class FolderSpec:
    """A folder that is stored; see `chautari.services.state.Folder`."""

    path: str
    exclude: tuple[str, ...] = ()
    may_be_empty: bool = False


@dataclass(frozen=True)
class StateSpec:
    """The state of one service, as the settings of a node and the manifests contain it."""

    name: str
    folders: tuple[FolderSpec, ...] = ()
    files: tuple[str, ...] = ()
    databases: Mapping[str, tuple[str, ...]] | None = None
    pause: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    for_reading: tuple[str, ...] = ()

    @property
    def database_names(self) -> list[tuple[str, str]]:
        """Return the databases as pairs of engine and name."""
        found = self.databases or {}
        return [(engine, name) for engine in ENGINES for name in found.get(engine, ())]

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the paths that a restore brings back."""
        return (*(folder.path for folder in self.folders), *self.files)


@dataclass(frozen=True)
class Manifest:
    """What an archive contains.

    Attributes:
        time: when the backup began, in seconds since 1970.
        os: operating system of the node, such as `debian-12`.
        versions: release of each service.
        row_counts: rows of every table, by engine and database; tables of PostgreSQL are named
            with their schema.
        file_count: number of regular files.
        file_bytes: their size in total.
    """

    region: str
    node: str
    time: int
    os: str
    versions: Mapping[str, str]
    states: tuple[StateSpec, ...]
    row_counts: RowCounts
    file_count: int
    file_bytes: int

    def row_counts_of_database(self, engine: str, database: str) -> Mapping[str, int] | None:
        """Return the rows of each table; None if the archive lacks the database."""
        return self.row_counts.get(engine, {}).get(database)


def dump_path(engine: str, database: str) -> str:
    """Return the path of a database's dump in an archive."""
    return f"{FOLDER}/databases/{engine}/{database}.{DUMP_SUFFIXES[engine]}"


def manifest_to_json(manifest: Manifest) -> bytes:
    """Return a manifest as an archive stores it."""
    content = {
        "format": FORMAT,
        "region": manifest.region,
        "node": manifest.node,
        "time": manifest.time,
        "os": manifest.os,
        "versions": dict(manifest.versions),
        "states": [state_as_object(state) for state in manifest.states],
        "row_counts": manifest.row_counts,
        "files": {"count": manifest.file_count, "bytes": manifest.file_bytes},
    }
    return json.dumps(content, indent=1, sort_keys=True).encode()


def state_as_object(state: StateSpec) -> dict[str, object]:
    """Return a state as plain JSON data."""
    return {
        "name": state.name,
        "folders": [
            {"path": f.path, "exclude": list(f.exclude), "may_be_empty": f.may_be_empty}
            for f in state.folders
        ],
        "files": list(state.files),
        "databases": {engine: list(names) for engine, names in (state.databases or {}).items()},
        "pause": list(state.pause),
        "resume": list(state.resume),
        "for_reading": list(state.for_reading),
    }


def parse_manifest(raw: bytes) -> Manifest:
    """Return the manifest that an archive contains.

    Raises:
        InvalidManifest: when it is damaged, or contains what no backup writes.
    """
    if len(raw) > MAX_BYTES:
        raise InvalidManifest(f"it is larger than {MAX_BYTES >> 20} MB")
    try:
        content = _require_object(
            json.loads(raw, object_pairs_hook=_object_with_unique_keys), "the manifest"
        )
    except RecursionError:
        raise InvalidManifest("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise InvalidManifest("it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise InvalidManifest(f"it is not valid JSON: {error.msg}") from None
    if content.get("format") != FORMAT:
        raise InvalidManifest(f"its format is {content.get('format')!r}, not {FORMAT}")
    keys = ("format", "region", "node", "time", "os", "versions", "states", "row_counts", "files")
    _check_keys(content, keys, keys, "the manifest")
    files = _require_object(content["files"], "files")
    _check_keys(files, ("count", "bytes"), ("count", "bytes"), "files")
    return Manifest(
        region=_require_name(content["region"], "region"),
        node=_require_name(content["node"], "node"),
        time=_require_count(content["time"], "time"),
        os=_require_match(_OS, content["os"], "os"),
        versions={
            _require_name(service, "versions"): _require_version(version)
            for service, version in _require_object(content["versions"], "versions").items()
        },
        states=parse_states(content["states"]),
        row_counts=_parse_row_counts(content["row_counts"]),
        file_count=_require_count(files["count"], "files.count"),
        file_bytes=_require_count(files["bytes"], "files.bytes"),
    )


def parse_states(value: object) -> tuple[StateSpec, ...]:
    """Return the states in the settings of a node or in a manifest.

    Raises:
        InvalidManifest: when one of them has an unknown key or an unsafe path.
    """
    states = tuple(_parse_state(item) for item in _require_list(value, "states"))
    names = [state.name for state in states]
    if len(set(names)) != len(names):
        raise InvalidManifest("two states have the same name")
    return states


def _parse_state(value: object) -> StateSpec:
    content = _require_object(value, "a state")
    lists = ("files", "pause", "resume", "for_reading")
    _check_keys(content, ("name", "folders", "databases", *lists), ("name",), "a state")
    name = _require_name(content["name"], "the name of a state")
    where = f"the state {name}"
    databases = {
        _require_known_key(engine, ENGINES, where): tuple(
            _require_match(_DATABASE, item, where) for item in _require_list(names, where)
        )
        for engine, names in _require_object(content.get("databases", {}), where).items()
    }
    return StateSpec(
        name=name,
        folders=tuple(
            _parse_folder(item, where) for item in _require_list(content.get("folders", []), where)
        ),
        files=tuple(
            _require_absolute_path(item, where)
            for item in _require_list(content.get("files", []), where)
        ),
        databases=databases,
        pause=_parse_command(content.get("pause", []), where),
        resume=_parse_command(content.get("resume", []), where),
        for_reading=tuple(
            _require_absolute_path(item, where)
            for item in _require_list(content.get("for_reading", []), where)
        ),
    )


def _parse_folder(value: object, where: str) -> FolderSpec:
    content = _require_object(value, where)
    _check_keys(content, ("path", "exclude", "may_be_empty"), ("path",), where)
    may_be_empty = content.get("may_be_empty", False)
    if not isinstance(may_be_empty, bool):
        raise InvalidManifest(f"{where}: may_be_empty is not true or false")
    exclude = tuple(
        _require_short_text(item, where)
        for item in _require_list(content.get("exclude", []), where)
    )
    return FolderSpec(_require_absolute_path(content["path"], where), exclude, may_be_empty)


def _parse_row_counts(value: object) -> RowCounts:
    return {
        _require_known_key(engine, ENGINES, "row_counts"): {
            _require_match(_DATABASE, database, "row_counts"): {
                _require_short_text(table, "row_counts"): _require_count(
                    rows, f"row_counts of {database}"
                )
                for table, rows in _require_object(tables, "row_counts").items()
            }
            for database, tables in _require_object(databases, "row_counts").items()
        }
        for engine, databases in _require_object(value, "row_counts").items()
    }


def _object_with_unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidManifest("an object has the same key twice")
    return found


def _check_keys(
    content: Mapping[str, object], known: Sequence[str], required: Sequence[str], where: str
) -> None:
    if unknown := sorted(set(content) - set(known)):
        raise InvalidManifest(f"{where} has the unknown key {unknown[0]!r}")
    if missing := sorted(set(required) - set(content)):
        raise InvalidManifest(f"{where} has no {missing[0]}")


def _require_object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > MAX_ITEMS:
        raise InvalidManifest(f"{where} is not an object of at most {MAX_ITEMS} keys")
    return value


def _require_list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise InvalidManifest(f"{where} is not a list of at most {MAX_ITEMS} items")
    return value


def _require_short_text(value: object, where: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise InvalidManifest(f"{where} has a value that is not a short printable text")
    return value


def _require_count(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise InvalidManifest(f"{where} is not a number of 0 or more")
    return value


def _require_match(pattern: re.Pattern[str], value: object, where: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidManifest(f"{where} has the invalid name {str(value)[:80]!r}")
    return value


def _require_name(value: object, where: str) -> str:
    return _require_match(_NAME, value, where)


def _require_version(value: object) -> str:
    return _require_match(_VERSION, value, "versions")


def _require_known_key(value: str, known: Sequence[str], where: str) -> str:
    if value not in known:
        raise InvalidManifest(f"{where} has the unknown key {value[:80]!r}")
    return value


def _require_absolute_path(value: object, where: str) -> str:
    """Return an absolute path in its shortest form, so that it cannot lead elsewhere."""
    path = _require_short_text(value, where)
    parts = path.split("/")[1:]
    if not path.startswith("/") or not all(parts) or {".", ".."} & set(parts):
        raise InvalidManifest(f"{where} has the invalid path {path[:200]!r}")
    return path


def _parse_command(value: object, where: str) -> tuple[str, ...]:
    words = tuple(_require_short_text(item, where) for item in _require_list(value, where))
    if words and not words[0].startswith("/"):
        raise InvalidManifest(f"{where} has a command without an absolute path")
    return words
