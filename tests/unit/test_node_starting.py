"""Handing a run over to systemd on the node, and what is left where that fails."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from test_node_runner import ABOUT, RUN, bundle, place, said

from chautari.node import runner, runs

__all__ = ["place"]
PACKED = bundle(("secrets.json", tarfile.REGTYPE))


def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Stand in for the programs named here; no other is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in scripts.items():
        file = folder / name.replace("_", "-")
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def started() -> int:
    arguments = ABOUT | {"action": "start", "sha256": hashlib.sha256(PACKED).hexdigest()}
    return runner.main(arguments, io.BytesIO(PACKED))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("echo 'Failed to connect to bus:' >&2; echo '  Connection refused' >&2; exit 1",
         "Failed to connect to bus: Connection refused"),
        ("exit 7", "systemd-run exited with code 7"),
    ],
)  # fmt: skip
def test_start_that_systemd_refuses_tells_its_words_and_leaves_nothing(
    words: str, told: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    programs(tmp_path, monkeypatch, systemd_run=words, systemctl="echo inactive; exit 3")
    assert started() == 1
    [event] = said(capsys)
    assert (event["event"], event["reason"]) == (
        "refused", {"code": "unit_not_started", "data": {"error": told}},
    )  # fmt: skip
    assert list(runner.MEMORY.iterdir()) == []
    assert runs.newest_run(place) is None


def test_start_on_a_machine_without_systemd_leaves_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, monkeypatch)
    assert started() == 1
    [event] = said(capsys)
    assert event["event"] == "refused" and "'systemd-run'" in event["reason"]["data"]["error"]
    assert list(runner.MEMORY.iterdir()) == []
    assert runs.newest_run(place) is None


def test_start_that_was_sent_twice_takes_nothing_from_the_one_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, monkeypatch, systemd_run="exit 1", systemctl="echo activating; exit 3")
    assert started() == 1
    assert [event["event"] for event in said(capsys)] == ["run_lost"]  # it was followed
    assert (runner.MEMORY / RUN / "secrets.json").is_file()
