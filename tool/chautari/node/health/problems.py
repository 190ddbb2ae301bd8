"""Judge what a node measured: the node uses it for mails, and `deploy status` for its page.

A problem has a key (its kind and what it concerns), and a code with data, of which `texts` makes
sentences. What is not known is no problem.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from chautari.node.health import limits

WARNING, BROKEN = 1, 2
# Other timers of the node mail what concerns backups.
BACKUP_UNITS = ("chautari-backup", "chautari-drill")
# The deploy reports these, until the DNS records are right.
NOT_MAILED = ("certificate_temporary",)

Data = Mapping[str, Any]


class Problem(NamedTuple):
    """Something that a person has to look at."""

    key: str
    code: str
    level: int
    data: Data

    @property
    def kind(self) -> str:
        """Return the kind of what is measured, such as `disk`."""
        return self.key.partition(" ")[0]


def find_problems(measured: Data, now: float) -> list[Problem]:
    """Return what is wrong, by the measurement `measured` of a node at the time `now`."""
    return [
        *_disk_problems(measured["disks"]),
        *_certificate_problems(measured["certificates"], now),
        *_update_problems(measured["updates"], now),
        *_reboot_problems(measured["reboot_since"], now),
        *(Problem(f"unit {name}", "unit_failed", BROKEN, {"unit": name})
          for name in measured["units"]),
        *_service_problems(measured["services"], now),
    ]  # fmt: skip


def _disk_problems(disks: list[Data]) -> Iterator[Problem]:
    for disk in disks:
        percent = free_percent(disk)
        days = disk["days_left"]
        data = {"mount": disk["mount"], "percent": percent, "free": disk["free"], "days": days}
        key = f"disk {disk['mount']}"
        if percent < limits.DISK_NEARLY_FULL_PERCENT:
            yield Problem(key, "disk_nearly_full", BROKEN, data)
        elif percent < limits.DISK_LOW_PERCENT:
            yield Problem(key, "disk_low", WARNING, data)
        elif days is not None and days < limits.DISK_FULL_SOON_DAYS:
            yield Problem(key, "disk_full_soon", WARNING, data)


def free_percent(disk: Data) -> int:
    """Return how much of a disk is free, in whole percent, rounded down."""
    return int(100 * min(disk["free"], disk["size"]) // max(1, disk["size"]))


def _certificate_problems(certificates: list[Data], now: float) -> Iterator[Problem]:
    for item in certificates:
        key, days = f"certificate {item['name']}", int((item["expires"] - now) // limits.DAY)
        data = {"name": item["name"], "days": days}
        if item["temporary"]:
            yield Problem(key, "certificate_temporary", WARNING, data)
        elif item["expires"] <= now:
            yield Problem(key, "certificate_expired", BROKEN, data)
        elif days < limits.CERTIFICATE_LAST_DAYS:
            yield Problem(key, "certificate_ends", BROKEN, data)
        elif days < limits.CERTIFICATE_DAYS:
            yield Problem(key, "certificate_ends", WARNING, data)


def _update_problems(updates: Data | None, now: float) -> Iterator[Problem]:
    if updates is None:
        return
    since = updates["security_since"]
    if updates["security"] and since and now - since > limits.UPDATES_LATE_SECONDS:
        data = {"count": updates["security"], "days": int((now - since) // limits.DAY)}
        yield Problem("updates", "updates_late", WARNING, data)
    age = now - updates["lists"]
    if updates["lists"] and age > limits.LISTS_OLD_SECONDS:
        yield Problem("lists", "lists_old", WARNING, {"days": int(age // limits.DAY)})


def _reboot_problems(since: int | None, now: float) -> Iterator[Problem]:
    if since is not None and now - since > limits.REBOOT_SECONDS:
        data = {"days": int((now - since) // limits.DAY)}
        yield Problem("reboot", "reboot_pending", WARNING, data)


def _service_problems(services: Mapping[str, Data], now: float) -> Iterator[Problem]:
    for name, item in services.items():
        if not item["responds"]:
            data = {"service": name, "minutes": int(max(0, now - item["since"]) // 60)}
            yield Problem(f"service {name}", "service_silent", BROKEN, data)


def is_mailed_by_health_timer(problem: Problem) -> bool:
    """Return whether this timer mails a problem; others mail about backups."""
    unit = str(problem.data.get("unit", ""))
    return problem.code not in NOT_MAILED and not unit.startswith(BACKUP_UNITS)
