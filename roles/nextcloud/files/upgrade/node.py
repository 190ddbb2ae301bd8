"""The node: its paths, its commands, and its database."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import fastcgi

TAIL = 600  # characters of a command's output that a message holds
# The last one is the region's nightly backup, which pauses services.
UNITS = (
    "nextcloud-cron.timer", "nextcloud-cron.service",
    "nextcloud-federation.timer", "nextcloud-federation.service", "chautari-backup.timer",
)  # fmt: skip
# systemd and PHP-FPM let running requests finish for 30 seconds.
RELOAD_SECONDS = 90
DATABASE_SECONDS = 300
DATABASE = "nextcloud"


class UpgradeProblem(Exception):
    """Something that ends a change of release: a code and its data, see `texts`."""

    def __init__(self, code: str, **data: Any) -> None:
        """Keep the code and the data; the text is made in `texts`."""
        super().__init__(code)
        self.code, self.data = code, data


class Outcome(NamedTuple):
    """What a command returned and printed."""

    code: int
    output: str
    errors: str

    @property
    def tail(self) -> str:
        """Return the end of what it printed, for a message."""
        return " ".join((self.output + " " + self.errors).split())[-TAIL:]


class Node:
    """Nextcloud's paths on this machine, and the commands that act on it."""

    def __init__(
        self,
        root: Path = Path("/opt/nextcloud"),
        state: Path = Path("/var/lib/nextcloud"),
        units: Path = Path("/etc/systemd/system"),
    ) -> None:
        """Use the paths of the role."""
        self.root, self.state, self.units = root, state, units
        self.current = root / "current"
        self.apps, self.pins = state / "custom_apps", state / "pins"
        self.config, self.data = state / "config", state / "data"
        self.notice = state / ".switching"
        self.folder = state / "upgrade"
        self.journal = self.folder / "journal.json"
        self.request = self.folder / "request.json"
        self.reserve = self.folder / "reserve"
        self.last = self.folder / "last.json"
        self.staged_apps = self.folder / "apps"
        self.backup = Path("/usr/local/bin/chautari-backup")
        self.libexec = Path("/usr/local/libexec/chautari")

    def run(self, argv: Sequence[str], stdin: str = "", release: str = "") -> Outcome:
        """Run a command, and return what it printed."""
        environment = os.environ | ({"NEXTCLOUD_RELEASE": release} if release else {})
        try:
            done = subprocess.run(
                argv, input=stdin, capture_output=True, text=True, errors="replace",
                env=environment, check=False,
            )  # fmt: skip
        except OSError as error:
            return Outcome(127, "", str(error))
        return Outcome(done.returncode, done.stdout, done.stderr)

    def must_run(self, argv: Sequence[str], code: str, **data: Any) -> str:
        """Run a command that has to succeed; `code` names the problem if it does not."""
        found = self.run(argv)
        if found.code:
            raise UpgradeProblem(code, message=found.tail or f"exit code {found.code}", **data)
        return found.output

    def occ(self, release: str, *arguments: str) -> Outcome:
        """Run Nextcloud's command line of one release."""
        return self.run(["occ", *arguments], release=release)

    def log(self, text: str) -> None:
        """Write a line for the journal of systemd."""
        print(text, file=sys.stderr, flush=True)

    # Services

    def present_units(self) -> list[str]:
        """Return the units of Nextcloud that this node has."""
        return [name for name in UNITS if (self.units / name).exists()]

    def stop_jobs(self) -> None:
        """Stop background jobs."""
        if units := self.present_units():
            self.must_run(["systemctl", "stop", *units], "service_failed", unit="nextcloud-cron")

    def start_jobs(self) -> None:
        """Start the timers of background jobs."""
        if units := [name for name in self.present_units() if name.endswith(".timer")]:
            self.must_run(
                ["systemctl", "start", "--no-block", *units], "service_failed", unit=units[0]
            )

    def reload_php(self, php: str) -> None:
        """Let PHP-FPM finish its requests and load the code anew; start it if it is stopped."""
        unit, pid = f"php{php}-fpm.service", Path(f"/run/php/php{php}-fpm.pid")
        if self.run(["systemctl", "is-active", "--quiet", unit]).code:
            self.must_run(["systemctl", "start", unit], "service_failed", unit=unit)
            return
        before = modification_time(pid)
        self.must_run(["systemctl", "reload", unit], "service_failed", unit=unit)
        # PHP-FPM writes its process id again when the old processes are gone.
        self.wait_until(lambda: modification_time(pid) not in (None, before), RELOAD_SECONDS, unit)

    def wait_until(self, condition: Any, seconds: float, unit: str) -> None:
        """Wait for a condition."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise UpgradeProblem("service_failed", unit=unit, message="no answer in time")
            time.sleep(0.2)

    def fetch(self, release: str, path: str) -> fastcgi.Answer:
        """Request a page from PHP-FPM of the node, past the notice."""
        return fastcgi.request(Path("/run/php/nextcloud.sock"), release, path)

    # Database

    def psql(self, sql: str, database: str = "postgres") -> list[str]:
        """Run statements as the administrator of the database; return the lines of the answer."""
        found = self.run(
            ["chautari-psql", "-XtAq", "-v", "ON_ERROR_STOP=1", f"--dbname={database}"], stdin=sql
        )
        if found.code:
            raise UpgradeProblem("database_failed", message=found.tail)
        return found.output.splitlines()

    def wait_for_database(self) -> None:
        """Wait until the database answers, as it starts at the same time as this program."""

        def answers() -> bool:
            try:
                self.psql("SELECT 1")
            except UpgradeProblem:
                return False
            return True

        self.wait_until(answers, DATABASE_SECONDS, "postgresql")

    def databases(self) -> set[str]:
        """Return the names of all databases."""
        return set(self.psql("SELECT datname FROM pg_database"))

    def database_bytes(self) -> int:
        """Return the size of Nextcloud's database."""
        return int(self.psql(f"SELECT pg_database_size('{DATABASE}')")[0])

    def disconnect(self, *names: str) -> None:
        """End all connections to databases; their programs are stopped or closed to people."""
        listed = ", ".join(f"'{name}'" for name in names)
        self.psql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname IN ({listed}) AND pid <> pg_backend_pid()"
        )

    def drop_database(self, name: str) -> None:
        """Delete a database, if it exists."""
        self.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def enabled_apps(self) -> dict[str, str]:
        """Return the enabled apps, each with the value that says for whom."""
        found = self.psql(
            "SELECT appid || ' ' || configvalue FROM oc_appconfig "
            "WHERE configkey = 'enabled' AND configvalue <> 'no'",
            DATABASE,
        )
        return dict(line.split(" ", 1) for line in found if " " in line)


def modification_time(file: Path) -> int | None:
    """Return when a file was written; None if it does not exist."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None
