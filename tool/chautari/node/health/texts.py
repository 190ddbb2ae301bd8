"""The texts about problems of a node, for mails and for `deploy status`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chautari.node.safe_text import escape_controls

MAX_TEXT = 300  # characters
Data = Mapping[str, Any]
Text = str | Callable[[Data], str]


def count_text(number: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it must be."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def bytes_text(number: float) -> str:
    """Return an amount of bytes as disks are sold."""
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.5:
            return f"{number:.0f} {unit}"
    return f"{number / 1000:.1f} TB"


def _disk_text(data: Data) -> str:
    text = f"{data['mount']} has {data['percent']} % free space ({bytes_text(data['free'])})"
    days = data.get("days")
    return text if days is None else f"{text}; full in about {count_text(int(days), 'day')}"


def _temporary_text(data: Data) -> str:
    return f"{data['name']} has only a temporary certificate, so browsers show a warning"


# What is wrong, and what to do. `deploy` commands get the region's name.
TEXTS: dict[str, tuple[Text, Text]] = {
    "disk_nearly_full": (_disk_text, "delete files, or use a larger disk"),
    "disk_low": (_disk_text, "delete files, or use a larger disk"),
    "disk_full_soon": (_disk_text, "find out what fills the disk, or use a larger disk"),
    "certificate_temporary": (_temporary_text, "run: deploy dns {region}"),
    "certificate_expired": (
        "the certificate of {name} has expired",
        "on the node, run: certbot renew",
    ),
    "certificate_ends": (
        lambda data: (
            f"the certificate of {data['name']} expires in {count_text(data['days'], 'day')}, "
            "and was not renewed"
        ),
        "on the node, run: certbot renew",
    ),
    "updates_late": (
        lambda data: (
            f"{count_text(data['count'], 'security update')} not installed for "
            f"{count_text(data['days'], 'day')}"
        ),
        "on the node, run: unattended-upgrade --debug",
    ),
    "lists_old": (
        "the package lists are {days} days old, so new security updates are not found",
        "on the node, run: apt-get update",
    ),
    "reboot_pending": (
        "an update has needed a restart of the node for {days} days",
        "restart the node while it is not in use: systemctl reboot",
    ),
    "unit_failed": ("the unit {unit} has failed", "on the node, run: systemctl status {unit}"),
    "service_silent": (
        "the service {service} does not respond",
        "run: deploy verify {region}",
    ),
}


def problem_texts(code: str, data: Data, region: str) -> tuple[str, str]:
    """Return what is wrong, and what to do.

    Args:
        code: of the problem.
        data: its data. In `deploy status`, it comes from a node that may be faulty or hostile.
        region: its name, for commands.
    """
    values = {**data, "region": region}
    texts = TEXTS.get(code, ("unknown problem", "run: deploy region {region}"))
    what, step = (_fill(text, values) for text in texts)
    return what, step


def _fill(text: Text, values: Data) -> str:
    try:
        filled = text(values) if callable(text) else text.format(**values)
    except (KeyError, TypeError, ValueError):
        filled = "the node sent an unreadable value"
    return " ".join(escape_controls(filled).split())[:MAX_TEXT]
