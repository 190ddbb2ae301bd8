"""What each double does not do, so that a report never promises more than runs."""

from __future__ import annotations

from collections.abc import Mapping

LIMITS: Mapping[str, str] = {
    "jitsi": "Prosody, nginx and coturn are real; rooms and chat work, without video",
    "bigbluebutton": (
        "haproxy, nginx, Redis and coturn are real; people can open, join and end meetings, "
        "without sound or video"
    ),
}
OTHERWISE = "good for trying out the toolkit, not for real work"


def replacement_reason_with_limits(name: str, reason: str) -> str:
    """Return why the double called `name` is served, and what it does not do."""
    return f"{reason} ({LIMITS.get(name, OTHERWISE)})"
