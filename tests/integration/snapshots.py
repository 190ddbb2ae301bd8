"""Snapshots of a deployed sandbox: the containers' files, the keys and the region's secrets.

Restoring one takes seconds where a first deploy takes minutes. It has copies of the layers
over the base images: committed images cost ten times the CPU time and drop fractions of seconds
from file times. A snapshot is valid for one digest of everything that a first deploy depends on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chautari.files import write_atomically
from chautari_sandbox import apt_sources, images, paths, podman_commands
from chautari_sandbox.privileges import as_root

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("tool", "roles", "playbooks", "requirements.lock")
# Debian packages and certificates become outdated; each snapshot takes about 3 GB.
MAX_AGE_SECONDS = 7 * 86_400
MAX_SNAPSHOTS = 2
STOP_SECONDS = 60

Report = Callable[[str], None]


class SnapshotError(Exception):
    """A snapshot could not be made or restored."""


@dataclass(frozen=True)
class Snapshot:
    """The files of one snapshot; `containers.json` is written last, so it marks a complete one."""

    sandbox: str
    key: str

    @property
    def folder(self) -> Path:
        return paths.cache_dir() / "snapshots" / self.key

    @property
    def index(self) -> Path:
        return self.folder / "containers.json"

    @property
    def volume(self) -> str:
        """Return the volume of podman with the layers, whose files belong to many accounts."""
        return f"chautari-snapshot-{self.key}"

    def layer(self, member: str) -> Path:
        place = _podman("volume", "inspect", "--format", "{{.Mountpoint}}", self.volume)
        return Path(place.strip()) / member

    def exists(self) -> bool:
        """Return whether it is complete and young enough."""
        made = self.index.stat().st_mtime if self.index.is_file() else 0.0
        return time.time() - made < MAX_AGE_SECONDS

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.volume in _podman("volume", "ls", "--quiet").split():
            _podman("volume", "rm", self.volume)


def of_region(sandbox: str, region_file: Path) -> Snapshot:
    """Return the snapshot of a region as this checkout deploys it, whether it exists or not."""
    total = hashlib.sha256(f"{sys.version}\n{sandbox}\n".encode())
    for file in _sources(region_file):
        content = file.read_bytes()
        total.update(f"{file.relative_to(ROOT)} {len(content)}\n".encode() + content)
    # A base image's name holds the digest of its recipe.
    recipes = images.image_recipes(("12", "13"), apt_sources.host_apt_index_targets_text()).values()
    total.update("\n".join(recipe.image_name for recipe in recipes).encode())
    return Snapshot(sandbox, total.hexdigest()[:16])


def _sources(region_file: Path) -> Iterable[Path]:
    yield region_file
    for name in SOURCES:
        top = ROOT / name
        files = sorted(top.rglob("*")) if top.is_dir() else [top]
        yield from (
            file for file in files
            if file.is_file()
            and file.suffix not in (".md", ".pyc")
            and "checks" not in file.relative_to(ROOT).parts
        )  # fmt: skip


def save(snapshot: Snapshot, region: Path, report: Report) -> None:
    """Save a snapshot of a running sandbox; `region` is the folder of its region.

    Raises:
        SnapshotError: podman refused.
    """
    began = time.monotonic()
    members = _members(snapshot.sandbox)
    nodes = [item["Name"] for name, item in members.items() if name != "internet"]
    snapshot.remove()
    snapshot.folder.mkdir(parents=True)
    _podman("volume", "create", snapshot.volume)
    # Databases are copied while they are stopped; the ACME authority keeps running.
    _podman("stop", "--time", str(STOP_SECONDS), *nodes)
    try:
        for member, item in members.items():
            _copy(_layer(item), snapshot.layer(member))
    finally:
        _podman("start", *nodes)
    shutil.copytree(region, snapshot.folder / "region")
    shutil.copytree(paths.state_dir(snapshot.sandbox), snapshot.folder / "state", symlinks=True)
    commands = [item["Config"]["CreateCommand"] for item in members.values()]
    write_atomically(snapshot.index, json.dumps(commands))
    report(f"snapshot {snapshot.key} made in {time.monotonic() - began:.0f} s")
    prune(snapshot)


def running(sandbox: str) -> bool:
    """Return whether all containers of a sandbox run."""
    members = _members(sandbox).values()
    return bool(members) and all(item["State"]["Running"] for item in members)


def restore(snapshot: Snapshot, region: Path, report: Report) -> None:
    """Restore a stopped sandbox and the folder of its region from a snapshot.

    Raises:
        SnapshotError: podman refused, or the snapshot is damaged.
    """
    began = time.monotonic()
    try:
        commands = json.loads(snapshot.index.read_text())
        state = paths.state_dir(snapshot.sandbox)
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(snapshot.folder / "state", state, symlinks=True)
        shutil.rmtree(region, ignore_errors=True)
        shutil.copytree(snapshot.folder / "region", region)
        network = json.loads((state / "state.json").read_text())["network"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SnapshotError(str(error)) from error
    _podman(*podman_commands.create_network_command((), snapshot.sandbox, network))
    for command in commands:
        _run(as_root(command))
    members = _members(snapshot.sandbox)
    for member, item in members.items():
        _copy(snapshot.layer(member), _layer(item))
    # Nodes resolve names in the internet container while they boot.
    for member in sorted(members, key=lambda name: name != "internet"):
        _podman("start", members[member]["Name"])
    report(f"snapshot {snapshot.key} restored in {time.monotonic() - began:.0f} s")


def _layer(container: dict[str, Any]) -> Path:
    """Return the folder of the files that a container wrote over its image."""
    upper = (container["GraphDriver"]["Data"] or {}).get("UpperDir")
    if not upper:
        raise SnapshotError("podman does not store the files of containers in a folder")
    return Path(upper)


def _copy(source: Path, target: Path) -> None:
    """Copy a layer with owners, times and the deletion marks of overlay."""
    _run(as_root(["mkdir", "-p", str(target)]))
    _run(as_root(["cp", "--archive", f"{source}/.", str(target)]))


def _members(sandbox: str) -> dict[str, dict[str, Any]]:
    mine = f"label={podman_commands.SANDBOX}={sandbox}"
    names = _podman("ps", "--all", "--filter", mine, "--format", "{{.Names}}").split()
    found = json.loads(_podman("inspect", *names)) if names else []
    return {item["Config"]["Labels"][podman_commands.MEMBER]: item for item in found}


def prune(newest: Snapshot) -> None:
    """Remove all but the newest snapshots."""
    folders = sorted(newest.folder.parent.glob("*/"), key=lambda path: -path.stat().st_mtime)
    for folder in [path for path in folders if path != newest.folder][MAX_SNAPSHOTS - 1 :]:
        Snapshot(newest.sandbox, folder.name).remove()


def _podman(*arguments: str) -> str:
    return _run(as_root(["podman", *arguments]))


def _run(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SnapshotError(f"{' '.join(argv[:4])} …: {done.stderr.strip()[-500:]}")
    return done.stdout
