"""How much a deploy would download: what apt would fetch for the packages, and the pinned files."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

URI = re.compile(r"^'[^']*' \S+ ([0-9]+)")
SECONDS = 20
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def budget(notes: Path) -> dict[str, Any]:
    """Return the event that tells the download of what a check run noted in `notes`.

    Sizes that nobody tells are counted in `unknown`.
    """
    packages, files = set[str](), set[str]()
    for line in notes.read_text().splitlines() if notes.is_file() else ():
        note = json.loads(line)
        if "download" in note:
            files.add(note["download"])
        elif note.get("item", {}).get("kind") == "package":
            packages.add(note["item"]["name"])
    sizes = [_size(url) for url in sorted(files)]
    unknown = [url for url, size in zip(sorted(files), sizes, strict=True) if size is None]
    apt = _apt(packages)
    if apt is None:
        unknown.append("the packages (apt does not know all of them yet)")
    total = (apt or 0) + sum(size or 0 for size in sizes)
    return {"event": "budget", "bytes": total, "packages": apt or 0, "unknown": unknown}


def _apt(names: Iterable[str]) -> int | None:
    """Return how many bytes apt would fetch to have these packages; None when it cannot tell."""
    known = sorted(name for name in names if PACKAGE.fullmatch(name))
    if not known:
        return 0
    argv = ["apt-get", "--yes", "--quiet=2", "--no-install-recommends", "--print-uris",
            "install", "--", *known]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    return sum(int(found[1]) for line in done.stdout.splitlines() if (found := URI.match(line)))


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
