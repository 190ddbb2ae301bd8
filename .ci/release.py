"""Build both wheels, install them in a fresh environment, and check what they contain.

python .ci/release.py             the wheels of a release: the commit must have the version's tag
python .ci/release.py --no-tag    the wheels of any commit, to try them
"""

from __future__ import annotations

import argparse
import email.parser
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from email.message import Message
from pathlib import Path
from typing import NamedTuple

from chautari.migration.changelog import read_changelog

ROOT = Path(__file__).resolve().parents[1]
_VERSION = re.compile(r'^__version__ = "([0-9]+\.[0-9]+\.[0-9]+)"$', re.MULTILINE)
# What a region needs that is no Python code.
CONTENT = ("roles/nginx/tasks/main.yml", "playbooks/region.yml", "schemas/region.schema.json",
           "CHANGELOG.md", "inventories/demo/region.yml")  # fmt: skip


class Problem(NamedTuple):
    """What prevents a release, and what to do."""

    reason: str
    fix: str


class Wheels(NamedTuple):
    """The files of both distributions."""

    product: Path
    sandbox: Path


def version_of(root: Path) -> str:
    """Return the version, from the only place where it is written."""
    [version] = _VERSION.findall((root / "tool/chautari/__init__.py").read_text())
    return str(version)


def release_problems(root: Path) -> Iterator[Problem]:
    """Yield what a commit lacks to be a release: a tag, a date, and no change since."""
    version = version_of(root)
    newest = read_changelog(root / "CHANGELOG.md")[0]
    if newest.version != version:
        yield Problem(
            f"CHANGELOG.md begins with {newest.version}, but this is {version}",
            f"write ## {version} (unreleased) and what changed",
        )
    elif not newest.date:
        yield Problem(
            f"CHANGELOG.md says that {version} is unreleased",
            f"write ## {version} (YEAR-MONTH-DAY), and commit",
        )
    if _git(root, "status", "--porcelain"):
        yield Problem("files differ from the commit", "commit them, or git stash --all")
    if f"v{version}" not in _git(root, "tag", "--points-at", "HEAD").split():
        yield Problem(
            f"this commit does not have the tag v{version}",
            f"git tag --annotate v{version} --message 'Chautari {version}'; or build without a "
            "tag: make wheels",
        )


def build(root: Path, target: Path) -> Wheels:
    """Build both wheels into `target`, which then contains no others."""
    target.mkdir(exist_ok=True)
    for old in (*target.glob("chautari*.whl"), *target.glob("SHA256SUMS")):
        old.unlink()
    for folder in (root, root / "tool" / "chautari_sandbox"):
        _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)], folder)
    [product] = target.glob("chautari-*.whl")
    [sandbox] = target.glob("chautari_sandbox-*.whl")
    return Wheels(product, sandbox)


def content_problems(wheels: Wheels, version: str) -> Iterator[Problem]:
    """Yield what is wrong with the content of the wheels, or with what they require."""
    fix = "correct pyproject.toml"
    names = set(zipfile.ZipFile(wheels.product).namelist())
    if foreign := sorted(name for name in names if "sandbox" in name.split("/")[0]):
        yield Problem(f"Chautari's wheel contains the sandbox: {foreign[0]}", fix)
    for missing in sorted({f"chautari/content/{name}" for name in CONTENT} - names):
        yield Problem(f"Chautari's wheel lacks {missing}", fix)
    product, sandbox = (_metadata(wheel) for wheel in wheels)
    for found in (product, sandbox):
        if found["Version"] != version:
            yield Problem(f"{found['Name']} has the version {found['Version']}", fix)
    if f"chautari=={version}" not in (sandbox.get_all("Requires-Dist") or ()):
        yield Problem("the sandbox does not require exactly this version of Chautari", fix)
    extra = f"chautari-sandbox=={version}; extra == 'sandbox'"
    if extra not in (product.get_all("Requires-Dist") or ()):
        yield Problem("the extra `sandbox` does not require exactly this version", fix)


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.parser.Parser().parsestr(archive.read(name).decode())


def try_in_fresh_environment(wheels: Wheels, version: str) -> None:
    """Install the wheels as a person does, and run commands far away from this checkout.

    Raises:
        SystemExit: with what a command printed instead.
    """
    with tempfile.TemporaryDirectory(prefix="chautari-release-") as name:
        folder = Path(name)
        _run([sys.executable, "-m", "venv", str(folder / "venv")], folder)
        python, deploy = folder / "venv/bin/python", folder / "venv/bin/deploy"
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _run([*pip, "install", str(wheels.product)], folder)
        _run([*pip, "check"], folder)
        _expect(_run([deploy, "--version"], folder), f"deploy, version {version}\n")
        _expect(_run([deploy, "validate", "demo"], folder), "")
        _expect(_run([deploy, "explain", "toolkit"], folder), "toolkit\n")
        _run([deploy, "migrate", "demo", "--json"], folder)
        _run([python, "-c", "import chautari_sandbox"], folder, code=1)
        _run([deploy, "sandbox", "up", "demo"], folder, code=2)
        _run([*pip, "install", "--no-index", "--no-deps", str(wheels.sandbox)], folder)
        _run([*pip, "check"], folder)
        _run([deploy, "sandbox", "up", "--help"], folder)


def _expect(output: str, start: str) -> None:
    if not output.startswith(start):
        sys.exit(f"expected {start!r}, but got {output[:500]!r}")


def _run(argv: Sequence[str | Path], folder: Path, code: int = 0) -> str:
    """Run a command without this checkout on its path, and return what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["XDG_STATE_HOME"] = str(folder / "state")
    environment.pop("CHAUTARI_INVENTORIES", None)
    done = subprocess.run(
        list(map(str, argv)), cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != code:
        command = " ".join(map(str, argv))
        sys.exit(f"{command} exited with code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def write_checksums(wheels: Wheels) -> Path:
    """Write the file with which `sha256sum --check` compares the wheels."""
    file = wheels.product.with_name("SHA256SUMS")
    lines = (f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}" for wheel in wheels)
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def _stop_at(problems: Iterator[Problem]) -> None:
    if found := list(problems):
        sys.exit("\n".join(f"{problem.reason}\n  Fix: {problem.fix}" for problem in found))


def main() -> None:
    """Build and check the wheels; exit with 1 and the reason if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--no-tag", action="store_true", help="Build a commit without a tag.")
    arguments = parser.parse_args()
    version = version_of(ROOT)
    if not arguments.no_tag:
        _stop_at(release_problems(ROOT))
    wheels = build(ROOT, ROOT / "dist")
    _stop_at(content_problems(wheels, version))
    try_in_fresh_environment(wheels, version)
    checksums = write_checksums(wheels)
    for file in (*wheels, checksums):
        print(file.relative_to(ROOT))
    if not arguments.no_tag:
        print(f"Next: git push origin v{version}, then publish these three files.")


if __name__ == "__main__":
    main()
