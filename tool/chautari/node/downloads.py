"""How much a deploy would download: what apt would fetch for the packages, and the pinned files.

A number here is a promise to somebody with little credit left: what is not known is named, and
never left out in silence.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

URI = re.compile(r"^'([^']*)' \S+ ([0-9]+)")
SECONDS = 20
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def budget(notes: Path, partial: bool = False) -> dict[str, Any]:
    """Return the event that tells the download of what a check run noted in `notes`.

    Things whose size nobody tells are named in `unknown`. `partial` says that more may come
    than what it noted: it ended before its time, or an installation has to be finished first.
    """
    packages, files = set[str](), set[str]()
    for line in notes.read_text().splitlines() if notes.is_file() else ():
        note = json.loads(line)
        item = note.get("item", {})
        if "download" in note:
            files.add(note["download"])
        elif item.get("kind") == "package" and item.get("wish") != "absent":
            packages.add(item["name"])
    sizes = {url: _size(url) for url in sorted(files)}
    unknown = [url for url, size in sizes.items() if size is None]
    archives, strangers = _apt(sorted(name for name in packages if PACKAGE.fullmatch(name)))
    if strangers:
        unknown.append(f"{', '.join(strangers)} (apt does not know that yet)")
    apt = sum(archives.values())
    return {
        "event": "budget", "bytes": apt + sum(size or 0 for size in sizes.values()),
        "packages": apt, "unknown": unknown, "partial": partial,
    }  # fmt: skip


def _apt(names: list[str]) -> tuple[dict[str, int], list[str]]:
    """Return the archives that apt would fetch to have these packages, and those it cannot tell.

    One stranger makes apt refuse the whole question: then each half is asked for itself.
    """
    if not names:
        return {}, []
    argv = ["apt-get", "--yes", "--quiet=2", "--no-install-recommends", "--print-uris",
            "install", "--", *names]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        found = (URI.match(line) for line in done.stdout.splitlines())
        return {line[1]: int(line[2]) for line in found if line}, []
    if len(names) == 1:
        return {}, names
    middle = len(names) // 2
    one, two = _apt(names[:middle]), _apt(names[middle:])
    return one[0] | two[0], one[1] + two[1]


def _size(url: str) -> int | None:
    """Return the length that the server tells of a file, or None."""
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
