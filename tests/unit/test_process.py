"""Starting processes and writing files: errors are reported without secrets."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from chautari import process
from chautari.errors import BadInput, ChautariError, InvalidRegion, ProblemInFile, RunFailed
from chautari.files import write_atomically
from chautari.process import ProcessError, RunningCommand, mask_secrets, run


def test_run_returns_the_output_of_the_command() -> None:
    done = run(["sh", "-c", "cat; echo said >&2; exit 0"], stdin="caña".encode())
    assert (done.code, done.text, done.stderr) == (0, "caña", b"said\n")


def test_run_never_uses_a_shell() -> None:
    assert run(["printf", "%s", "$(id); `id`"]).text == "$(id); `id`"


def test_failed_command_is_reported_with_code_and_last_lines() -> None:
    with pytest.raises(ProcessError) as failed:
        run(["sh", "-c", "echo why >&2; exit 3"])
    assert str(failed.value) == "`sh -c 'echo why >&2; exit 3'` exited with code 3: why"
    assert (failed.value.code, failed.value.exit_code) == (3, 1)


def test_code_is_returned_where_it_is_not_checked() -> None:
    assert run(["false"], check=False).code == 1


def test_secret_is_masked_in_the_command_and_its_output() -> None:
    with pytest.raises(ProcessError) as failed:
        run(["sh", "-c", "echo canary canary-long; echo canary >&2; exit 1"],
            secrets=["canary", "canary-long", ""])  # fmt: skip
    error = failed.value
    assert "canary" not in f"{error}{error.stdout}{error.stderr}{error.command}"
    assert mask_secrets("a canary-long b", ["canary", "canary-long"]) == "a ******** b"


def test_missing_command_is_an_expected_error() -> None:
    with pytest.raises(ProcessError, match="No such file or directory") as failed:
        run(["chautari-no-such-command"])
    assert failed.value.code == 127


def test_command_is_killed_after_the_timeout() -> None:
    with pytest.raises(ProcessError, match="did not finish in time: begun") as failed:
        run(["sh", "-c", "echo begun; exec sleep 60"], timeout=0.2)
    assert failed.value.code is None


def test_command_of_root_that_cannot_be_killed_is_left_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A command behind sudo is root's."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(subprocess.Popen, "send_signal", refuse)
    with pytest.raises(ProcessError, match="did not finish in time: begun"):
        run(["sh", "-c", "echo begun; sleep 1"], timeout=0.2)


@pytest.mark.parametrize("stream", ["1", "2"])
def test_command_that_prints_without_end_is_killed(
    stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MAX_OUTPUT", 100_000)
    with pytest.raises(ProcessError, match="printed too much output: ") as failed:
        run(["sh", "-c", f"exec yes >&{stream}"], check=False, timeout=60)
    assert failed.value.code is None
    assert len(failed.value.stdout) + len(failed.value.stderr) <= 100_000


def test_run_reads_as_much_as_is_allowed_while_it_feeds() -> None:
    content = b"x" * (5 << 20)
    assert run(["cat"], stdin=content).stdout == content
    assert run(["true"], stdin=content).code == 0


def test_run_does_not_wait_for_children_of_a_killed_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "LAST_WORDS", 0.1)
    began = time.monotonic()
    with pytest.raises(ProcessError, match="did not finish in time: begun"):
        run(["sh", "-c", "echo begun; sleep 20 & sleep 20"], timeout=0.2)
    assert time.monotonic() - began < 15


def test_reader_of_a_killed_command_takes_nothing_from_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system may stop a thread between the number of a pipe and the reading from it."""
    read, begun = os.read, threading.Event()

    def read_late(fd: int, size: int) -> bytes:
        if begun.is_set():
            time.sleep(0.8)
        part = read(fd, size)
        if part == b"begun\n":
            begun.set()
        return part

    monkeypatch.setattr(process, "LAST_WORDS", 0.1)
    monkeypatch.setattr(os, "read", read_late)
    with pytest.raises(ProcessError, match="did not finish in time: begun"):
        run(["sh", "-c", "echo begun; sleep 3 & sleep 20"], timeout=0.4)
    stream = RunningCommand(["sh", "-c", "sleep 1; echo whole"])
    assert list(stream) == ["whole"]


def test_stream_yields_lines_as_they_come_then_the_code() -> None:
    stream = RunningCommand(["sh", "-c", "cat; echo oops >&2; exit 5"], b"one\ntwo\n")
    assert list(stream) == ["one", "two"]
    assert (stream.code, stream.stderr) == (5, "oops")


def test_stream_leaves_out_a_partial_line() -> None:
    stream = RunningCommand(["printf", 'whole\\n{"event": "ha'])
    assert list(stream) == ["whole"]
    assert stream.code == 0


def test_stream_sends_input_larger_than_a_pipe() -> None:
    stream = RunningCommand(["wc", "-c"], b"x" * 3_000_000)
    assert [line.strip() for line in stream] == ["3000000"]


def test_stream_survives_a_command_that_reads_nothing() -> None:
    stream = RunningCommand(["true"], b"x" * 3_000_000)
    assert list(stream) == []
    assert stream.code == 0


def test_stream_command_has_its_own_process_group() -> None:
    stream = RunningCommand(
        [sys.executable, "-c", "import os; print(os.getpgid(0) == os.getpid())"]
    )
    assert list(stream) == ["True"]


def test_stopped_stream_ends_at_once() -> None:
    stream, began = RunningCommand(["sleep", "60"]), time.monotonic()
    stream.stop()
    assert list(stream) == []
    assert stream.code == -15
    assert time.monotonic() - began < 10


def test_stop_all_ends_a_running_command() -> None:
    ended: list[int] = []
    waiting = threading.Thread(
        target=lambda: ended.append(run(["sleep", "60"], check=False).code), daemon=True
    )
    waiting.start()
    deadline = time.monotonic() + 10
    while not process._running and time.monotonic() < deadline:
        time.sleep(0.01)
    process.stop_all_commands()
    waiting.join(10)
    assert (ended, process._running) == ([-signal.SIGTERM], set())


def test_file_is_passed_by_its_descriptor() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
        file.seek(0)  # written down, and from the beginning
        done = run(["cat", f"/dev/fd/{file.fileno()}"], pass_fds=[file.fileno()])
    assert done.text == "x"


def test_write_private_replaces_a_file_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file"
    write_atomically(file, "one", mode=0o600)
    write_atomically(file, b"two", mode=0o600)
    assert file.read_text() == "two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_write_private_replaces_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "elsewhere").read_text() == "kept"


@pytest.mark.parametrize(
    ("error", "code"), [(ChautariError("m"), 1), (RunFailed("m"), 1), (BadInput("m"), 2)]
)
def test_every_expected_error_has_its_exit_code(error: ChautariError, code: int) -> None:
    assert error.exit_code == code


def test_error_has_the_next_step_on_its_own_line() -> None:
    assert str(BadInput("what", fix="how")) == "what\n  Fix: how"
    assert str(BadInput("what")) == "what"


def test_problems_are_sorted_and_reported_once() -> None:
    later = ProblemInFile(Path("r.yml"), 9, 1, "", "later")
    first = ProblemInFile(Path("r.yml"), 2, 3, "a.b", "first")
    assert str(InvalidRegion([later, first, first])) == "r.yml:2:3: a.b: first\nr.yml:9:1: later"
