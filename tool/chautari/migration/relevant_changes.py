"""Which changes of the toolkit affect a region: those that name its keys or its services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import yaml

from chautari.migration.changelog import Entry, Release
from chautari.region import renamed_keys
from chautari.region.yaml_reader import Path_
from chautari.services.registry import SERVICES

# Every region has these, so a change that names one of them is not about a part of it.
_IN_EVERY_REGION = frozenset({"region", "toolkit", "domain", "contact", "nodes", "services"})
_CODE = re.compile(r"`([^`]+)`")
_KEY = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_-]*)*:?")


class AffectingChange(NamedTuple):
    """A change with something to do.

    Attributes:
        version: the release.
        entry: the change.
        names: the keys and services of the region that it names; empty if it is about every region.
    """

    version: str
    entry: Entry
    names: tuple[str, ...]

    def as_object(self) -> dict[str, object]:
        """Return the change as plain JSON data."""
        return {
            "version": self.version,
            "group": self.entry.group,
            "text": self.entry.text,
            "action": self.entry.action,
            "names": list(self.names),
        }


class RegionWords(NamedTuple):
    """What a change can name: all keys that there are or were, and those of the region."""

    known_keys: frozenset[str]
    paths: frozenset[tuple[str, ...]]
    services: frozenset[str]


def words_of_region(
    paths: Iterable[Path_], services: Iterable[str], known_keys: Iterable[str]
) -> RegionWords:
    """Return the words for a region with keys at `paths`, which runs `services`."""
    renamed = {name for item in renamed_keys.RENAMES for name in (*item.old, item.new)}
    own = frozenset(tuple(part for part in path if isinstance(part, str)) for path in paths)
    return RegionWords(frozenset(known_keys) | renamed, own, frozenset(services))


def services_in_data(data: Any) -> set[str]:
    """Return the services in the data of a `region.yml`, which need not be valid."""
    mapping = data if isinstance(data, dict) else {}
    nodes, settings = mapping.get("nodes"), mapping.get("services")
    lists = [node.get("services") for node in _mappings_among_values(nodes)]
    named = {item for items in lists if isinstance(items, list) for item in map(str, items)}
    return (named | set(settings if isinstance(settings, dict) else ())) & set(SERVICES)


def _mappings_among_values(value: Any) -> list[dict[str, Any]]:
    items = value.values() if isinstance(value, dict) else ()
    return [item for item in items if isinstance(item, dict)]


def changes_for_region_and_for_all_regions(
    releases: Iterable[Release], words: RegionWords
) -> tuple[list[AffectingChange], list[AffectingChange]]:
    """Return the changes with an action for this region, and those for every region."""
    own, general = [], []
    for release in releases:
        for entry in release.entries:
            if not entry.action:
                continue
            keys, services = _keys_named_in_entry(entry, words), _services_named_in_entry(entry)
            used = [*filter(None, (_first_used_key(key, words) for key in keys))]
            used += [name for name in services if name in words.services]
            if used:
                names = tuple(dict.fromkeys(used))
                own.append(AffectingChange(release.version, entry, names))
            elif not keys and not services:
                general.append(AffectingChange(release.version, entry, ()))
    return own, general


def _keys_named_in_entry(entry: Entry, words: RegionWords) -> list[tuple[str, ...]]:
    """Return the keys of `region.yml` in the code of a change, as paths."""
    found: dict[tuple[str, ...], None] = {}
    for code in _CODE.findall(f"{entry.text} {entry.action}"):
        for path in _key_paths_in_code(code):
            parts = tuple(part for part in path if part not in _IN_EVERY_REGION)
            if parts and all(part in words.known_keys for part in parts):
                found[parts] = None
    return list(found)


def _key_paths_in_code(code: str) -> Iterator[tuple[str, ...]]:
    """Yield the paths of keys that a piece of code names: `a.b`, `a`, or `a: {b: …}`."""
    if _KEY.fullmatch(code):
        yield tuple(code.rstrip(":").split("."))
        return
    if ":" not in code:
        return
    try:
        data = yaml.safe_load(code)
    except yaml.YAMLError:
        return
    yield from _leaf_key_paths_in_data(data, ())


def _leaf_key_paths_in_data(data: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _leaf_key_paths_in_data(value, (*path, str(key)))
    elif path:
        yield path


def _services_named_in_entry(entry: Entry) -> list[str]:
    """Return the services that a change names, by title or as code."""
    text = f"{entry.text} {entry.action}"
    words = {word for code in _CODE.findall(text) for word in re.findall(r"[a-z][a-z-]*", code)}
    return [
        name
        for name, service in SERVICES.items()
        if name in words or re.search(rf"\b{re.escape(service.title)}\b", text)
    ]


def _first_used_key(key: Sequence[str], words: RegionWords) -> str:
    """Return the path of the region's first key that `key` names; empty if it has none."""
    for path in sorted(words.paths):
        if path[-1:] == tuple(key[-1:]) and _is_subsequence_of_path(key, path):
            return ".".join(path)
    return ""


def _is_subsequence_of_path(key: Sequence[str], path: Sequence[str]) -> bool:
    """Return whether all parts of `key` are in `path`, in this order."""
    rest = iter(path)
    return all(part in rest for part in key)
