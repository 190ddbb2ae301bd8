"""Estimate the download of a deploy: the packages that apt would fetch, and the pinned files.

People with a prepaid data plan rely on the number, so a download of unknown size is always named.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import urllib.request
from pathlib import Path

from chautari.node.events import DownloadEstimate

URI = re.compile(r"^'([^']*)' \S+ ([0-9]+)")
SECONDS = 20
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def estimate_download(records: Path, partial: bool = False) -> DownloadEstimate:
    """Return the expected download of what Ansible's check mode recorded in `records`.

    `partial` says that more may come than what was recorded.
    """
    packages, urls = read_check_mode_packages_and_urls(records)
    sizes = {url: _content_length(url) for url in urls}
    archives, unknown = apt_archives_to_fetch(packages)
    apt = sum(archives.values())
    return {
        "event": "download_estimate", "bytes": apt + sum(size or 0 for size in sizes.values()),
        "packages": apt, "unknown_urls": [url for url, size in sizes.items() if size is None],
        "unknown_packages": unknown, "partial": partial,
    }  # fmt: skip


def read_check_mode_packages_and_urls(records: Path) -> tuple[list[str], list[str]]:
    """Return the packages and the addresses that Ansible's check mode recorded."""
    packages, urls = set[str](), set[str]()
    for line in records.read_text().splitlines() if records.is_file() else ():
        note = json.loads(line)
        item = note.get("item", {})
        if "download" in note:
            urls.add(note["download"])
        elif item.get("kind") == "package" and item.get("desired") != "absent":
            packages.add(item["name"])
    return sorted(name for name in packages if PACKAGE.fullmatch(name)), sorted(urls)


def apt_archives_to_fetch(names: list[str]) -> tuple[dict[str, int], list[str]]:
    """Return the archives that apt would fetch for packages, and the packages it does not know.

    One unknown package makes apt refuse the whole query: then each half is queried on its own.
    """
    if not names:
        return {}, []
    argv = ["apt-get", "--yes", "--quiet=2", "--no-install-recommends", "--print-uris",
            "install", "--", *names]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        matches = (URI.match(line) for line in done.stdout.splitlines())
        return {match[1]: int(match[2]) for match in matches if match}, []
    if len(names) == 1:
        return {}, names
    middle = len(names) // 2
    first, second = apt_archives_to_fetch(names[:middle]), apt_archives_to_fetch(names[middle:])
    return first[0] | second[0], first[1] + second[1]


def _content_length(url: str) -> int | None:
    """Return the length of a file that its server reports, or None."""
    if not url.startswith(("https://", "http://")):
        return None
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(
            request, timeout=SECONDS, context=ssl.create_default_context()
        ) as answer:
            length = answer.headers.get("Content-Length")
    except (OSError, ValueError):
        return None
    return int(length) if length and length.isdecimal() else None
