"""The texts about a measurement of a node that does not count."""

from __future__ import annotations

from chautari.report.message_templates import Data, Template, fill_template

# Why the measurement of a node does not count, and what to do.
_DEPLOY = "run: deploy region {region}"
MEASUREMENTS: dict[str, tuple[Template, Template]] = {
    "measurement_missing": ("there is no health measurement of this node yet", _DEPLOY),
    "measurement_not_deployed": ("there is no health measurement of this node yet", _DEPLOY),
    "measurement_unreachable": (
        "the health measurement of this node is not known: {reason}",
        _DEPLOY,
    ),
    "measurement_unreadable": (
        "the health measurement of this node cannot be read: {reason}",
        _DEPLOY,
    ),
    "measured_in_future": (
        "the health measurement has a time in the future, so the clock of this node may be wrong",
        "on the node, run: timedatectl",
    ),
    "measured_long_ago": (
        "the newest health measurement is {age} old",
        "on the node, run: systemctl status chautari-health.timer",
    ),
}


def unknown_measurement_texts(code: str, data: Data) -> tuple[str, str]:
    """Return why the measurement of a node does not count, and what to do."""
    reason, fix = MEASUREMENTS.get(code, (None, ""))
    return fill_template(reason, code, data), fill_template(fix, code, data)
