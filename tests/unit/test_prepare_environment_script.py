"""The script that installs a node's environment, run with fake Python and pip."""

import fcntl
import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from chautari.prepare import child_process, environment_script
from chautari.report.causes import find_cause_code
from chautari.report.model import TaskFailure

LIST = "ansible-core==2.19.14 --hash=sha256:00\n"
MARKER = hashlib.sha256(LIST.encode()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the runner on a fresh node; pip prints its arguments."""
    found = tmp_path / "opt"
    monkeypatch.setattr(environment_script, "ROOT", str(found))
    monkeypatch.setattr(environment_script, "RUN_LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(environment_script, "TURN_SECONDS", 0)
    pip(tmp_path, f'echo "$@" >> {tmp_path}/arguments; for list; do :; done; cp "$list" {tmp_path}')
    sleep = tmp_path / "bin" / "sleep"
    sleep.parent.mkdir()
    sleep.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/pauses\n')
    sleep.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sleep.parent}:{os.environ['PATH']}")
    return found


def pip(folder: Path, body: str) -> None:
    """Let pip of the environment run `body`; the list of packages is its last argument."""
    made = f'mkdir -p "$5/bin"; ln -sf {folder}/pip "$5/bin/python"'
    for name, text in (("python", made), ("pip", body)):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)


def run(folder: Path, given: str = LIST) -> subprocess.CompletedProcess[str]:
    script = environment_script.install_script(
        MARKER, str(folder.parent / "python"), "ana's cat from $HOME"
    )
    return subprocess.run(
        ["sh", "-c", script], input=given, capture_output=True, text=True, check=False
    )


def test_list_arrives_on_standard_input(folder: Path) -> None:
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder.parent / "requirements.lock").read_text() == LIST
    assert (folder / "venv" / "chautari-lock").read_text() == f"{MARKER}\n"


def test_marker_equals_the_digest_that_a_shell_computes(folder: Path) -> None:
    script = 'list=$(cat); printf "%s\\n" "$list" | sha256sum; exit'
    done = subprocess.run(
        ["sh", "-c", script], input=child_process.node_requirements_text(),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split()[0] == child_process.node_requirements_digest()


def test_truncated_list_installs_nothing(folder: Path) -> None:
    done = run(folder, LIST[:10])
    assert done.returncode == 1
    assert done.stderr.endswith("part of the list of Python packages. Deploy again.\n")
    assert not (folder / "venv").exists()


def test_failed_pip_installs_no_environment(folder: Path) -> None:
    pip(folder.parent, "echo no route >&2; exit 3")
    done = run(folder)
    assert (done.returncode, done.stderr) == (1, "no route\n")
    assert not (folder / "venv").exists()
    assert (folder / "prepare.lock").read_text() == ""
    assert not (folder.parent / "pauses").exists()


BROKEN = (
    "ProtocolError: ('Connection broken: IncompleteRead(3 bytes read, 5 more expected)')",
    "ReadTimeoutError: HTTPSConnectionPool(host=example.org, port=443): Read timed out.",
    "NewConnectionError: Failed to establish a new connection: [Errno 113] No route to host",
    "error: incomplete-download",
    "ERROR: HTTP error 503 while getting https://example.org/a.whl",
)


@pytest.mark.parametrize("message", BROKEN)
def test_broken_connection_is_tried_again_with_the_packages_that_arrived(
    folder: Path, message: str
) -> None:
    """pip fails three times."""
    pip(
        folder.parent,
        f"""mkdir -p {folder}/pip-cache; echo x >> {folder.parent}/tries
        [ $(wc -l < {folder.parent}/tries) -eq 4 ] || {{ echo "{message}" >&2; exit 2; }}""",
    )
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder.parent / "pauses").read_text().split() == ["5", "10", "20"]
    assert (folder / "venv" / "chautari-lock").exists()
    assert not (folder / "pip-cache").exists()


def test_each_package_that_arrived_begins_the_pauses_anew(folder: Path) -> None:
    pip(
        folder.parent,
        f"""head -c 9000 /dev/zero >> {folder}/pip-cache/packages
        [ $(stat -c %s {folder}/pip-cache/packages) -eq 72000 ] && exit
        echo "{BROKEN[3]}" >&2; exit 1""",
    )
    (folder / "pip-cache").mkdir(parents=True)
    assert run(folder).returncode == 0
    assert (folder.parent / "pauses").read_text().split() == ["5"] * 7


def test_broken_connection_fails_when_the_time_is_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment_script, "TRY_SECONDS", 2)
    pip(folder.parent, f"mkdir -p {folder}/pip-cache; echo '{BROKEN[1]}' >&2; exit 2")
    done = run(folder)
    assert (done.returncode, done.stderr) == (1, f"{BROKEN[1]}\n")
    assert not (folder / "venv").exists()
    assert (folder / "pip-cache").exists()


@pytest.mark.parametrize(
    "message",
    [
        "Retrying (Retry(total=1)) after connection broken by SSLError CERTIFICATE_VERIFY_FAILED",
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "ERROR: HTTP error 404 while getting https://example.org/a.whl",
    ],
)
def test_permanent_error_of_pip_fails_at_once(folder: Path, message: str) -> None:
    pip(folder.parent, f"echo '{message}' >&2; exit 2")
    done = run(folder)
    assert (done.returncode, done.stderr) == (1, f"{message}\n")
    assert not (folder.parent / "pauses").exists()


def test_wrong_digest_is_tried_five_times(folder: Path) -> None:
    """pip 23 takes a package that did not arrive whole for one with a wrong digest."""
    message = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE"
    pip(folder.parent, f"echo '{message}' >&2; exit 1")
    done = run(folder)
    assert (done.returncode, done.stderr) == (1, f"{message}\n")
    assert (folder.parent / "pauses").read_text().split() == ["5", "10", "20", "40"]


@pytest.mark.parametrize(
    ("release", "known"),
    [("23.0.1", False), ("25.0.1", False), ("25.1", True), ("25.1.1", True), ("100.0", True)],
)
def test_pip_continues_within_a_package_where_it_can(
    folder: Path, monkeypatch: pytest.MonkeyPatch, release: str, known: bool
) -> None:
    wheel = folder.parent / "wheels" / f"pip-{release}-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.touch()
    monkeypatch.setattr(environment_script, "WHEELS", str(wheel.parent))
    assert run(folder).returncode == 0
    assert ("--resume-retries 20" in (folder.parent / "arguments").read_text()) is known


@pytest.mark.parametrize(
    ("content", "holder"),
    [("bo from med1 at 14:05 UTC\n", "bo from med1 at"), ("", "another operator")],
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
    assert done.returncode == environment_script.BUSY
    assert done.stderr.startswith(f"Another preparation is running (started by {holder}")
    assert done.stderr.endswith("). Wait for it to finish.\n")
    assert find_cause_code(TaskFailure("prepare", "Install", done.stderr)) == "other_run"
    assert lock.read_text() == content
    assert not (folder / "venv").exists()


def test_lock_names_its_holder_only_while_it_is_held(folder: Path) -> None:
    pip(folder.parent, f"cat {folder}/prepare.lock >> {folder.parent}/shown")
    assert run(folder).returncode == 0
    shown = (folder.parent / "shown").read_text()
    assert re.fullmatch(r"(ana's cat from \$HOME at \d\d:\d\d UTC\n)+", shown)
    assert (folder / "prepare.lock").read_text() == ""


def test_exit_code_of_another_step_is_not_taken_for_a_lock(folder: Path) -> None:
    pip(folder.parent, f"exit {environment_script.BUSY}")
    done = run(folder)
    assert (done.returncode, done.stderr) == (1, "\n")


def test_folder_that_cannot_be_locked_is_not_reported_as_busy(folder: Path) -> None:
    pip(folder.parent, "")
    (folder / "prepare.lock").mkdir(parents=True)
    done = run(folder)
    assert done.returncode not in (0, environment_script.BUSY) and "is running" not in done.stderr
