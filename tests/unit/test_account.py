"""An account that has a number only, as in a container started with `--user`."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from region_samples import region_file

from chautari.account import account_name, home_dir
from chautari.cli import main
from chautari.errors import BadInput


@pytest.fixture
def unknown_account(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_entry(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("unknown_account")
def test_account_without_a_name_has_its_number() -> None:
    assert account_name() == f"uid-{os.getuid()}"


@pytest.mark.usefixtures("unknown_account")
def test_account_without_a_home_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadInput, match=r"uid-\d+ has no home folder"):
        home_dir()
    file = region_file(tmp_path)
    assert main.run(["plan", str(file)]) == 2
    assert "Fix: export HOME=" in capsys.readouterr().err


def test_home_and_name_are_those_of_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "ana")
    assert (home_dir(), account_name()) == (tmp_path, "ana")
