"""What the command does on a machine that is short of something, or forbids it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_samples import inventories
from region_samples import ROOT

from chautari import files, process
from chautari.cli import main
from chautari.deploy import release_cache
from chautari.report import jsonreport
from chautari_sandbox import doctor

__all__ = ["inventories"]
FULL = "/dev/full"


def deploy(
    arguments: list[str], folder: Path, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own, in a folder that it may lose."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tool"), **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "chautari", *arguments],
        cwd=folder, env=environment, check=False, timeout=60,
        **{"stdin": subprocess.DEVNULL, "stdout": -1, "stderr": -1, **options},
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["completion", "bash"], ["secrets", "list", "andes"],
     ["secrets", "list", "andes", "--json"], ["status"], ["status", "--json"],
     ["validate", "andes", "--json"]],
    ids=" ".join,
)  # fmt: skip
def test_output_on_a_full_disk_is_no_bug(arguments: list[str], tmp_path: Path) -> None:
    with open(FULL, "w") as full:
        done = deploy(arguments, tmp_path, stdout=full)
    assert done.returncode == 2
    output = done.stderr.decode()
    assert "Traceback" not in output and "bug" not in output and "Exception ignored" not in output
    assert "No space left on device\n  Fix: free some space" in output


def test_full_disk_of_messages_leaves_the_other_output(tmp_path: Path) -> None:
    with open(FULL, "w") as full:
        text = deploy(["validate", "andes"], tmp_path, stderr=full)
        data = deploy(["validate", "andes", "--json"], tmp_path, stderr=full)
        neither = deploy(["validate", "andes"], tmp_path, stdout=full, stderr=full)
    assert text.returncode == data.returncode == neither.returncode == 2
    assert b"No space left on device" in text.stdout
    assert json.loads(data.stdout)["error"]["exit_code"] == 2


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_failed_write_names_the_file_and_keeps_the_old_one(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "andes" / "secrets.age"
    file.parent.mkdir()
    file.write_text("old")

    def fails(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "fsync", fails)
    with pytest.raises(OSError, match=os.strerror(code)) as raised:
        files.write_atomically(file, "new")
    expected = files.to_displayable_error(raised.value)
    assert expected and str(expected).startswith(f"{file}: {os.strerror(code)}\n  Fix: ")
    assert [item.read_text() for item in file.parent.iterdir()] == ["old"]


def test_machine_without_a_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(files.tempfile, "gettempdir", fails)
    monkeypatch.setattr(main.deploy, "main", lambda *_, **__: files.temp_files_root())
    assert main.run(["plan", "andes", "--json"]) == 2
    output = capsys.readouterr()
    error = json.loads(output.out)["error"]
    assert "/tmp" in error["message"] and "export TMPDIR=" in error["fix"]
    # A bug has no file for its log there, so the lines themselves are shown.
    monkeypatch.setattr(main.deploy, "main", lambda *_, **__: 1 // 0)
    assert main.run(["validate", "--json"]) == main.BUG
    output = capsys.readouterr()
    assert "ZeroDivisionError" in output.err and "report it with these lines" in output.err
    assert json.loads(output.out)["error"]["exit_code"] == main.BUG


def test_closed_standard_input_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main.run(["secrets", "set", "andes", "mail_relay_password"]) == 2
    assert "standard input is closed" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["/dev/zero", "/dev/full"])
def test_endless_standard_input_ends(source: str, tmp_path: Path) -> None:
    with open(source, "rb") as endless:
        done = deploy(["secrets", "set", "andes", "mail_relay_password"], tmp_path, stdin=endless)
    assert done.returncode == 2 and b"Traceback" not in done.stderr


def test_deleted_working_folder_is_named(
    inventories: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, gone = Path.cwd(), tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    try:
        gone.rmdir()
        assert main.run(["render", "andes", "-o", "out", "--no-secrets"]) == 2
    finally:
        os.chdir(here)
    assert "the current folder no longer exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["validate", "--bogus", "--json"], ["plan", "--json"], ["plan", "andes", "--json", "--node"],
     ["region", "andes", "--json", "--parallel", "0"], ["move", "andes", "nextcloud", "--json"],
     ["region", "andes", "--json", "--identity", "/nonexistent"],
     ["region", "andes", "--json", "--canary", "bog1", "--detach"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_one_json_object_too(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    output = capsys.readouterr()
    error = json.loads(output.out)["error"]
    assert error["exit_code"] == 2 and error["message"] in output.err.replace("\n", " ")
    assert error["fix"] and "Fix:" not in error["message"]
    assert output.err.startswith(("Usage: deploy", "Error: Option"))


def test_usage_error_shows_no_raw_character(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", "andes", "x\x07\x1b[31my"]) == 2
    assert r"x\x07\x1b[31my" in capsys.readouterr().err


def test_interruption_is_one_json_object_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main.deploy, "main", interrupted)
    assert main.run(["region", "andes", "--json"]) == main.INTERRUPTED
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["exit_code"] == main.INTERRUPTED and error["message"].startswith("Interrupted.")


def test_validate_json_has_the_fix(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["validate", "ande", "--json"]) == 2
    [region] = json.loads(capsys.readouterr().out)["regions"]
    assert region["problems"][0]["fix"] == "did you mean andes?"


@pytest.mark.parametrize("name", ["artifacts.lock", "known_hosts"])
@pytest.mark.parametrize("kind", ["pipe", "link to nothing", "link to itself", "device", "folder"])
@pytest.mark.parametrize("command", ["validate", "plan", "verify", "status", "drift", "prepare"])
def test_only_regular_files_are_read(
    command: str, kind: str, name: str, inventories: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = inventories / "andes" / name
    file.unlink(missing_ok=True)
    make = {
        "pipe": lambda: os.mkfifo(file),
        "link to nothing": lambda: file.symlink_to("absent"),
        "link to itself": lambda: file.symlink_to(name),
        "device": lambda: file.symlink_to("/dev/zero"),
        "folder": file.mkdir,
    }
    make[kind]()
    if (name, command) == ("known_hosts", "validate"):
        assert main.run([command, "andes"]) == 0
        return
    assert main.run([command, "andes"]) == 2
    output = capsys.readouterr().err
    what = "symbolic link" if kind.startswith("link") else kind
    assert str(file) in output and f" is a {what}" in output


@pytest.mark.parametrize("content", [b"\x1b[31m\x00\xff junk", b"ok\n\xff\n", b"a\x00b"])
@pytest.mark.parametrize("command", ["plan", "verify", "region", "prepare"])
def test_known_hosts_that_is_no_text_is_named(
    command: str, content: bytes, inventories: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = inventories / "andes" / "known_hosts"
    file.write_bytes(content)
    assert main.run([command, "andes"]) == 2
    assert f"{file}:{content.count(b'ok') + 1}:1: this line is not text" in capsys.readouterr().err


def test_validate_says_what_is_there_in_place_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.yml")
    for path, kind in (("/dev/null", "a device"), (str(tmp_path / "pipe.yml"), "a pipe")):
        assert main.run(["validate", path]) == 2
        assert f"{path} is {kind}, not a regular file" in capsys.readouterr().err


def forbid(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let this account not look into a folder; root may look everywhere."""
    for name in ("stat", "iterdir", "lstat"):
        real = getattr(Path, name)

        def guarded(self: Path, *args: Any, _real: Any = real, **more: Any) -> Any:
            if folder in self.parents or (self == folder and _real.__name__ == "iterdir"):
                raise PermissionError(errno.EACCES, "Permission denied", str(self))
            return _real(self, *args, **more)

        monkeypatch.setattr(Path, name, guarded)


