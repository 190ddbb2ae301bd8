"""Starting a run on the node, refusing it, and handing it over to systemd."""

import errno
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from run_samples import ABOUT, ENDED, OLD, RUN, STARTED, packed_bundle, printed_events, write_run

from chautari.node import runner, runs

pytestmark = pytest.mark.usefixtures("node_state")
PACKED = packed_bundle(("secrets.json", tarfile.REGTYPE))


def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Let the PATH hold only these fake programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in scripts.items():
        file = folder / name.replace("_", "-")
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def start_run() -> int:
    arguments = ABOUT | {"action": "start", "sha256": hashlib.sha256(PACKED).hexdigest()}
    return runner.main(arguments, io.BytesIO(PACKED))


def test_start_refuses_a_damaged_bundle_before_unpacking(
    node_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ABOUT | {"action": "start", "sha256": hashlib.sha256(b"sent").hexdigest()}
    assert runner.main(arguments, io.BytesIO(b"arrived")) == 1
    reason = {"code": "bundle_damaged", "data": {}}
    assert printed_events(capsys) == [{"event": "refused", "reason": reason}]
    assert not runner.MEMORY.exists()
    assert not (node_state / "runs").exists()


def test_start_that_cannot_be_recorded_leaves_nothing(
    node_state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/x")

    monkeypatch.setattr(runner, "unpack_bundle", full)
    sent = b"sent"
    arguments = ABOUT | {"action": "start", "sha256": hashlib.sha256(sent).hexdigest()}
    assert runner.main(arguments, io.BytesIO(sent)) == 1
    [event] = printed_events(capsys)
    assert (
        event["event"] == "refused"
        and "No space left on device: '/x'" in event["reason"]["data"]["error"]
    )
    assert list((node_state / "runs").iterdir()) == []


@pytest.mark.parametrize("run", ["", "../../etc", "20261123T120000-abcde/", None])
def test_attach_refuses_an_invalid_run_id(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main({"action": "attach", "run": run}, io.BytesIO()) == 1
    assert printed_events(capsys)[0]["event"] == "refused"


def test_attach_refuses_a_run_that_never_began(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert runner.main({"action": "attach", "run": RUN}, io.BytesIO()) == 1
    assert printed_events(capsys)[0]["reason"]["data"] == {"run": RUN, "known": []}


@pytest.mark.usefixtures("lock_holder")
def test_start_on_a_busy_node_is_refused_before_unpacking(
    capsys: pytest.CaptureFixture[str],
) -> None:
    packed = packed_bundle(("a", tarfile.REGTYPE))
    arguments = ABOUT | {"action": "start", "sha256": hashlib.sha256(packed).hexdigest()}
    assert runner.main(arguments, io.BytesIO(packed)) == runner.BUSY
    [event] = printed_events(capsys)
    assert (event["event"], event["holder"]["operator"]) == ("busy", "luz")
    assert not runner.MEMORY.exists()


@pytest.mark.parametrize("run", [RUN, f"{OLD}x", "../lock"])
def test_attach_to_an_unknown_run_names_the_known_ones(
    run: str, node_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(node_state, OLD)
    assert runner.main({"action": "attach", "run": run}, io.BytesIO()) == 1
    [event] = printed_events(capsys)
    assert event["reason"] == {"code": "unknown_run", "data": {"run": run, "known": [OLD]}}


def test_start_refuses_an_invalid_run_id_for_good(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert runner.main({"action": "start", "run": "../lock"}, io.BytesIO()) == 1
    assert printed_events(capsys)[0]["reason"]["code"] == "invalid_run"


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("echo 'Failed to connect to bus:' >&2; echo '  Connection refused' >&2; exit 1",
         "Failed to connect to bus: Connection refused"),
        ("exit 7", "systemd-run exited with code 7"),
    ],
)  # fmt: skip
def test_start_that_systemd_refuses_reports_the_error_and_leaves_nothing(
    script: str, error: str, node_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    programs(tmp_path, monkeypatch, systemd_run=script, systemctl="echo inactive; exit 3")
    assert start_run() == 1
    [event] = printed_events(capsys)
    assert (event["event"], event["reason"]) == (
        "refused", {"code": "unit_not_started", "data": {"error": error}},
    )  # fmt: skip
    assert list(runner.MEMORY.iterdir()) == []
    assert runs.newest_run(node_state) is None


def test_start_without_systemd_leaves_nothing(
    node_state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    programs(tmp_path, monkeypatch)
    assert start_run() == 1
    [event] = printed_events(capsys)
    assert event["event"] == "refused" and "'systemd-run'" in event["reason"]["data"]["error"]
    assert list(runner.MEMORY.iterdir()) == []
    assert runs.newest_run(node_state) is None


def test_repeated_start_keeps_the_files_of_the_active_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, monkeypatch, systemd_run="exit 1", systemctl="echo activating; exit 3")
    assert start_run() == 1
    assert [event["event"] for event in printed_events(capsys)] == ["run_lost"]  # it was followed
    assert (runner.MEMORY / RUN / "secrets.json").is_file()


def test_wait_until_started_returns_once_the_run_began(
    node_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(node_state, RUN, STARTED, ENDED)
    assert runner.wait_until_started(RUN) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "run_detached", "run": RUN}


def test_wait_until_started_reports_a_busy_node(
    node_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(node_state, RUN, {"event": "busy", "holder": {"operator": "luz"}})
    assert runner.wait_until_started(RUN) == runner.BUSY
    assert json.loads(capsys.readouterr().out)["holder"] == {"operator": "luz"}


def test_detached_attach_returns_at_once(
    node_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(node_state, RUN, STARTED)
    request = {"action": "attach", "run": RUN, "offset": 0, "detach": True}
    assert runner.main(request, io.BytesIO()) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "run_detached", "run": RUN}
