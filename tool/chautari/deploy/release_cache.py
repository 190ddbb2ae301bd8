"""Upstream's releases as this machine read them last, so that a slow link is not used again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from chautari.deploy.git_tags import REASONS, NoTagList, fetch_tags
from chautari.errors import BadInput
from chautari.files import read_regular_file, write_atomically
from chautari.language import _
from chautari.paths import state_dir
from chautari.services.artifacts import version_key
from chautari.services.release_tags import VERSION, ReleaseTags

KEEP_SECONDS = 86_400
# A server that did not answer is asked again after an hour.
KEEP_FAILURE_SECONDS = 3600
_MAX_BYTES = 1 << 20
_MAX_LISTS = 200


class ReleaseAnswer(NamedTuple):
    """The releases newer than one, or the code of the `reason` why they are not known."""

    versions: tuple[str, ...] = ()
    reason: str = ""


class ReleaseCache:
    """Answers of upstream's servers with their age, in one file of this account."""

    def __init__(self, answers: dict[str, tuple[int, ReleaseAnswer]]) -> None:
        """Start with `answers`, each with the time at which it was received."""
        self._answers = answers
        self._changed = False

    @classmethod
    def load(cls) -> ReleaseCache:
        """Return the answers that are young enough. A file that cannot be used counts as empty."""
        try:
            raw = read_regular_file(cache_file(), _MAX_BYTES)
            text = raw if len(raw) <= _MAX_BYTES else b""
            return cls(dict(_parse_recent_answers(json.loads(text), int(time.time()))))
        except (BadInput, ValueError, TypeError, AttributeError, RecursionError):
            return cls({})

    def fetch_newer_versions(self, tags: ReleaseTags, version: str) -> ReleaseAnswer:
        """Return the releases newer than `version`, from the file or else from the server."""
        prefixes = tags.tag_prefixes_since(version)
        key = f"{tags.repository} {prefixes[0]}"
        if key not in self._answers:
            self._answers[key] = (int(time.time()), _fetch_releases(tags, prefixes))
            self._changed = True
        answer = self._answers[key][1]
        newer = (item for item in answer.versions if version_key(item) > version_key(version))
        return answer._replace(versions=tuple(newer))

    def save(self) -> None:
        """Write the answers if there are new ones; a disk that takes none is no error."""
        if not self._changed:
            return
        lists = {
            key: {"time": received, "versions": answer.versions, "reason": answer.reason}
            for key, (received, answer) in list(self._answers.items())[-_MAX_LISTS:]
        }
        try:
            write_atomically(cache_file(), json.dumps(lists), mode=0o600, durable=False)
        except OSError:
            return


def cache_file() -> Path:
    """Return the file of upstream servers' answers about releases."""
    return state_dir() / "upstream-releases.json"


def _fetch_releases(tags: ReleaseTags, prefixes: tuple[str, ...]) -> ReleaseAnswer:
    try:
        found = map(tags.version_of_tag, fetch_tags(tags.repository, prefixes))
    except NoTagList as error:
        return ReleaseAnswer(reason=str(error))
    versions = {version for version in found if version is not None}
    return ReleaseAnswer(tuple(sorted(versions, key=version_key)))


def _parse_recent_answers(
    content: object, now: int
) -> Iterator[tuple[str, tuple[int, ReleaseAnswer]]]:
    """Yield the answers in a file's `content` that are young enough.

    Raises:
        ValueError: when an answer has another form.
    """
    if not isinstance(content, dict) or len(content) > _MAX_LISTS:
        raise ValueError(_("not a list of answers"))
    for key, item in content.items():
        received, versions, reason = item["time"], item["versions"], item["reason"]
        if type(received) is not int or type(versions) is not list or reason not in ("", *REASONS):
            raise ValueError(_("not an answer"))
        if not all(isinstance(name, str) and VERSION.fullmatch(name) for name in versions):
            raise ValueError(_("not a version"))
        limit = KEEP_FAILURE_SECONDS if reason else KEEP_SECONDS
        if 0 <= now - received < limit:
            yield key, (received, ReleaseAnswer(tuple(versions), reason))
