"""What a person is told when the machine does not let the tool use a file."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from chautari import files
from chautari.cli import main
from chautari.errors import BadInput
from chautari.files import (
    ENVIRONMENT_ERRORS,
    create_private_folder,
    create_writable_folders,
    unusable_file_error,
)

REMEDIES = {
    errno.EACCES: "ls -ld",
    errno.ENOSPC: "df -h",
    errno.EDQUOT: "df -h",
    errno.EROFS: "findmnt -T",
    errno.EIO: "ls -ld",
}


@pytest.mark.parametrize("code", REMEDIES)
def test_unusable_file_is_named_with_a_command(code: int, tmp_path: Path) -> None:
    refused = unusable_file_error(tmp_path / "gone" / "file", OSError(code, "Some reason"))
    assert refused.exit_code == 2
    assert str(refused).startswith(f"{tmp_path}/gone/file: Some reason\n  Fix: ")
    # The nearest folder that exists, so that the command can be pasted.
    assert f"{REMEDIES[code]} {tmp_path}" in refused.fix and "gone" not in refused.fix


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_only_what_lies_in_the_home_is_given_back(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`chown -R` of a folder of the system would damage the machine."""
    home = tmp_path / "home"
    (home / ".local" / "state").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(files.os, "getuid", lambda: 4242)
    refused = OSError(code, "Permission denied")
    taken = unusable_file_error(home / ".local" / "state" / "chautari" / "x", refused)
    # The highest folder of that owner, so that nothing below it is refused next.
    assert taken.fix.endswith(f"sudo chown -R $(id -un): {home}/.local")
    for path in (home, "/", "/etc/x", "/var/lib/y/z", tmp_path / "other", "x"):
        assert unusable_file_error(path, refused).fix.startswith(
            "check its owner and permissions: ls -ld "
        ), path


def test_all_that_is_taken_from_the_home_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    state, cache = tmp_path / "state" / "chautari", tmp_path / "cache"
    state.mkdir(parents=True)
    cache.mkdir()
    files.refuse_files_of_another_account([state, cache, tmp_path / "absent", Path("/etc")])
    monkeypatch.setattr(files.os, "getuid", lambda: 4242)
    with pytest.raises(BadInput) as refused:
        files.refuse_files_of_another_account([state, cache, state / "absent", Path("/etc")])
    assert refused.value.fix == (
        f"make your account the owner again: sudo chown -R $(id -un): {cache} {tmp_path}/state"
    )


@pytest.mark.parametrize("uid", [0, 4242])
def test_root_leaves_no_files_in_the_home_of_another(
    uid: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with `sudo -E deploy`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SUDO_UID", "1000")
    monkeypatch.setattr(files.os, "getuid", lambda: uid)
    monkeypatch.setattr(files, "_owner_uid", lambda _: 1000)
    if uid:
        files.refuse_home_of_another_account()
    else:
        with pytest.raises(BadInput, match="that only root can use") as refused:
            create_writable_folders([tmp_path])
        assert "without sudo" in refused.value.fix


def test_removed_folder_may_be_absent(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    files.remove_folder(tmp_path / "a")
    files.remove_folder(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_check_writable_creates_and_leaves_nothing(tmp_path: Path) -> None:
    create_writable_folders([tmp_path / "a" / "b"])
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_folder_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(BadInput, match=f"{tmp_path}/a/b: Not a directory"):
        create_writable_folders([tmp_path / "a" / "b"])


def test_folder_that_takes_no_files_is_named_itself() -> None:
    with pytest.raises(BadInput, match=r"^/proc/self: "):
        create_writable_folders([Path("/proc/self")])


@pytest.mark.parametrize("code", sorted(ENVIRONMENT_ERRORS))
def test_error_of_the_machine_is_no_bug(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(code, "Some reason", "/home/ana/.local/state/chautari")

    monkeypatch.setattr(main.deploy, "main", fails)
    assert main.run([]) == 2
    assert capsys.readouterr().err.startswith("/home/ana/.local/state/chautari: Some reason\n  Fix")


def test_other_error_of_the_operating_system_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(main.deploy, "main", fails)
    assert main.run([]) == main.BUG
    assert "This is a bug" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["region", "plan", "verify", "drift", "status", "attach"])
def test_bad_input_is_one_json_object_too(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "andes.yml"
    file.write_text("region: andes\ndomain: x\nnodes: {bog1: {address: y}}\n")
    assert main.run([command, str(file), "--json"]) == 2
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["ok"] is False and found["error"]["exit_code"] == 2
    problems = found["errors"]
    assert {problem["line"] for problem in problems} >= {2, 3}
    assert all(problem["file"] == str(file) and problem["message"] for problem in problems)
    assert said.err.count("andes.yml:") == len(problems)


def test_folder_for_secrets_is_created_for_this_account_alone(tmp_path: Path) -> None:
    create_private_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    create_private_folder(tmp_path / "a" / "b")


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_folder_that_others_may_write_takes_no_secrets(mode: int, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(BadInput, match="other accounts can write"):
        create_private_folder(folder)


def test_folder_of_another_account_takes_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.os, "getuid", lambda: 4242)
    with pytest.raises(BadInput, match="belongs to another account"):
        create_private_folder(tmp_path)
