"""From where a region's CI job gets this version of Chautari, which no package index has."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from chautari import __version__
from chautari.paths import content_root, is_checkout
from chautari.process import ProcessError, run

# Without an account or a token: the file is committed, and may be public.
_PUBLIC_URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~/-]+")
_REVISION = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_GIT_SECONDS = 10


class ToolkitSource(NamedTuple):
    """What pip installs.

    Attributes:
        requirement: the argument of `pip install`.
        is_wheel: whether it is a wheel that people must first copy into the region's repository.
    """

    requirement: str
    is_wheel: bool


def toolkit_source() -> ToolkitSource:
    """Return the revision from which this toolkit was installed, or a wheel if none is public."""
    found = _revision_of_checkout_if_published() if is_checkout() else _revision_of_installation()
    if found:
        return ToolkitSource(found, is_wheel=False)
    return ToolkitSource(f"./wheels/chautari-{__version__}-py3-none-any.whl", is_wheel=True)


def _pip_requirement(url: object, revision: object) -> str:
    if not (isinstance(url, str) and isinstance(revision, str)):
        return ""
    if not (_PUBLIC_URL.fullmatch(url) and _REVISION.fullmatch(revision)):
        return ""
    return f"chautari @ git+{url}@{revision}"


def _revision_of_installation() -> str:
    """Return what pip recorded when it installed the toolkit (PEP 610); empty if no revision."""
    try:
        text = distribution("chautari").read_text("direct_url.json")
    except PackageNotFoundError:
        return ""
    try:
        data = json.loads(text or "{}")
        return _pip_requirement(data.get("url"), data.get("vcs_info", {}).get("commit_id"))
    except (ValueError, AttributeError):
        return ""


def _revision_of_checkout_if_published() -> str:
    """Return the commit of the clone; empty if other machines cannot get it."""
    root = content_root()
    try:
        # The files can also lie in a folder of another repository.
        if Path(_git_output(root, "rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return ""
        revision = _git_output(root, "rev-parse", "HEAD")
        branches = _git_output(
            root, "branch", "--remotes", "--list", "origin/*", "--contains", revision
        )
        return _pip_requirement(
            _git_output(root, "remote", "get-url", "origin"), revision if branches else ""
        )
    except ProcessError:
        return ""


def _git_output(root: Path, *arguments: str) -> str:
    argv = ["git", "-C", str(root), *arguments]
    return run(argv, timeout=_GIT_SECONDS).text.strip()
