"""Keys of `region.yml` that have another name now, so that an old file is refused with the new one.

An entry stays for good: a hub may update from any earlier release.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

ANY = "*"  # stands for any key, such as a node's name


class RenamedKey(NamedTuple):
    """A key that was renamed.

    Attributes:
        old: where the key was, from the top of the file.
        new: the name of the key now.
        release: the first release with the new name.
    """

    old: tuple[str, ...]
    new: str
    release: str


RENAMES = (RenamedKey(("sandbox", "stand_in"), "os_substitutes", "0.1.0"),)


def find_renamed_key(location: Sequence[str | int]) -> RenamedKey | None:
    """Return how the key at `location` was renamed, or None when it never was."""
    return next((item for item in RENAMES if _matches_location(item.old, location)), None)


def _matches_location(old: tuple[str, ...], location: Sequence[str | int]) -> bool:
    pairs = zip(old, location, strict=False)
    return len(old) == len(location) and all(a in (ANY, str(b)) for a, b in pairs)
