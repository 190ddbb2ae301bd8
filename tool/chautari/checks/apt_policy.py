"""What apt would install by itself, read from what `apt-cache policy` prints about packages."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterator
from itertools import zip_longest
from typing import NamedTuple
from urllib.parse import urlsplit

# Installed versions have this priority, those of the distribution a higher one.
INSTALLED_PRIORITY = 100
_PACKAGE = re.compile(r"^(?=\S+:$)", re.MULTILINE)
_VERSION = re.compile(r"^ (?:   |\*\*\*) (\S+) (-?\d+)$", re.MULTILINE)
_URL = re.compile(r"^ +-?\d+ (\w+://\S+) ", re.MULTILINE)


class _Version(NamedTuple):
    package: str
    priority: int
    servers: frozenset[str | None]


def replaceable_packages(
    policy: str, servers: Collection[str | None], own: Collection[str]
) -> list[str]:
    """Return the packages that apt would replace by a version which only `servers` offer.

    Packages whose names match a pattern in `own` are not among them.
    """
    found = {
        version.package
        for version in _versions(policy)
        if version.servers
        and version.servers <= frozenset(servers)
        and version.priority > INSTALLED_PRIORITY
        and not any(fnmatch.fnmatchcase(version.package, pattern) for pattern in own)
    }
    return sorted(found)


def _versions(policy: str) -> Iterator[_Version]:
    for text in _PACKAGE.split(policy):
        package = text.partition(":")[0]
        matches = list(_VERSION.finditer(text))
        for match, following in zip_longest(matches, matches[1:]):
            end = following.start() if following else len(text)
            urls = _URL.findall(text, match.end(), end)
            hosts = frozenset(urlsplit(url).hostname for url in urls)
            yield _Version(package, int(match[2]), hosts)
