"""Rewrite the renamed keys of a `region.yml`: only their names change in the text."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chautari.errors import BadInput, InvalidRegion, ProblemInFile
from chautari.files import read_regular_file, write_atomically
from chautari.language import _
from chautari.region import renamed_keys, toolkit_version
from chautari.region.load import check_region_text
from chautari.region.renamed_keys import RenamedKey, find_renamed_key
from chautari.region.yaml_reader import BYTE_ORDER_MARK, MAX_BYTES, Document, Path_, parse_yaml

_TOOLKIT = "toolkit"


class Renaming(NamedTuple):
    """A key that was rewritten: its path before and after, and the release that renamed it."""

    old: Path_
    new: Path_
    release: str


class Rewrite(NamedTuple):
    """The text of a `region.yml` before and after.

    Attributes:
        renamed: the keys that have another name now.
        since: the version for which the old text was written; None if it does not say.
        document: the old text as data.
    """

    old: str
    new: str
    renamed: tuple[Renaming, ...]
    since: str | None
    document: Document


def rewrite_region_text(file: Path, text: str, version: str) -> Rewrite:
    """Return the text of `file` with the names of `version`. Comments and layout are kept.

    Raises:
        InvalidRegion: when the text is not YAML, when a key stands there under both names, when it
            was written for a newer version, or when the new text would have other problems.
    """
    document = parse_yaml(text, file)
    given = document.data.get(_TOOLKIT) if isinstance(document.data, dict) else None
    if problem := toolkit_version.message_if_toolkit_too_old(given):
        raise InvalidRegion([document.problem_at((_TOOLKIT,), problem, toolkit_version.CODE)])
    renamed_text, renamed = _rename_old_keys(file, text)
    _refuse_new_problems(file, text, renamed_text, renamed)
    new = _set_toolkit_version(file, renamed_text, version)
    since = given if toolkit_version.parse_version(given) else None
    return Rewrite(text, new, renamed, since, document)


def write_region_text(file: Path, rewrite: Rewrite) -> None:
    """Replace the file, if it is still the one that was read; a symbolic link stays a link.

    Raises:
        BadInput: when it changed in the meantime.
    """
    target = file.resolve()
    content = read_regular_file(target, MAX_BYTES).decode("utf-8", "replace")
    mark = content[: len(content) - len(content.removeprefix(BYTE_ORDER_MARK))]
    if content != mark + rewrite.old:
        raise BadInput(
            _("{file} changed while this command was running; nothing was written", file=file),
            fix=_("save your changes, then run the command again"),
        )
    mode = stat.S_IMODE(target.stat().st_mode)
    write_atomically(target, mark + rewrite.new, mode)


def _rename_old_keys(file: Path, text: str) -> tuple[str, tuple[Renaming, ...]]:
    """Rename until no old name is left: a key that was renamed twice has two entries."""
    done: list[Renaming] = []
    for __ in range(len(renamed_keys.RENAMES) + 1):
        document = parse_yaml(text, file)
        if document.problems:
            raise InvalidRegion(document.problems)
        found = [(path, item) for path in document.key_spans if (item := find_renamed_key(path))]
        if not found:
            return text, tuple(done)
        if conflicts := list(_rename_conflicts(document, found)):
            raise InvalidRegion(conflicts)
        for path, item in sorted(found, key=lambda one: document.key_spans[one[0]], reverse=True):
            start, end = document.key_spans[path]
            text = text[:start] + item.new + text[end:]
        names = {path: item.new for path, item in found}
        if parse_yaml(text, file).data != _with_renamed_keys(document.data, names):
            raise AssertionError(
                _(
                    "renaming {values} would also change something else",
                    values=", ".join(names.values()),
                )
            )
        done += [
            Renaming(path, _path_after_renames(path, names), item.release) for path, item in found
        ]
    raise AssertionError(_("the table of renamed keys contains a cycle"))


def _rename_conflicts(
    document: Document, renamed_keys: Sequence[tuple[Path_, RenamedKey]]
) -> Iterator[ProblemInFile]:
    for path, item in renamed_keys:
        if (*path[:-1], item.new) in document.key_spans:
            yield document.problem_at(
                path,
                _(
                    "Chautari {release} renamed this key to {new}, which is also in this file; "
                    "keep the right value under the new name, and delete this key",
                    release=item.release,
                    new=item.new,
                ),
                "renamed_key",
            )


def _path_after_renames(path: Path_, names: dict[Path_, str]) -> Path_:
    """Return a path of the old text as it is in the new one."""
    return tuple(names.get(path[: end + 1], part) for end, part in enumerate(path))


def _with_renamed_keys(value: Any, names: dict[Path_, str], path: Path_ = ()) -> Any:
    """Return the data with other names, in the same order."""
    if isinstance(value, dict):
        return {
            names.get((*path, key), key): _with_renamed_keys(item, names, (*path, key))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_renamed_keys(item, names, (*path, i)) for i, item in enumerate(value)]
    return value


def _refuse_new_problems(file: Path, old: str, new: str, renamed: tuple[Renaming, ...]) -> None:
    """Make sure that the new text is as good as the old one, apart from the renamed keys.

    Both texts have the same lines, so the problems of the new one have their lines in the old one.

    Raises:
        InvalidRegion: with the problems that only the new text has. The old names may have hidden
            them: rules are checked once all keys are known.
    """
    before, known = check_region_text(file, old)
    after, problems = check_region_text(file, new)
    if before is not None and before != after:
        raise AssertionError(_("the new text describes another region"))
    as_before = {(_location_after_renames(item.where, renamed), item.message) for item in known}
    if added := [item for item in problems if (item.where, item.message) not in as_before]:
        raise InvalidRegion(added)


def _location_after_renames(where: str, renamed: tuple[Renaming, ...]) -> str:
    for item in renamed:
        old = ".".join(map(str, item.old))
        if where == old or where.startswith(f"{old}."):
            where = ".".join(map(str, item.new)) + where.removeprefix(old)
    return where


def _set_toolkit_version(file: Path, text: str, version: str) -> str:
    """Return the text with the version for which it is written; unchanged where it has no place."""
    document = parse_yaml(text, file)
    if not isinstance(document.data, dict):
        return text
    wanted = dict(document.data) | {_TOOLKIT: version}
    if document.data == wanted:
        return text
    for candidate in _candidate_texts_with_version(document, text, version):
        try:
            if parse_yaml(candidate, file).data == wanted:
                return candidate
        except InvalidRegion:
            continue
    return text


def _candidate_texts_with_version(document: Document, text: str, version: str) -> Iterator[str]:
    """Yield texts with the version, the first of which that is valid counts."""
    if (_TOOLKIT,) in document.key_spans:
        if span := document.scalar_spans.get((_TOOLKIT,)):
            yield text[: span[0]] + version + text[span[1] :]
            yield text[: span[0]] + f" {version}" + text[span[1] :]
        return
    end = document.scalar_spans.get(("region",), (0, 0))[1]
    start = document.key_spans.get(("region",), (0, 0))[0]
    if not end:
        return
    indent = text[text.rfind("\n", 0, start) + 1 : start]
    line_end = text.find("\n", end)
    newline = "\r\n" if text[line_end - 1 : line_end] == "\r" else "\n"
    if not indent.strip():
        if line_end < 0:
            yield f"{text}{newline}{indent}{_TOOLKIT}: {version}{newline}"
        else:
            head, rest = text[: line_end + 1], text[line_end + 1 :]
            yield f"{head}{indent}{_TOOLKIT}: {version}{newline}{rest}"
    yield f"{text[:end]}, {_TOOLKIT}: {version}{text[end:]}"
