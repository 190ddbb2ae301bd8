"""Which Debian archives the images are made from: those that this machine uses itself."""

from __future__ import annotations

import shutil

from chautari.process import run

CODENAMES = {"12": "bookworm", "13": "trixie"}
_KNOWN = ("bullseye", "bookworm", "trixie", "forky")
_POCKETS = ("", "-updates", "-security")
QUERY = (
    "apt-get", "indextargets", "--format", "$(REPO_URI)|$(CODENAME)|$(COMPONENT)",
    "Created-By: Packages",
)  # fmt: skip


def host_apt_index_targets_text() -> str:
    """Return the indexes that apt reads on this machine, each line `URI|codename|component`.

    The text is empty where there is no apt.
    """
    if shutil.which(QUERY[0]) is None:
        return ""
    return run(QUERY, check=False, timeout=30).text


def sources_list_lines(targets: str, release: str) -> tuple[str, ...]:
    """Return lines of sources.list for a Debian release, on the archives that the host uses.

    Empty when the host is not Debian: mmdebstrap then knows the right ones.
    """
    lines: dict[str, None] = {}
    for target in targets.splitlines():
        uri, _, rest = target.partition("|")
        suite, _, component = rest.partition("|")
        pocket = _pocket_of_suite(suite)
        if component == "main" and pocket is not None and uri.startswith(("http:", "https:")):
            lines[f"deb {uri} {CODENAMES[release]}{pocket} main"] = None
    return tuple(lines) if any(f" {CODENAMES[release]} " in line for line in lines) else ()


def _pocket_of_suite(suite: str) -> str | None:
    for codename in _KNOWN:
        if suite.startswith(codename) and suite.removeprefix(codename) in _POCKETS:
            return suite.removeprefix(codename)
    return None
