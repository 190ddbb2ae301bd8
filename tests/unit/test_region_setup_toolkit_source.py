"""A region's CI job installs a revision that it can get, or a wheel in its own repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from chautari import __version__
from chautari.region_setup import toolkit_source as module
from chautari.region_setup.toolkit_source import ToolkitSource, toolkit_source

URL = "https://git.example.org/chautari.git"
REVISION = "0123456789abcdef0123456789abcdef01234567"
WHEEL = ToolkitSource(f"./wheels/chautari-{__version__}-py3-none-any.whl", is_wheel=True)


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
    argv = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the toolkit run from a clone, of which the remote repository has the commit."""
    root = tmp_path / "clone"
    root.mkdir()
    git(root, "init", "--quiet")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "x")
    git(root, "remote", "add", "origin", URL)
    git(root, "update-ref", "refs/remotes/origin/main", "HEAD")
    monkeypatch.setattr(module, "is_checkout", lambda: True)
    monkeypatch.setattr(module, "content_root", lambda: root)
    return root


def test_clone_of_a_public_repository_gives_its_revision(clone: Path) -> None:
    revision = git(clone, "rev-parse", "HEAD")
    assert toolkit_source() == ToolkitSource(f"chautari @ git+{URL}@{revision}", is_wheel=False)


@pytest.mark.parametrize(
    "url",
    ["https://ana:token@git.example.org/c.git", "https://token@git.example.org/c.git",
     "git@git.example.org:c.git", "ssh://git.example.org/c.git", "/srv/git/c", "http://x.org/c",
     "https://git.example.org/c.git?token=1", 'https://git.example.org/"; rm -rf .'],
)  # fmt: skip
def test_address_with_a_token_or_that_others_cannot_use_gives_a_wheel(
    url: str, clone: Path
) -> None:
    git(clone, "remote", "set-url", "origin", url)
    assert toolkit_source() == WHEEL


def test_commit_that_was_not_pushed_gives_a_wheel(clone: Path) -> None:
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "later")
    assert toolkit_source() == WHEEL


def test_folder_of_another_repository_gives_a_wheel(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / "vendor").mkdir()
    monkeypatch.setattr(module, "content_root", lambda: clone / "vendor")
    assert toolkit_source() == WHEEL


def test_no_repository_gives_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_checkout", lambda: True)
    monkeypatch.setattr(module, "content_root", lambda: tmp_path)
    assert toolkit_source() == WHEEL


@pytest.mark.parametrize(
    ("recorded", "is_revision"),
    [
        ({"url": URL, "vcs_info": {"vcs": "git", "commit_id": REVISION}}, True),
        ({"url": URL, "vcs_info": {"vcs": "git", "commit_id": "main"}}, False),
        ({"url": "file:///tmp/chautari.whl", "archive_info": {}}, False),
        ({"url": 1, "vcs_info": {"commit_id": REVISION}}, False),
        ({"vcs_info": 1}, False), ([], False), (None, False),
    ],
)  # fmt: skip
def test_installation_gives_the_revision_that_pip_recorded(
    recorded: object, is_revision: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = None if recorded is None else json.dumps(recorded)
    monkeypatch.setattr(module, "is_checkout", lambda: False)
    monkeypatch.setattr(module, "distribution", lambda _: SimpleNamespace(read_text=lambda _: text))
    expected = ToolkitSource(f"chautari @ git+{URL}@{REVISION}", is_wheel=False)
    assert toolkit_source() == (expected if is_revision else WHEEL)
