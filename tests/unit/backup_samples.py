"""Settings of a node that is backed up, for tests that need no machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chautari.node.backup.settings import Settings, parse_settings


def content(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    """Return the settings as the role writes them, with one folder and a disk."""
    return {
        "format": 1,
        "region": "andes",
        "node": "bog1",
        "states": [
            {
                "name": "nextcloud",
                "folders": [{"path": str(tmp_path / "data"), "exclude": ["cache", "*.tmp"]}],
                "pause": ["/usr/local/libexec/pause", "begin"],
                "resume": ["/usr/local/libexec/pause", "end"],
            }
        ],
        "targets": [
            {
                "name": "himalaya",
                "kind": "peer",
                "repository": "ssh://backup-andes@203.0.113.10:22/./bog1",
                "append_only": True,
            },
            {
                "name": "disk",
                "kind": "disk",
                "mount": str(tmp_path / "disk"),
                "repository": str(tmp_path / "disk" / "andes" / "bog1"),
            },
        ],
        "keep": {"daily": 7, "weekly": 4, "monthly": 6},
        **changes,
    }


def settings(tmp_path: Path, **changes: Any) -> Settings:
    """Return the same as the program reads it."""
    return parse_settings(content(tmp_path, **changes), tmp_path / "etc")
