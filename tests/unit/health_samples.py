"""A measurement of a node on which all is well, as the node writes it."""

from __future__ import annotations

import json
from typing import Any

NOW = 1_796_000_000
DAY = 86_400
GB = 1_000_000_000


def disk(percent: float = 60, **changes: Any) -> dict[str, Any]:
    free = int(percent * GB)
    found = {"mount": "/", "size": 100 * GB, "free": free, "days_left": None, "trend_known": True}
    return found | changes


def certificate(days: float = 61, **changes: Any) -> dict[str, Any]:
    name = "cloud.andes.example.org"
    return {"name": name, "expires": int(NOW + days * DAY), "temporary": False} | changes


def updates(**changes: Any) -> dict[str, Any]:
    return {"due": 0, "security": 0, "security_since": None, "lists": NOW - DAY} | changes


def measured(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "format": 1,
        "measured": NOW - 60,
        "booted": NOW - 30 * DAY,
        "disks": [disk()],
        "certificates": [certificate()],
        "updates": updates(),
        "reboot_since": None,
        "units": [],
        "services": {"cloud": {"responds": True, "since": NOW - DAY}},
        "meetings": {"meetings": 2, "people": 14},
        "unknown": [],
        "mails": {"on": True, "last": None, "failed": False},
    }
    return found | changes


def content(**changes: Any) -> bytes:
    return json.dumps(measured(**changes)).encode()
