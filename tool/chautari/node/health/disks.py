"""Measure the disks of the node, and estimate from the last two weeks when they will be full."""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chautari.node.health.limits import DAY, HOUR

MOUNTS = Path("/proc/self/mountinfo")
KINDS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "jfs")
MAX_DISKS = 8
MAX_MOUNT_NAME = 120
SAMPLE_SECONDS = 6 * HOUR
MAX_SAMPLES = 60  # two weeks
# With fewer daily changes, a single large upload or clean-up would look like a trend.
LEAST_CHANGES = 3
MAX_DAYS = 365
_OCTAL = re.compile(r"\\([0-7]{3})")

Sample = tuple[int, int]  # time, free bytes
History = dict[str, list[Sample]]


class Mount(NamedTuple):
    """A mounted file system."""

    device: str
    place: str


def writable_disks_in_mountinfo(text: str) -> list[Mount]:
    """Return the writable disks in `text`, which has the form of `/proc/self/mountinfo`.

    Each device counts once, at its shortest place. In a container, only `/` is an overlay.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        own, _, rest = line.partition(" - ")
        fields, device = own.split(), rest.split()
        if len(fields) < 6 or len(device) < 3 or "ro" in device[2].split(","):
            continue
        place = _OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[4])
        known = device[0] in KINDS or (device[0] == "overlay" and place == "/")
        if not known or len(place) > MAX_MOUNT_NAME:
            continue
        if fields[2] not in found or len(place) < len(found[fields[2]]):
            found[fields[2]] = place
    mounts = sorted((place, device) for device, place in found.items() if Path(place).is_dir())
    return [Mount(device, place) for place, device in mounts[:MAX_DISKS]]


def measure_disks(history: History, now: int) -> list[dict[str, Any]]:
    """Return size, free space and time left of each disk; new samples are added to `history`."""
    disks = []
    for mount in writable_disks_in_mountinfo(MOUNTS.read_text(errors="replace")):
        there = os.statvfs(mount.place)
        size, free = there.f_blocks * there.f_frsize, there.f_bavail * there.f_frsize
        if not size:
            continue
        samples = add_sample_if_due(history.get(mount.place, []), now, free)
        history[mount.place] = samples
        days = days_until_full(samples, free)
        known = len(daily_changes(samples)) >= LEAST_CHANGES
        disks.append({"mount": mount.place, "size": size, "free": free, "days_left": days,
                      "trend_known": known})  # fmt: skip
    for place in set(history) - {disk["mount"] for disk in disks}:
        del history[place]
    return disks


def add_sample_if_due(samples: Sequence[Sample], now: int, free: int) -> list[Sample]:
    """Return the samples with a new one, if the last one is old enough."""
    past = [item for item in samples if item[0] <= now]
    if not past or now - past[-1][0] >= SAMPLE_SECONDS:
        past.append((now, free))
    return past[-MAX_SAMPLES:]


def daily_changes(samples: Sequence[Sample]) -> list[float]:
    """Return by how many bytes a day the free space changed, from each day to the next."""
    changes, first = list[float](), samples[0] if samples else (0, 0)
    for time, free in samples:
        if time - first[0] >= DAY:
            changes.append((free - first[1]) / (time - first[0]) * DAY)
            first = (time, free)
    return changes


def days_until_full(samples: Sequence[Sample], free: int) -> float | None:
    """Return in how many days the disk is full; None if it does not fill, or that is not known.

    The greatest and the smallest daily change do not count: they may be one upload or clean-up.
    """
    changes = sorted(daily_changes(samples))
    if len(changes) < LEAST_CHANGES:
        return None
    slope = statistics.mean(changes[1:-1])
    if slope >= 0:
        return None
    days = free / -slope
    return round(days, 1) if days <= MAX_DAYS else None


def parse_history(found: Mapping[str, Any]) -> History:
    """Return the stored samples; a damaged history counts as empty."""
    try:
        return {
            str(place): [(int(time), int(free)) for time, free in samples][-MAX_SAMPLES:]
            for place, samples in found.items()
        }
    except (ValueError, TypeError, OverflowError):
        return {}
