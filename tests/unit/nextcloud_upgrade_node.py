"""A node with a simulated Nextcloud, whose upgrade can be killed at any moment."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from role_samples import ROLES

sys.path.insert(0, str(ROLES / "nextcloud/files/upgrade"))

# isort: split
import fastcgi
import journal
import kept
from node import Node, Outcome

OLD, MIDDLE, NEW = "32.0.2", "33.0.3", "34.0.1"
SHA = "0" * 64
VERSION_PHP = """<?php
$OC_VersionString = '{version}';
$OC_VersionCanBeUpgradedFrom = array (
  'nextcloud' =>
  array (
    '{before}.0' => true,
    '{major}.0' => true,
  ),
  'owncloud' => array ('10.13' => true),
);
"""
INFO_XML = """<?xml version="1.0"?>
<info><id>{name}</id><dependencies><php min-version="8.1"/>
<nextcloud min-version="{low}" max-version="{high}"/></dependencies></info>
"""


class Killed(BaseException):
    """The program is killed here: nothing after this line of the program runs."""


class SimulatedNode(Node):
    """Nextcloud's directories in a temporary folder; commands act on simulated databases.

    Attributes:
        contents: content of each database.
        moments: how many moments have passed at which the program can be killed.
        kill_at: the moment at which it is killed; 0 for none.
        failing: commands that fail, by a part of them.
        loses: an app that a newer release does not have.
        failing_once: part of a command that fails the first time.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "opt", folder / "state", folder / "units")
        self.backup, self.backup_reasons = folder / "backup", ""
        self.libexec = folder / "libexec"
        self.contents: dict[str, Any] = {}
        self.moments, self.kill_at = 0, 0
        self.failing: dict[str, str] = {}
        self.failing_once, self.tries = "", 5
        self.loses = ""
        self.commands: list[str] = []
        self.broken_pages: set[str] = set()

    def moment(self) -> None:
        """Pass a moment at which the program can be killed."""
        self.moments += 1
        if self.moments == self.kill_at:
            raise Killed

    def run(self, argv: Sequence[str], stdin: str = "", release: str = "") -> Outcome:
        self.moment()
        text = " ".join([Path(release).name.split("-")[0], *argv, stdin]).strip()
        self.commands.append(text)
        for part, message in self.failing.items():
            if part in text:
                return Outcome(1, "", message)
        if self.failing_once and self.failing_once in text:
            # PostgreSQL is asked several times.
            self.failing_once = self.failing_once if "CREATE" in text and self.tries > 1 else ""
            self.tries -= 1
            return Outcome(1, "", "broken")
        found = self._answer(argv, stdin, Path(release) if release else None)
        self.moment()
        return Outcome(0, found, "")

    def _answer(self, argv: Sequence[str], stdin: str, release: Path | None) -> str:
        if argv[0] == "occ" and release:
            return self._occ(argv[1:], release)
        if argv[0] == "chautari-psql":
            return self._sql(stdin)
        if argv[0] == str(self.backup):
            return self.backup_reasons
        if argv[0] == "runuser":
            self.set_config(maintenance=argv[-1] == "on")
        elif argv[0] == "cp":
            source, target = Path(argv[-2]), Path(argv[-1])
            if source.is_dir():
                shutil.copytree(source, target / source.name, symlinks=True)
            else:
                shutil.copy2(source, target / source.name, follow_symlinks=False)
        elif argv[0].endswith("nextcloud-app"):
            make_app(Path(argv[4]) / argv[1], 32, 34, "new code")
        return ""

    def _occ(self, arguments: Sequence[str], release: Path) -> str:
        version, config = release.name.split("-")[0], self.config_of()
        if arguments[0] == "status":
            answer = {
                "needsDbUpgrade": config["version"] != version + ".1",
                "maintenance": config["maintenance"],
            }
            return f"a warning\n{json.dumps(answer)}\n"
        if arguments[0] == "upgrade":
            database = self.contents["nextcloud"]
            database["rows"].append(f"migrated to {version}")
            self.moment()
            database["apps"].pop(self.loses, None)
            if "calendar" in database["apps"] and version == MIDDLE:
                del database["apps"]["calendar"]
            next(self.data.glob("appdata_*")).joinpath("css").write_text(version)
            (self.data / ".htaccess").write_text(version)
            self.set_config(version=version + ".1")
        if arguments[0] == "app:enable":
            groups = [item.removeprefix("--groups=") for item in arguments[1:-1]]
            self.contents["nextcloud"]["apps"][arguments[-1]] = (
                json.dumps(groups) if groups else "yes"
            )
        return ""

    def _sql(self, sql: str) -> str:
        if sql.startswith("SELECT datname"):
            return "\n".join(self.contents)
        if "pg_database_size" in sql:
            return "1000"
        if sql.startswith("SHOW"):
            return str(self.state)
        if "oc_appconfig" in sql:
            found = self.contents["nextcloud"]["apps"]
            return "\n".join(f"{name} {value}" for name, value in found.items())
        if sql.startswith("CREATE"):
            name = sql.split('"')[1]
            self.contents[name] = copy.deepcopy(self.contents["nextcloud"])
        if sql.startswith("DROP"):
            self.contents.pop(sql.split('"')[1], None)
        if sql.startswith("BEGIN"):
            for line in sql.splitlines():
                if line.startswith("ALTER"):
                    _, _, before, _, _, after = line.rstrip(";").replace('"', "").split()
                    assert after not in self.contents
                    self.contents[after] = self.contents.pop(before)
        return ""

    def reload_php(self, php: str) -> None:
        self.must_run(["systemctl", "reload", f"php{php}-fpm.service"], "service_failed")

    def fetch(self, release: str, path: str) -> fastcgi.Answer:
        self.moment()
        version = Path(release).name.split("-")[0]
        if version in self.broken_pages:
            return fastcgi.Answer(500, "Internal Server Error")
        if path != "/status.php":
            return fastcgi.Answer(401 if "dav" in path else 200, "")
        config = self.config_of()
        state = {
            "versionstring": version, "maintenance": config["maintenance"],
            "needsDbUpgrade": config["version"] != version + ".1",
        }  # fmt: skip
        return fastcgi.Answer(200, json.dumps(state))

    def config_of(self) -> dict[str, Any]:
        """Return the simulated settings."""
        found: dict[str, Any] = json.loads((self.config / "config.php").read_text())
        return found

    def set_config(self, **values: Any) -> None:
        """Change the simulated settings."""
        (self.config / "config.php").write_text(json.dumps(self.config_of() | values))

    def snapshot(self) -> dict[str, Any]:
        """Return everything that an undo has to bring back."""
        folders = (self.config, self.data, self.apps, self.pins)
        return {
            "files": {
                str(file.relative_to(self.state)): file.read_text()
                for folder in folders
                for file in sorted(folder.rglob("*"))
                if file.is_file()
            },
            "link": self.current.readlink().name,
            "database": copy.deepcopy(self.contents["nextcloud"]),
        }


