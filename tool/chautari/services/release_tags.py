"""Where upstream names its releases: the tags of its public source repository."""

from __future__ import annotations

import re
from typing import NamedTuple

from chautari.services.artifacts import version_key

# Five numbers of six digits are more than any upstream uses; longer ones are no release.
VERSION = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,4}")
# Series that are asked for: the pinned one and those after it, so that an answer stays small.
_SERIES = 10


class ReleaseTags(NamedTuple):
    """The tags of one upstream repository that are releases of an artifact.

    Attributes:
        name: of the artifact, as in `artifacts.lock`.
        repository: address of the repository, which git's HTTP protocol is spoken to.
        tag: upstream's tag of a release, with `{}` in place of its number.
        version: our name of that release, with `{}` in place of the number.
    """

    name: str
    repository: str
    tag: str = "v{}"
    version: str = "{}"

    def tag_prefixes_since(self, pinned: str) -> tuple[str, ...]:
        """Return what the tags of `pinned` and of newer releases begin with."""
        before = self.tag.partition("{}")[0]
        number = pinned.removeprefix(self.version.partition("{}")[0])
        if "." not in number:
            return (before,)
        first = version_key(number)[0]
        return tuple(f"{before}{series}." for series in range(first, first + _SERIES))

    def version_of_tag(self, tag: str) -> str | None:
        """Return the version that `tag` names; None for a test release or another tag."""
        before, _, after = self.tag.partition("{}")
        if not (tag.startswith(before) and tag.endswith(after)):
            return None
        number = tag[len(before) : len(tag) - len(after)]
        return self.version.format(number) if VERSION.fullmatch(number) else None
