"""Safety copies that are kept after an upgrade: one, for some days, while there is room."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inspection import SPARE_BYTES
from journal import Journal, write_json
from node import Node
from safety_copy import delete_copy

KEEP_SECONDS = 7 * 86400


def copies_folder(node: Node) -> Path:
    """Return the directory of all safety copies."""
    return node.folder / "before"


def record_copy(node: Node, journal: Journal) -> None:
    """Write what a safety copy consists of, so that it can be put back."""
    record = {
        "format": 1, "version": journal.old["version"], "time": int(journal.began),
        "database": journal.database, "data": [copy for _, copy in journal.data_copies],
        "journal": asdict(journal),
    }  # fmt: skip
    write_json(Path(journal.folder) / "record.json", record)


def recorded_copies(node: Node) -> dict[Path, dict[str, Any]]:
    """Return the complete safety copies by their directory."""
    found = {}
    for file in copies_folder(node).glob("*/record.json"):
        try:
            found[file.parent] = json.loads(file.read_text())
        except ValueError:
            continue
    return found


def delete_older_copies(node: Node, keep: str) -> None:
    """Delete the copies of earlier upgrades, once a newer one exists."""
    for folder, record in recorded_copies(node).items():
        if folder.name != keep:
            delete_recorded(node, folder, record)


def prune(node: Node, now: float | None = None) -> list[str]:
    """Delete the copies that are old, or all when room is short; return their versions."""
    deleted = []
    now = time.time() if now is None else now
    short = node.folder.is_dir() and shutil.disk_usage(node.folder).free < SPARE_BYTES
    for folder, record in recorded_copies(node).items():
        if short or now - record["time"] > KEEP_SECONDS:
            delete_recorded(node, folder, record)
            deleted.append(str(record["version"]))
    return deleted


def delete_recorded(node: Node, folder: Path, record: dict[str, Any]) -> None:
    """Delete one copy: its database, its data and its directory."""
    delete_copy(node, folder, record["database"], [Path(item) for item in record["data"]])