def make_release(node: Node, version: str) -> Path:
    """Make a release that looks complete."""
    folder = node.root / "releases" / f"{version}-{SHA[:8]}"
    for name in ("occ", "console.php", "status.php", "index.php", "remote.php"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("<?php\n")
    make_app(folder / "apps/files", 1, 99, "shipped")
    number = int(version.split(".")[0])
    (folder / "version.php").write_text(
        VERSION_PHP.format(version=version, before=number - 1, major=number)
    )
    return folder


def make_app(folder: Path, low: int, high: int, code: str) -> None:
    """Make an app for some majors."""
    (folder / "appinfo").mkdir(parents=True)
    (folder / "appinfo/info.xml").write_text(INFO_XML.format(name=folder.name, low=low, high=high))
    (folder / "code.php").write_text(code)


def make_node(folder: Path) -> SimulatedNode:
    """Return a node that runs OLD, with an app, its own data and people's files."""
    node = SimulatedNode(folder)
    for path in (node.apps, node.pins, node.config, node.data, node.folder, node.units):
        path.mkdir(parents=True)
    (node.units / "nextcloud-cron.timer").touch()
    for version in (OLD, MIDDLE, NEW):
        make_release(node, version)
    node.current.symlink_to(node.root / "releases" / f"{OLD}-{SHA[:8]}")
    (node.config / "config.php").write_text(
        json.dumps({"version": OLD + ".1", "maintenance": False})
    )
    (node.config / "apps.config.php").write_text("paths")
    (node.data / "appdata_oc1/preview/1").mkdir(parents=True)
    (node.data / "appdata_oc1/preview/1/64.png").write_text("picture")
    (node.data / "appdata_oc1/css").write_text(OLD)
    (node.data / ".htaccess").write_text(OLD)
    (node.data / "ana").mkdir()
    (node.data / "ana/file.txt").write_text("content")
    make_app(node.apps / "calendar", 32, 33, "old code")
    (node.pins / "calendar").write_text("old pin\n")
    node.contents["nextcloud"] = {
        "rows": ["a share"], "apps": {"files": "yes", "calendar": '["staff"]'},
    }  # fmt: skip
    return node


def make_journal(node: SimulatedNode, versions: Sequence[str] = (MIDDLE, NEW)) -> journal.Journal:
    """Return the journal of an upgrade over `versions`, with newer code of the app."""
    return journal.Journal(
        state="preparing", id=f"{OLD.replace('.', '_')}_1", began=1.0, php="8.4",
        old={"version": OLD, "path": str(node.current.readlink())},
        ladder=[
            {"version": item, "path": str(node.root / "releases" / f"{item}-{SHA[:8]}")}
            for item in versions
        ],
        apps=[{"name": "calendar", "sha256": "new", "archive": "/a"}],
        database=f"nextcloud_before_{OLD.replace('.', '_')}_1",
        folder=str(kept.copies_folder(node) / f"{OLD.replace('.', '_')}_1"),
    )  # fmt: skip


def count_file_moments(monkeypatch: pytest.MonkeyPatch, node: SimulatedNode) -> None:
    """Let the program be killed also before each change of a file, and amid a deletion."""
    for name in ("rename", "replace", "unlink", "symlink_to", "write_text"):
        original = getattr(Path, name)

        def counted(path: Path, *values: Any, original: Any = original, **named: Any) -> Any:
            node.moment()
            return original(path, *values, **named)

        monkeypatch.setattr(Path, name, counted)
    rmtree = shutil.rmtree

    def delete(folder: Path) -> None:
        node.moment()
        files = sorted(item for item in Path(folder).rglob("*") if item.is_file())
        for file in files[: len(files) // 2]:
            file.unlink()
        node.moment()
        rmtree(folder)

    monkeypatch.setattr(shutil, "rmtree", delete)
