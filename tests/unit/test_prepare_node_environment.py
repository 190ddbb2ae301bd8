"""The script that installs a node's environment, run with fake Python and pip."""

import fcntl
import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from chautari.prepare import node_environment, supervisor
from chautari.report.causes import find_cause_code
from chautari.report.model import Failure

LIST = "ansible-core==2.19.14 --hash=sha256:00\n"
MARKER = hashlib.sha256(LIST.encode()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the runner on a fresh node; pip prints its arguments."""
    found = tmp_path / "opt"
    monkeypatch.setattr(node_environment, "ROOT", str(found))
    monkeypatch.setattr(node_environment, "RUN_LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(node_environment, "TURN_SECONDS", 0)
    pip(tmp_path, 'for list; do :; done; cat "$list" >&2')
    return found


def pip(folder: Path, body: str) -> None:
    """Let pip of the environment run `body`; the list of packages is its last argument."""
    made = f'mkdir -p "$5/bin"; ln -sf {folder}/pip "$5/bin/python"'
    for name, text in (("python", made), ("pip", body)):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)


def run(folder: Path, given: str = LIST) -> subprocess.CompletedProcess[str]:
    script = node_environment.install_script(
        MARKER, str(folder.parent / "python"), "ana's cat from $HOME"
    )
    return subprocess.run(
        ["sh", "-c", script], input=given, capture_output=True, text=True, check=False
    )


def test_list_arrives_on_standard_input(folder: Path) -> None:
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, LIST)
    assert (folder / "venv" / "chautari-lock").read_text() == f"{MARKER}\n"


def test_marker_equals_the_digest_that_a_shell_computes(folder: Path) -> None:
    script = 'list=$(cat); printf "%s\\n" "$list" | sha256sum; exit'
    done = subprocess.run(
        ["sh", "-c", script], input=supervisor.locked_python_packages(),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split()[0] == supervisor.environment_digest()


def test_truncated_list_installs_nothing(folder: Path) -> None:
    done = run(folder, LIST[:10])
    assert done.returncode == 1
    assert done.stderr.endswith("arrived incomplete. Deploy again.\n")
    assert not (folder / "venv").exists()


def test_failed_pip_installs_no_environment(folder: Path) -> None:
    pip(folder.parent, "echo no route >&2; exit 3")
    done = run(folder)
    assert (done.returncode, done.stderr) == (3, "no route\n")
    assert not (folder / "venv").exists()
    assert (folder / "prepare.lock").read_text() == ""


@pytest.mark.parametrize(
    ("content", "holder"),
    [("bo from med1 since 14:05 UTC\n", "bo from med1 since"), ("", "another operator")],
)
def test_preparation_names_the_holder_when_the_wait_ends(
    folder: Path, content: str, holder: str
) -> None:
    folder.mkdir()
    lock = folder / "prepare.lock"
    lock.write_text(content)
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run(folder)
    assert done.returncode == node_environment.BUSY
    assert done.stderr.startswith(f"Another preparation is running (started by {holder}")
    assert done.stderr.endswith("). Wait for it to finish.\n")
    assert find_cause_code(Failure("prepare", "Install", done.stderr)) == "other_run"
    assert lock.read_text() == content
    assert not (folder / "venv").exists()


def test_lock_names_its_holder_only_while_it_is_held(folder: Path) -> None:
    pip(folder.parent, f"cat {folder}/prepare.lock >&2")
    assert re.fullmatch(r"ana's cat from \$HOME since \d\d:\d\d UTC\n", run(folder).stderr)
    assert (folder / "prepare.lock").read_text() == ""


def test_exit_code_of_another_step_is_not_taken_for_a_lock(folder: Path) -> None:
    pip(folder.parent, f"exit {node_environment.BUSY}")
    done = run(folder)
    assert (done.returncode, done.stderr) == (node_environment.BUSY, "")


def test_folder_that_cannot_be_locked_is_not_reported_as_busy(folder: Path) -> None:
    pip(folder.parent, "")
    (folder / "prepare.lock").mkdir(parents=True)
    done = run(folder)
    assert done.returncode not in (0, node_environment.BUSY) and "is running" not in done.stderr