@pytest.mark.parametrize("arguments", [["validate"], ["validate", "andes"], ["status"]])
def test_folder_of_regions_that_may_not_be_read_is_named(
    arguments: list[str],
    inventories: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    forbid(monkeypatch, inventories)
    assert main.run(arguments) == 2
    output = capsys.readouterr()
    assert f"{inventories}" in output.err and "Permission denied\n  Fix: " in output.err
    assert output.out == ""


def test_validate_reports_a_region_that_may_not_be_read(
    inventories: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (inventories / "closed").mkdir()
    forbid(monkeypatch, inventories / "closed")
    assert main.run(["validate"]) == 2
    output = capsys.readouterr().err
    assert "andes: valid" in output and "closed/region.yml: Permission denied" in output


def test_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(process.ProcessError) as raised:
        process.run(("ssh", "a", "long line"))
    assert raised.value.message == "`ssh` cannot be started: No such file or directory"
    assert "apt-get install -y openssh-client" in raised.value.fix
    assert raised.value.exit_code == 2


def test_failed_script_is_shown_in_one_short_line() -> None:
    script = "import sys\nsys.exit(3)\n# a long program\n"
    with pytest.raises(process.ProcessError) as raised:
        process.run((sys.executable, "-c", script))
    assert "\n" not in raised.value.message and "program" not in raised.value.message
    assert raised.value.message.endswith("…` exited with code 3")


def test_doctor_names_a_missing_program_and_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> tuple[bool, str, str]:
        process.run(("ip", "route"))
        return True, "", ""

    monkeypatch.setenv("PATH", "/nonexistent")
    found = doctor._run_check("network", fails)
    assert not found.ok and "Fix" not in found.detail and "iproute2" in found.fix
    damaged = doctor._run_check("network", lambda: (bool(int("x")), "", ""))
    assert not damaged.ok and damaged.fix


def test_own_files_that_are_pipes_count_as_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / jsonreport.FILE)
    os.mkfifo(tmp_path / "upstream-releases.json")
    monkeypatch.setattr(release_cache, "state_dir", lambda: tmp_path)
    assert not jsonreport.is_last_written_report_good(tmp_path)
    assert release_cache.ReleaseCache.load()._answers == {}
