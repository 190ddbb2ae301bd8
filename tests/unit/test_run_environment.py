"""The script that makes a node's environment, carried out with stand-ins for Python and pip."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from chautari.run import environment, prepare

LIST = "ansible-core==2.19.14 --hash=sha256:00\n"
MARKER = hashlib.sha256(LIST.encode()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runner's folder on a node on which nothing ever ran; pip says what it is given."""
    found = tmp_path / "opt"
    monkeypatch.setattr(environment, "RUNNER", str(found))
    monkeypatch.setattr(environment, "RUN_LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(environment, "TURN_WAIT", 0)
    pip(tmp_path, 'for list; do :; done; cat "$list" >&2')
    return found


def pip(folder: Path, body: str) -> None:
    """Let the environment's pip do what `body` says; the list's file is its last argument."""
    made = f'mkdir -p "$5/bin"; ln -sf {folder}/pip "$5/bin/python"'
    for name, text in (("python", made), ("pip", body)):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)


def run(folder: Path, given: str = LIST) -> subprocess.CompletedProcess[str]:
    script = environment.script(MARKER, str(folder.parent / "python"))
    return subprocess.run(
        ["sh", "-c", script], input=given, capture_output=True, text=True, check=False
    )


def test_list_arrives_on_standard_input(folder: Path) -> None:
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, LIST)
    assert (folder / "venv" / "chautari-lock").read_text() == f"{MARKER}\n"


def test_list_of_the_toolkit_has_the_digest_that_a_shell_computes(folder: Path) -> None:
    script = 'list=$(cat); printf "%s\\n" "$list" | sha256sum; exit'
    done = subprocess.run(
        ["sh", "-c", script], input=prepare.requirements(), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.split()[0] == prepare.marker()


def test_list_that_was_cut_off_installs_nothing(folder: Path) -> None:
    done = run(folder, LIST[:10])
    assert done.returncode == 1
    assert done.stderr.endswith("did not arrive whole: deploy again\n")
    assert not (folder / "venv").exists()


def test_pip_that_fails_puts_no_environment_in_place(folder: Path) -> None:
    pip(folder.parent, "echo no route >&2; exit 3")
    done = run(folder)
    assert (done.returncode, done.stderr) == (3, "no route\n")
    assert not (folder / "venv").exists()
