"""The code of the drift timer is complete at any moment, and replaced only when it changed."""

import os
from pathlib import Path

import pytest
from receipt_samples import write_file

from chautari.node import drift_installer

RUN, LATER = "20261124T120000-abcdef", "20261124T130000-abcdef"


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was on the disk each time that the disk was waited for."""
    found: list[str] = []
    monkeypatch.setattr(os, "sync", lambda: found.append("synced"))
    return found


def code(folder: Path) -> str:
    return (folder / "lib" / "chautari" / "drift.py").read_text()


def test_install_drift_code_replaces_old_code(tmp_path: Path, synced: list[str]) -> None:
    state, memory = tmp_path / "state", tmp_path / "memory"
    state.mkdir()
    for run, text in ((RUN, "one"), (LATER, "two")):
        write_file(memory / "lib" / "chautari" / "drift.py", text)
        drift_installer.install_drift_code(state, memory, run)
        assert code(state) == text
        assert [path.name for path in state.iterdir() if path.is_dir()].count(f"lib-{run}") == 1
        assert len(list(state.iterdir())) == 2  # the link and what it leads to
    assert synced == ["synced"] * 2


def test_install_drift_code_keeps_equal_code(tmp_path: Path, synced: list[str]) -> None:
    state, memory = tmp_path / "state", tmp_path / "memory"
    state.mkdir()
    write_file(memory / "lib" / "chautari" / "drift.py", "one")
    drift_installer.install_drift_code(state, memory, RUN)
    before = os.readlink(state / "lib")
    drift_installer.install_drift_code(state, memory, LATER)
    assert (os.readlink(state / "lib"), synced) == (before, ["synced"])


def test_install_drift_code_replaces_the_folder_of_older_versions(
    tmp_path: Path, synced: list[str]
) -> None:
    state, memory = tmp_path / "state", tmp_path / "memory"
    write_file(state / "lib" / "chautari" / "drift.py", "old")
    write_file(memory / "lib" / "chautari" / "drift.py", "new")
    drift_installer.install_drift_code(state, memory, RUN)
    assert code(state) == "new"
    assert (state / "lib").is_symlink() and len(list(state.iterdir())) == 2


def test_install_drift_code_keeps_old_code_after_a_power_cut(
    tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, memory = tmp_path / "state", tmp_path / "memory"
    state.mkdir()
    write_file(memory / "lib" / "chautari" / "drift.py", "one")
    drift_installer.install_drift_code(state, memory, RUN)
    write_file(memory / "lib" / "chautari" / "drift.py", "two")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", cut)
        drift_installer.install_drift_code(state, memory, LATER)
    assert code(state) == "one"
    drift_installer.install_drift_code(state, memory, LATER)
    assert code(state) == "two"
