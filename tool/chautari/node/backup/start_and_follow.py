"""Start the service of the backup, and print its events until it has finished."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from chautari.node.backup.error_texts import error_text
from chautari.node.backup.errors import BackupError
from chautari.node.backup.events import EVENTS, print_event
from chautari.node.backup.state_file import UNIT

POLL_SECONDS = 0.5
RUNNING = ("active", "activating", "reloading", "deactivating")


def start_and_follow(events: Path = EVENTS) -> int:
    """Start the service, unless it runs, and follow it."""
    # A run that has finished may still be ending; it is not the one to follow.
    while _has_finished(events) and is_running():
        time.sleep(POLL_SECONDS)
    if not is_running():
        # What an earlier run wrote is not this one's.
        events.unlink(missing_ok=True)
        done = subprocess.run(
            ["/usr/bin/systemctl", "start", "--no-block", UNIT],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise BackupError("borg_failed", reason=done.stderr.strip()[-300:])
    return follow_events(0, events)


def follow_events(after: int, events: Path = EVENTS) -> int:
    """Print events from line `after` on, and return 0 once a run has succeeded."""
    position = after
    while True:
        # The order matters: a run that ends now has written everything before.
        running = is_running()
        lines = _complete_lines(events)
        for line in lines[position:]:
            print(line, flush=True)
            if (found := json.loads(line)).get("event") == "finished":
                return 0 if found.get("ok") else 1
        position = max(position, len(lines))
        if not running:
            print_event("finished", ok=False, error={"code": "killed", "data": {}})
            return 1
        time.sleep(POLL_SECONDS)


def failure_reasons(events: Path = EVENTS) -> list[str]:
    """Return why the newest run failed, as one line for each target and for the node."""
    found = []
    for line in _complete_lines(events):
        event = json.loads(line)
        if event.get("event") in ("target_finished", "finished") and (error := event.get("error")):
            text = error_text(str(error["code"]), error.get("data") or {})
            target = f"{event['target']}: " if "target" in event else ""
            found += [f"{target}{part}" for part in text.splitlines()]
    return found


def is_running() -> bool:
    """Return whether the service of the backup runs, or is about to."""
    done = subprocess.run(
        ["/usr/bin/systemctl", "show", "--property=ActiveState,Job", UNIT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    values = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    return values.get("ActiveState") in RUNNING or bool(values.get("Job", "").strip("0"))


def _has_finished(events: Path) -> bool:
    lines = _complete_lines(events)
    return bool(lines) and json.loads(lines[-1]).get("event") == "finished"


def _complete_lines(events: Path) -> list[str]:
    """Return the lines that are complete."""
    try:
        text = events.read_text()
    except OSError:
        return []
    return text[: text.rfind("\n") + 1].splitlines()
