"""chautari-health: measure the node, write the result, and mail root what got worse."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chautari.node.health import alerts, disks, probes, problems
from chautari.node.health.mails import compose_mail
from chautari.node.root_mail import send_mail
from chautari.node.translation import load_translations

SETTINGS = Path("/etc/chautari/health.json")
HOME = Path("/var/lib/chautari/health")
IN_MEMORY = Path("/run/chautari-health")
LOCK = Path("/var/lib/chautari/lock")  # a deploy holds it
FORMAT = 1
# Services may need this time after a start of the machine.
STARTING_SECONDS = 15 * 60
# The timers of updates and certificates run within a day after a long pause.
CATCHING_UP_SECONDS = 86_400
STARTING_KINDS = ("unit", "service")
CATCHING_UP_KINDS = ("updates", "lists", "certificate")


def main(
    settings_file: Path = SETTINGS, home: Path = HOME, memory_folder: Path = IN_MEMORY, now: int = 0
) -> int:
    """Measure once, write the result and send a mail if one is due; return the exit code."""
    load_translations()
    settings = json.loads(settings_file.read_text())
    now, store = now or int(time.time()), StateFolder(home, memory_folder)
    history = disks.parse_history(store.read("history.json"))
    measured, unknown = measure_node(store.read("state.json"), history, now)
    store.write("history.json", history)
    alert_history = alerts.parse_alert_history(store.read("alerts.json"))
    unsettled = {*unknown, *kinds_to_leave_out(now - measured["booted"], deploy_is_running())}
    found = [
        item
        for item in problems.find_problems(measured, now)
        if problems.is_mailed_by_health_timer(item)
    ]
    alerts.record_look(alert_history, found, unsettled, now, measured["booted"])
    failed = not store_alerts_and_send_due_mail(alert_history, settings, store, now)
    mails = {"on": bool(settings["mail"]), "last": max(alert_history.mails, default=None),
             "failed": failed}  # fmt: skip
    state = {"format": FORMAT, "measured": now, **measured, "unknown": unknown, "mails": mails}
    store.write("state.json", state)
    return 0


def store_alerts_and_send_due_mail(
    alert_history: alerts.AlertHistory, settings: Mapping[str, Any], store: StateFolder, now: int
) -> bool:
    """Store the history of alerts, and send a mail if one is due; return whether nothing failed."""
    before = alerts.alert_history_object(alert_history)
    mail = alerts.next_due_mail(alert_history, now) if settings["mail"] else None
    if mail is None:
        store.write("alerts.json", before)
        return True
    message = compose_mail(alert_history, mail, settings["region"], settings["node"], now)
    alerts.record_mail(alert_history, mail, now)
    # Stored before it is sent: a mail that cannot be remembered would be sent every five minutes.
    store.write("alerts.json", alerts.alert_history_object(alert_history))
    if send_mail(message):
        return True
    alert_history.mails.remove(now)
    store.write("alerts.json", before)
    return False


def measure_node(
    before: Mapping[str, Any], history: disks.History, now: int
) -> tuple[dict[str, Any], list[str]]:
    """Return the measurement, and the kinds of problems about which it says nothing."""
    known = before.get("updates")
    updates = probes.try_probe(
        lambda: probes.pending_updates(known if isinstance(known, dict) else None, now)
    )
    found: dict[str, Any] = {
        "disks": probes.try_probe(lambda: disks.measure_disks(history, now)),
        "certificates": probes.try_probe(probes.certificates),
        "units": probes.try_probe(probes.failed_units),
        "services": probes.try_probe(probes.service_response_states),
    }
    kinds = {"disks": "disk", "certificates": "certificate", "units": "unit",
             "services": "service"}  # fmt: skip
    unknown = [kinds[name] for name, value in found.items() if value is None]
    if updates is None:
        unknown += ["updates", "lists"]
    return {
        "booted": int(now - probes.seconds_since_systemd_started()),
        "disks": found["disks"] or [],
        "certificates": found["certificates"] or [],
        "updates": updates,
        "reboot_since": probes.reboot_since(),
        "units": found["units"] or [],
        "services": found["services"] or {},
        "meetings": probes.try_probe(probes.meetings),
    }, unknown


def kinds_to_leave_out(uptime: float, deploying: bool) -> tuple[str, ...]:
    """Return the kinds of problems that are no problems yet."""
    starting = uptime < STARTING_SECONDS or deploying
    catching_up = uptime < CATCHING_UP_SECONDS
    return (
        *(STARTING_KINDS if starting else ()),
        *(CATCHING_UP_KINDS if catching_up else ()),
    )


def deploy_is_running(path: Path = LOCK) -> bool:
    """Return whether a deploy holds the lock of the node."""
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class StateFolder:
    """Files that this program writes; while the disk is full, they are in memory."""

    def __init__(self, home: Path, memory_folder: Path) -> None:
        """Keep files in `home`, or in `memory_folder` where that fails."""
        self._home, self._in_memory = home, memory_folder

    def read(self, name: str) -> dict[str, Any]:
        """Return the object in a file; an empty one if the file is damaged or missing."""
        newest = self._in_memory / name
        path = newest if newest.exists() else self._home / name
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a file; after a power cut, either the old or the new one is there.

        Raises:
            OSError: when there is no room in memory either.
        """
        try:
            _replace_json_file(self._home / name, content)
        except OSError:
            _replace_json_file(self._in_memory / name, content)
        else:
            (self._in_memory / name).unlink(missing_ok=True)


def _replace_json_file(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("w") as file:
            json.dump(content, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
