"""Measure what the node knows of its certificates, updates, units, services and meetings.

A probe that fails returns None, so that what is not known is neither a problem nor solved.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from chautari.node.safe_text import escape_controls

TLS = Path("/etc/chautari/tls")
DPKG_STATUS = Path("/var/lib/dpkg/status")
LISTS = Path("/var/lib/apt/lists")
# Each of these changes when the package lists are downloaded.
LISTS_STAMPS = (
    LISTS, LISTS / "partial", Path("/var/lib/apt/periodic/update-stamp"),
    Path("/var/lib/apt/periodic/update-success-stamp"),
)  # fmt: skip
REBOOT = Path("/run/reboot-required")
# A role writes there how to count the meetings of its service, or where it stores the states of
# the region's services.
SOURCES = Path("/etc/chautari/health.d")
MAX_CERTIFICATES, MAX_UNITS, MAX_SERVICES = 40, 20, 40
MAX_NAME = 120
MAX_BYTES = 1 << 20
MAX_COUNT = 1_000_000
MAX_SOURCES = 20
SECONDS = 60.0
HTTP_SECONDS = 5.0
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_UPGRADE = re.compile(r"Inst \S+ \[[^\]]*\] \(\S+ (.*)\)")

Result = TypeVar("Result")


def try_probe(probe: Callable[[], Result]) -> Result | None:
    """Return what a probe finds; None if it fails, which the journal shows."""
    try:
        return probe()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        failure = f"{type(error).__name__}: {error}"
    except (subprocess.SubprocessError, http.client.HTTPException) as error:
        failure = f"{type(error).__name__}: {error}"
    print(f"not measured: {escape_controls(failure)[:200]}", flush=True)
    return None


def run_command(argv: Sequence[str]) -> str:
    """Return the output of a command.

    Raises:
        OSError, subprocess.SubprocessError: when it fails or takes too long.
    """
    done = subprocess.run(
        argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, timeout=SECONDS,
        env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    return done.stdout[:MAX_BYTES].decode(errors="replace")


def seconds_since_systemd_started() -> float:
    """Return for how many seconds systemd has been running; a container is younger than its host.

    The clock of the machine may have been wrong at the start, so this is not a difference of dates.
    """
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    argv = ["systemctl", "show", "-P", "UserspaceTimestampMonotonic"]
    started = try_probe(lambda: int(run_command(argv)) / 1e6)
    return max(0.0, now - (started or 0.0))


def certificates() -> list[dict[str, Any]]:
    """Return until when each certificate of the node is valid."""
    files = sorted(TLS.glob("*/fullchain.pem"))[:MAX_CERTIFICATES]
    return [read_certificate(file) for file in files]


def read_certificate(file: Path) -> dict[str, Any]:
    """Return until when the first certificate of a file is valid."""
    argv = ["openssl", "x509", "-noout", "-enddate", "-subject", "-issuer", "-in", str(file)]
    fields = dict(line.split("=", 1) for line in run_command(argv).splitlines() if "=" in line)
    return {
        "name": escape_controls(file.parent.name)[:MAX_NAME],
        "expires": int(ssl.cert_time_to_seconds(fields["notAfter"])),
        # Until an authority has signed one, the certificate is signed by itself.
        "temporary": fields["subject"].strip() == fields["issuer"].strip(),
    }


def pending_updates(before: Mapping[str, Any] | None, now: int) -> dict[str, Any]:
    """Return how many packages have updates, and since when security updates are due.

    To ask apt takes a second or more of a small machine, so this is done after changes only.
    """
    known = before or {}
    stamp = _stamp_of_change_times((DPKG_STATUS, *LISTS_STAMPS))
    if known.get("stamp") == stamp and isinstance(known.get("due"), int):
        due, security = int(known["due"]), int(known["security"])
    else:
        due, security = count_updates(run_command(["apt-get", "-s", "-qq", "dist-upgrade"]))
    since = known.get("security_since") if security else None
    since = since if isinstance(since, int) and 0 < since <= now else now
    return {
        "due": due,
        "security": security,
        "security_since": since if security else None,
        "lists": max((int(file.stat().st_mtime) for file in LISTS_STAMPS if file.exists()),
                     default=0),
        "stamp": stamp,
    }  # fmt: skip


def count_updates(simulated: str) -> tuple[int, int]:
    """Return how many packages an upgrade replaces, and how many of these for security."""
    sources = [found[1] for line in simulated.splitlines() if (found := _UPGRADE.match(line))]
    return len(sources), sum("-security" in source.lower() for source in sources)


def _stamp_of_change_times(files: Sequence[Path]) -> str:
    times = (str(file.stat().st_mtime_ns) if file.exists() else "" for file in files)
    return hashlib.sha256(" ".join(times).encode()).hexdigest()[:16]


def reboot_since() -> int | None:
    """Return since when an update waits for a restart; None if none does."""
    return int(REBOOT.stat().st_mtime) if REBOOT.exists() else None


def failed_units() -> list[str]:
    """Return the units that have failed."""
    argv = ["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--full"]
    names = [line.split()[0] for line in run_command(argv).splitlines() if line.strip()]
    return [escape_controls(name)[:MAX_NAME] for name in names[:MAX_UNITS]]


def _role_settings_with_key(key: str) -> list[dict[str, Any]]:
    """Return what the roles wrote, as far as it has a key."""
    files = sorted(SOURCES.glob("*.json"))[:MAX_SOURCES]
    found = [json.loads(file.read_text()) for file in files]
    return [source for source in found if key in source]


def service_response_states() -> dict[str, dict[str, Any]]:
    """Return which services of the region respond, where a service on this node checks them.

    Its account talks to strangers, so only valid names and numbers count.
    """
    paths = [Path(source["service_states"]) for source in _role_settings_with_key("service_states")]
    return {name: state for path in paths if path.exists()
            for name, state in _read_service_states(path).items()}  # fmt: skip


def _read_service_states(path: Path) -> dict[str, dict[str, Any]]:
    # A link or a pipe in its place must neither be followed nor waited for.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        state = json.loads(file.read(MAX_BYTES))
    return {
        name: {"responds": item["responds"] is True, "since": int(item["since"])}
        for name, item in list(state["services"].items())[:MAX_SERVICES]
        if _NAME.fullmatch(name) and 0 <= int(item["since"]) < 1 << 53
    }


def meeting_servers() -> list[dict[str, Any]]:
    """Return how to ask each server on this node for its meetings."""
    return _role_settings_with_key("port")


def meetings() -> dict[str, int] | None:
    """Return how many meetings and people there are on this node; None if that is not known."""
    counts = [count for server in meeting_servers() if (count := count_meetings(server))]
    if not counts:
        return None
    return {"meetings": sum(item[0] for item in counts), "people": sum(item[1] for item in counts)}


def count_meetings(server: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the meetings and people of one server; None if it does not answer.

    `server` has the port and the path to ask, and a pattern of the number of people. It has a
    pattern of the number of meetings as well, or the people of each meeting are counted.
    """
    try:
        answer = _http_get(("127.0.0.1", int(server["port"])), str(server["path"])).decode()
        people = [int(found) for found in re.findall(server["people"], answer)]
        if "meetings" in server:
            number = sum(int(found) for found in re.findall(server["meetings"], answer))
        else:
            number = sum(count > 0 for count in people)
    except (OSError, ValueError, TypeError, KeyError, http.client.HTTPException, RecursionError):
        return None
    return (number, sum(people)) if people and max(number, sum(people)) <= MAX_COUNT else None


def _http_get(server: tuple[str, int], path: str) -> bytes:
    connection = http.client.HTTPConnection(*server, timeout=HTTP_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
        return answer.read(MAX_BYTES)
    finally:
        connection.close()
