"""The texts about problems of a node, for mails and for `deploy status`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Union

from chautari.node.safe_text import escape_controls
from chautari.node.translation import N_, _, fill, ngettext

MAX_TEXT = 300  # characters
Data = Mapping[str, Any]
Text = Union[str, Callable[[Data], str]]  # noqa: UP007
ProblemTemplates = Mapping[str, tuple[Text, Text]]


def bytes_text(number: float) -> str:
    """Return an amount of bytes as disks are sold."""
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.5:
            return f"{number:.0f} {unit}"
    return f"{number / 1000:.1f} TB"


def days_text(number: int) -> str:
    """Return a number of days."""
    return ngettext("{count} day", "{count} days", number)


def _disk_text(data: Data) -> str:
    values = {"mount": data["mount"], "percent": data["percent"], "free": bytes_text(data["free"])}
    days = data.get("days")
    if days is None:
        return _("{mount} has {percent} % free space ({free})", **values)
    return _(
        "{mount} has {percent} % free space ({free}); full in about {days}",
        **values, days=days_text(int(days)),
    )  # fmt: skip


def _certificate_ends_text(data: Data) -> str:
    return _(
        "the certificate of {name} expires in {days}, and was not renewed",
        name=data["name"], days=days_text(data["days"]),
    )  # fmt: skip


def _updates_late_text(data: Data) -> str:
    return ngettext(
        "{count} security update not installed for {days}",
        "{count} security updates not installed for {days}",
        data["count"],
        days=days_text(data["days"]),
    )


# What is wrong, and what to do. `deploy` commands get the region's name.
TEXTS: ProblemTemplates = {
    "disk_nearly_full": (_disk_text, "delete files, or use a larger disk"),
    "disk_low": (_disk_text, "delete files, or use a larger disk"),
    "disk_full_soon": (_disk_text, "find out what fills the disk, or use a larger disk"),
    "certificate_temporary": (
        "{name} has only a temporary certificate, so browsers show a warning",
        "run: deploy dns {region}",
    ),
    "certificate_expired": (
        "the certificate of {name} has expired",
        "on the node, run: certbot renew",
    ),
    "certificate_ends": (_certificate_ends_text, "on the node, run: certbot renew"),
    "updates_late": (_updates_late_text, "on the node, run: unattended-upgrade --debug"),
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
_UNKNOWN = (N_("unknown problem"), "run: deploy region {region}")


def problem_texts(code: str, data: Data, region: str) -> tuple[str, str]:
    """Return what is wrong, and what to do.

    Args:
        code: of the problem.
        data: its data. In `deploy status`, it comes from a node that may be faulty or hostile.
        region: its name, for commands.
    """
    values = {**data, "region": region}
    texts = TEXTS.get(code, _UNKNOWN)
    what, step = (_one_line_text(text, values) for text in texts)
    return what, step


def _one_line_text(text: Text, values: Data) -> str:
    try:
        filled = text(values) if callable(text) else fill(text, values)
    except (KeyError, TypeError, ValueError):
        filled = _("the node sent an unreadable value")
    return " ".join(escape_controls(filled).split())[:MAX_TEXT]
