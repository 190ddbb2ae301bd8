"""The questions that are answered before anything is switched."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import releases
from node import Node, UpgradeProblem

SPARE_BYTES = 300_000_000
# Pictures that Nextcloud makes itself; their files never change, so a hard link is a copy.
PREVIEWS = "preview"


def inspect_ladder(node: Node, old: dict[str, str], ladder: Sequence[dict[str, str]]) -> None:
    """Try every release on the way, with the settings in use; nothing is changed.

    Raises:
        UpgradeProblem: when a release cannot be used.
    """
    before = old["version"]
    for step in ladder:
        _inspect_release(node, step, before)
        before = step["version"]


def _inspect_release(node: Node, step: dict[str, str], before: str) -> None:
    release, version = Path(step["path"]), step["version"]
    missing = [name for name in releases.NEEDED_FILES if not (release / name).is_file()]
    if missing:
        raise UpgradeProblem("release_incomplete", version=version, files=missing)
    for name in releases.ENTRY_FILES:
        if (release / name).exists():
            node.must_run(
                ["php", "-l", str(release / name)], "release_broken", version=version, file=name
            )
    facts = releases.release_facts(release)
    if facts.version != version:
        raise UpgradeProblem("release_differs", version=version, found=facts.version)
    if before != version and releases.series(before) not in facts.sources:
        raise UpgradeProblem(
            "not_upgradable", version=version, before=before, accepted=list(facts.sources)
        )
    answer = node.occ(str(release), "status", "--output=json")
    if answer.code or last_object(answer.output) is None:
        raise UpgradeProblem("release_silent", version=version, message=answer.tail)


def last_object(output: str) -> dict[str, Any] | None:
    """Return the JSON object in the last line of a command's output."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                return None
            return found if isinstance(found, dict) else None
    return None


def unready_apps(
    node: Node, enabled: Sequence[str], target: dict[str, str]
) -> list[dict[str, Any]]:
    """Return the enabled apps that do not support the target, each with its highest major.

    An app of the release itself is part of the target. Newer code of an app counts in the place of
    the installed one.
    """
    found = []
    number = releases.major(target["version"])
    for name in sorted(enabled):
        if (Path(target["path"]) / "apps" / name).is_dir():
            continue
        folders = [parent / name for parent in (node.staged_apps, node.apps)]
        folder = next((item for item in folders if item.is_dir()), None)
        known = releases.app_range(folder) if folder else None
        if known and not known.covers(number):
            found.append({"name": name, "highest": known.highest})
    return found


def check_apps(node: Node, enabled: Sequence[str], target: dict[str, str]) -> None:
    """Stop before an upgrade that would disable apps that people use."""
    if found := unready_apps(node, enabled, target):
        raise UpgradeProblem("apps_not_ready", version=target["version"], apps=found)


def appdata_folders(node: Node) -> list[Path]:
    """Return the directories of Nextcloud's own data beside the data of people."""
    return sorted(item for item in node.data.glob("appdata_*") if item.is_dir())


def tree_bytes(folder: Path, but: str = "") -> int:
    """Return the size of the files in a directory, without those in its entry `but`."""
    total = 0
    for parent, folders, files in os.walk(folder):
        if but and Path(parent) == folder and but in folders:
            folders.remove(but)
        for name in files:
            try:
                total += (Path(parent) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total


def needed_room(node: Node) -> Iterator[tuple[Path, int]]:
    """Yield directories, and how many bytes the safety copy needs in each."""
    # The migration writes rows anew, and the log of the database holds them once more.
    yield Path(node.psql("SHOW data_directory")[0]), int(node.database_bytes() * 1.3)
    appdata = sum(tree_bytes(item, PREVIEWS) for item in appdata_folders(node))
    yield node.data, appdata
    yield node.state, tree_bytes(node.config)


def check_room(node: Node) -> None:
    """Stop before an upgrade whose safety copy would fill a disk."""
    needed: dict[int, int] = {}
    paths: dict[int, Path] = {}
    for path, count in needed_room(node):
        device = path.stat().st_dev
        needed[device] = needed.get(device, 0) + count
        paths.setdefault(device, path)
    for device, count in needed.items():
        free = shutil.disk_usage(paths[device]).free
        if free < count + SPARE_BYTES:
            raise UpgradeProblem(
                "no_room", path=str(paths[device]),
                needed_mb=(count + SPARE_BYTES) // 1_000_000, free_mb=free // 1_000_000,
            )  # fmt: skip


def check_backup(node: Node) -> None:
    """Let the region's backup run, where the node has one; a failure stops the upgrade.

    Its pause of Nextcloud refuses while there is a journal, so that this comes before the journal.
    """
    if node.backup.exists():
        node.log("backup before the upgrade")
        found = node.run(["systemctl", "start", "chautari-backup.service"])
        if found.code:
            # An older program of the backup does not know this command.
            reasons = node.run([str(node.backup), "reasons"])
            text = " ".join(reasons.output.split()) if not reasons.code else ""
            raise UpgradeProblem("backup_failed", message=text or found.tail)
