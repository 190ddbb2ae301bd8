"""A page for each key of `region.yml`, from its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from chautari.paths import content_root

Schema = Mapping[str, Any]
# Stands for a key that the region chooses, such as the name of a node.
ANY = "NAME"
_DEPTH = 6


class KeyPage(NamedTuple):
    """What is known of a key.

    Attributes:
        path: its path from the top of the file; ANY stands for a name that the region chooses.
        description: what it means.
        schema: the schema of its value, without references.
        required: whether the mapping around it must have it.
        default: its default; None if there is none.
        example: a value; None if the schema has none.
        children: the keys in it.
    """

    path: tuple[str, ...]
    description: str
    schema: Schema
    required: bool
    default: Any
    example: Any
    children: tuple[str, ...]

    @property
    def dotted(self) -> str:
        """Return the path as people write it."""
        return ".".join(self.path)


def all_key_pages() -> tuple[KeyPage, ...]:
    """Return the pages of all keys, in the order of the schema."""
    root = json.loads((content_root() / "schemas" / "region.schema.json").read_text())
    return tuple(_key_pages_in_schema(root, root, ()))


def find_pages(pages: Sequence[KeyPage], text: str) -> list[KeyPage]:
    """Return the pages of the key that a person wrote: with its path, or with the end of it."""
    words = tuple(text.strip().strip(".:").split("."))
    exact = [page for page in pages if _path_matches_words(page.path, words)]
    return exact or [
        page
        for page in pages
        if page.path[-1] == words[-1] and _path_matches_words(page.path[-len(words) :], words)
    ]


def known_words(pages: Sequence[KeyPage]) -> list[str]:
    """Return all paths and all keys, to propose one of them."""
    paths = [page.dotted for page in pages]
    keys = (page.path[-1] for page in pages if page.path[-1] != ANY)
    return list(dict.fromkeys([*paths, *keys]))


def _path_matches_words(path: Sequence[str], words: Sequence[str]) -> bool:
    return len(path) == len(words) and all(
        part in (word, ANY) for part, word in zip(path, words, strict=True)
    )


def _key_pages_in_schema(root: Schema, schema: Schema, path: tuple[str, ...]) -> Iterator[KeyPage]:
    required = schema.get("required", ())
    for key, field in schema.get("properties", {}).items():
        yield from _key_pages_of_field(root, field, (*path, key), required=key in required)
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict) and len(path) < _DEPTH:
        resolved = _schema_without_reference(root, inner)
        if resolved.get("properties"):
            yield from _key_pages_of_field(root, inner, (*path, ANY), required=False)


def _key_pages_of_field(
    root: Schema, field: Schema, path: tuple[str, ...], *, required: bool
) -> Iterator[KeyPage]:
    schema = _schema_without_reference(root, field)
    children = tuple(schema.get("properties", ()))
    inner = schema.get("additionalProperties")
    if not children and isinstance(inner, dict):
        children = (ANY,) if _schema_without_reference(root, inner).get("properties") else ()
    example = next(iter(field.get("examples", ())), None)
    description = field.get("description") or schema.get("description", "")
    yield KeyPage(path, description, schema, required, field.get("default"), example, children)
    yield from _key_pages_in_schema(root, schema, path)


def _schema_without_reference(root: Schema, field: Schema) -> Schema:
    """Return the schema of a value, without a reference and without `null`."""
    choices = [item for item in field.get("anyOf", ()) if item.get("type") != "null"]
    if len(choices) == 1:
        field = {**choices[0], **{key: field[key] for key in field if key != "anyOf"}}
    if "$ref" in field:
        return root["$defs"][field["$ref"].rpartition("/")[2]]  # type: ignore[no-any-return]
    return field
