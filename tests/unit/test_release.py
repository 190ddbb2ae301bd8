"""A release has a tag, a date and one version; its wheels contain what they must."""

from __future__ import annotations

import hashlib
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ci_scripts import load_ci_script
from region_samples import ROOT

from chautari import __version__

release: Any = load_ci_script("release")


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
    argv = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository whose commit is a release of 0.2.0."""
    package = tmp_path / "tool" / "chautari"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Doc."""\n\n__version__ = "0.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## 0.2.0 (2026-12-15)\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "x")
    git(tmp_path, "tag", "--annotate", "v0.2.0", "--message", "x")
    return tmp_path


def reasons(root: Path) -> list[str]:
    return [problem.reason for problem in release.release_problems(root)]


def test_tagged_commit_is_a_release(root: Path) -> None:
    assert release.version_of(root) == "0.2.0"
    assert reasons(root) == []


def test_release_needs_the_tag_of_its_version_on_this_commit(root: Path) -> None:
    git(root, "commit", "--quiet", "--allow-empty", "--message", "later")
    git(root, "tag", "v0.2.1")
    [problem] = release.release_problems(root)
    assert problem.reason == "this commit does not have the tag v0.2.0"
    assert problem.fix.startswith("git tag --annotate v0.2.0 ")


def test_release_needs_a_date_and_no_change_since(root: Path) -> None:
    (root / "CHANGELOG.md").write_text("## 0.2.0 (unreleased)\n")
    assert reasons(root) == [
        "CHANGELOG.md says that 0.2.0 is unreleased", "files differ from the commit",
    ]  # fmt: skip


def test_release_needs_its_changes(root: Path) -> None:
    (root / "CHANGELOG.md").write_text("## 0.1.0 (2026-11-30)\n")
    assert reasons(root)[0] == "CHANGELOG.md begins with 0.1.0, but this is 0.2.0"


def test_version_is_written_in_one_place() -> None:
    assert release.version_of(ROOT) == __version__
    for file in ("pyproject.toml", "tool/chautari_sandbox/pyproject.toml"):
        assert not re.search(r"chautari[a-z-]*==", (ROOT / file).read_text())


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the wheels of this checkout; wheels of another version in the folder are deleted."""
    folder = tmp_path_factory.mktemp("dist")
    (folder / "chautari-0.0.1-py3-none-any.whl").write_text("old")
    return release.build(ROOT, folder)


def test_wheels_contain_and_require_what_they_must(wheels: Any) -> None:
    assert list(release.content_problems(wheels, __version__)) == []
    assert len(list(wheels.product.parent.glob("*.whl"))) == 2


def test_checksums_are_those_of_the_wheels(wheels: Any) -> None:
    lines = release.write_checksums(wheels).read_text().splitlines()
    assert lines == [
        f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}" for wheel in wheels
    ]


def test_wheel_with_the_sandbox_without_content_or_of_another_version_is_refused(
    wheels: Any, tmp_path: Path
) -> None:
    changed = tmp_path / wheels.product.name
    with zipfile.ZipFile(wheels.product) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            if name != "chautari/content/CHANGELOG.md":
                new.writestr(name, old.read(name))
        new.writestr("chautari_sandbox/api.py", "")
    found = release.content_problems(release.Wheels(changed, wheels.sandbox), "9.9.9")
    assert [problem.reason for problem in found] == [
        "Chautari's wheel contains the sandbox: chautari_sandbox/api.py",
        "Chautari's wheel lacks chautari/content/CHANGELOG.md",
        f"chautari has the version {__version__}",
        f"chautari-sandbox has the version {__version__}",
        "the sandbox does not require exactly this version of Chautari",
        "the extra `sandbox` does not require exactly this version",
    ]
