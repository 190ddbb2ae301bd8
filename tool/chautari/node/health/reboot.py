"""chautari-reboot: restart the node for an update, in the hours that the region allows.

A timer starts it every ten minutes while an update waits for a restart. It restarts nothing while
people are meeting, or while a deploy, a backup or an upgrade is running.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from chautari.node.health import probes
from chautari.node.health.main import HOME, SETTINGS, deploy_is_running
from chautari.node.root_mail import mail_to_root, send_mail
from chautari.node.safe_text import escape_controls
from chautari.node.translation import _, load_translations

PACKAGES = Path("/run/reboot-required.pkgs")
# Programs that a restart may end at any time; this program is one of them.
BRIEF = ("chautari-reboot.service", "chautari-health.service")
MAX_PACKAGES = 20
WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
DAY_MINUTES = 1440


def is_in_window(window: str, minute_of_day: int) -> bool:
    """Return whether a local time is in a window such as 02:00-05:00; it may pass midnight."""
    found = WINDOW.fullmatch(window)
    if not found:
        return False
    numbers = [int(part) for part in found.groups()]
    begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    return (minute_of_day - begin) % DAY_MINUTES < (end - begin) % DAY_MINUTES


def reason_to_wait() -> str:
    """Return why the node cannot restart now; empty if it can."""
    if deploy_is_running():
        return _("a deploy is running")
    if found := working_units():
        return _("{unit} is running", unit=found[0])
    counts = [probes.count_meetings(server) for server in probes.meeting_servers()]
    if any(count is None for count in counts):
        return _("a meeting server does not say whether people are meeting")
    meetings = sum(count[0] for count in counts if count)
    people = sum(count[1] for count in counts if count)
    if meetings or people:
        return _("people in meetings: {people}", people=max(people, meetings))
    return ""


def working_units() -> list[str]:
    """Return the jobs that are running, such as a backup, an upgrade or an installation.

    systemd says of a job that it is still starting until the job has ended.
    """
    argv = ["systemctl", "list-units", "--type=service", "--state=start,start-pre,stop-post"]
    shown = probes.run_command([*argv, "--plain", "--no-legend", "--full"])
    names = [line.split()[0] for line in shown.splitlines() if line.strip()]
    return [escape_controls(name)[:80] for name in names if name not in BRIEF]


def waiting_packages() -> list[str]:
    """Return the packages whose updates wait for a restart."""
    try:
        lines = PACKAGES.read_text().split()
    except (OSError, ValueError):
        return []
    return [escape_controls(name)[:80] for name in dict.fromkeys(lines)][:MAX_PACKAGES]


def reboot() -> None:
    """Restart the machine.

    Raises:
        OSError, subprocess.SubprocessError: when systemd refuses.
    """
    probes.run_command(["systemctl", "reboot"])


def main(
    settings_file: Path = SETTINGS,
    home: Path = HOME,
    now: float | None = None,
    restart: Callable[[], None] = reboot,
) -> int:
    """Restart the node if an update waits for it and nothing speaks against it."""
    settings: Mapping[str, Any] = json.loads(settings_file.read_text())
    load_translations()
    local = time.localtime(now)
    window = str(settings.get("reboot_window", ""))
    if probes.reboot_since() is None or not is_in_window(window, local.tm_hour * 60 + local.tm_min):
        return 0
    found = probes.try_probe(reason_to_wait)
    if found is None or found:
        reason = found or _("it is not known what the node is doing")
        print(_("The node does not restart yet: {reason}", reason=reason), flush=True)
        return 0
    packages = waiting_packages()
    print(
        _("The node restarts after updates of: {packages}", packages=listed(packages)), flush=True
    )
    if settings.get("mail"):
        send_mail(_restart_mail(settings, packages))
    restart()
    return 0


def listed(packages: list[str]) -> str:
    """Return the names of packages as text."""
    return ", ".join(packages) or _("not known")


def _restart_mail(settings: Mapping[str, Any], packages: list[str]) -> EmailMessage:
    node, region = str(settings["node"]), str(settings["region"])
    parts = (
        _("The node restarts now. No one is in a meeting on it."),
        _("The node restarts after updates of: {packages}", packages=listed(packages)),
        _("If the node does not come back, run: {command}", command=f"deploy status {region}"),
    )
    subject = _("{name}: restart after an update", name=f"{node} ({region})")
    return mail_to_root(subject, "\n\n".join(parts) + "\n")
