"""The migration of Framadate's database leaves either the new tables or the old ones."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from role_samples import ROLES

# Each acts on the file `tables`, which stands for the database.
COMMANDS = {
    "runuser": 'shift 3; exec "$@"',
    "mariadb-dump": 'echo "dump $*" >> log; [ ! -e dump-fails ] || exit 2; cat tables',
    "mariadb": "text=$(cat); case $text in 'SHOW TABLES') echo fd_poll fd_new;; "
    "*DROP*) : > tables;; *) printf '%s\\n' \"$text\" > tables;; esac",
    "php": 'echo "php $4 $5" >> log; if [ "$5" = migrate ]; then echo migrated >> tables; fi; '
    '[ ! -e "$5-fails" ] || { echo "no such column"; exit 1; }',
}


@pytest.fixture
def program() -> ModuleType:
    file = str(ROLES / "framadate/files/framadate-migrate")
    loader = importlib.machinery.SourceFileLoader("framadate_migrate", file)
    spec = importlib.util.spec_from_loader("framadate_migrate", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: ModuleType) -> Path:
    """Return a folder with simulated commands, and the tables before the migration."""
    for name, script in COMMANDS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "tables").write_text("a poll\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def test_migration_keeps_the_tables_before_it(database: Path, program: ModuleType) -> None:
    assert program.main(["/releases/2"], database / "upgrade") == 0
    assert (database / "tables").read_text() == "a poll\nmigrated\n"
    assert (database / "upgrade/last.sql").read_text() == "a poll\n"
    assert (database / "upgrade/last.sql").stat().st_mode & 0o777 == 0o600
    assert not (database / "upgrade/before.sql").exists()


@pytest.mark.parametrize("step", ["migrate", "status"])
def test_failed_step_loads_the_tables_again(
    database: Path, program: ModuleType, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (database / f"{step}-fails").touch()
    assert program.main(["/releases/2"], database / "upgrade") == 1
    assert (database / "tables").read_text() == "a poll\n"
    text = capsys.readouterr().err
    assert "no such column" in text and "The old version serves again with all data" in text
    assert not list((database / "upgrade").iterdir())


def test_failed_copy_stops_before_the_migration(database: Path, program: ModuleType) -> None:
    (database / "dump-fails").touch()
    assert program.main(["/releases/2"], database / "upgrade") == 1
    assert "migrate" not in (database / "log").read_text()
    assert (database / "tables").read_text() == "a poll\n"


def test_copy_of_an_interrupted_migration_is_kept(database: Path, program: ModuleType) -> None:
    (database / "upgrade").mkdir()
    (database / "upgrade/before.sql").write_text("a poll\n")
    (database / "tables").write_text("half migrated\n")
    (database / "status-fails").touch()
    assert program.main(["/releases/2"], database / "upgrade") == 1
    assert (database / "tables").read_text() == "a poll\n"


def test_simulated_commands_are_used(database: Path) -> None:
    assert subprocess.check_output(["mariadb-dump"], text=True) == "a poll\n"
