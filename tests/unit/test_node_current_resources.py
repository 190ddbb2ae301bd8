"""The states of resources on this machine, as a receipt records them."""

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import (
    fail_reads,
    make_link_loop,
    write_file,
)

from chautari.node import current_resources
from chautari.node.current_resources import current_states, path_state

State = dict[str, Any]


def state_of(kind: str, name: str = "x", **more: Any) -> State:
    [found] = current_states([{"kind": kind, "name": name} | more])
    return found


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for fake programs, the first one of the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(current_resources, "PATH", f"{folder}:/usr/bin:/bin")
    return folder


def write_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_path_state_of_a_file_has_mode_owner_and_digest(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("abc")
    file.chmod(0o640)
    assert path_state(str(file)) == {
        "is": "file", "uid": os.getuid(), "gid": file.stat().st_gid, "mode": "0o640",
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }  # fmt: skip


def test_path_state_of_a_directory_ignores_its_content(tmp_path: Path) -> None:
    tmp_path.chmod(0o2750)
    before = path_state(str(tmp_path))
    (tmp_path / "x").touch()
    assert path_state(str(tmp_path)) == before
    assert (before["is"], before["mode"]) == ("directory", "0o2750")


def test_path_state_of_a_link_has_its_target(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("nowhere")
    found = path_state(str(tmp_path / "x"))
    assert (found["is"], found["to"]) == ("link", "nowhere")
    assert "mode" not in found


def test_path_state_of_a_pipe_is_special(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    assert path_state(str(tmp_path / "x"))["is"] == "special"


@pytest.mark.parametrize("name", ["gone", "file/below"])
def test_path_state_of_a_missing_path_is_absent(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert path_state(str(tmp_path / name)) == {"is": "absent"}


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_text("other"),
        lambda file: file.chmod(0o600),
        lambda file: file.unlink(),
        lambda file: (file.unlink(), file.mkdir()),
        lambda file: (file.unlink(), file.symlink_to("/etc/passwd")),
    ],
    ids=["content", "mode", "gone", "folder", "link"],
)
def test_path_state_differs_after_every_change(change: Any, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("abc")
    file.chmod(0o644)
    before = path_state(str(file))
    assert path_state(str(file)) == before
    change(file)
    assert path_state(str(file)) != before


def test_pattern_has_the_state_of_each_file_it_matches(tmp_path: Path) -> None:
    pattern = str(tmp_path / "*.conf")
    assert state_of("paths", pattern) == {}
    (tmp_path / "b.conf").touch()
    (tmp_path / "a.conf").touch()
    (tmp_path / "c.other").touch()
    found = state_of("paths", pattern)
    assert list(found) == [str(tmp_path / "a.conf"), str(tmp_path / "b.conf")]
    assert {state["is"] for state in found.values()} == {"file"}


def test_dangling_link_exists(tmp_path: Path) -> None:
    assert state_of("exists", str(tmp_path / "x")) == {"exists": False}
    (tmp_path / "x").symlink_to("nowhere")
    assert state_of("exists", str(tmp_path / "x")) == {"exists": True}


def set_age(file: Path, seconds: float) -> Path:
    """Give a file the age of `seconds`, itself, not what it points to."""
    if not file.is_symlink():
        file.touch()
    then = time.time() - seconds
    os.utime(file, (then, then), follow_symlinks=False)
    return file


def reload_state(folder: Path) -> State:
    return state_of("reload_marker", settings=[str(folder / "etc")], marker=str(folder / "*.stamp"))


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Settings that were loaded after they were written, one of them through a link."""
    set_age(tmp_path / "target", 100)
    (tmp_path / "etc" / "d").mkdir(parents=True)
    (tmp_path / "etc" / "link").symlink_to(tmp_path / "target")
    for name in ("etc/d/x", "etc/link", "etc/d", "etc"):
        set_age(tmp_path / name, 100)
    set_age(tmp_path / "a.stamp", 50)
    return tmp_path


def test_settings_older_than_the_marker_are_loaded(settings: Path) -> None:
    assert reload_state(settings) == {"ok": True, "newer": []}


@pytest.mark.parametrize("name", ["etc/d/x", "etc/link", "etc/d"])
def test_setting_newer_than_the_marker_is_not_loaded(name: str, settings: Path) -> None:
    os.utime(settings / name, follow_symlinks=False)
    assert reload_state(settings) == {"ok": False, "newer": [str(settings / name)]}


def test_link_with_a_newer_target_is_not_loaded(settings: Path) -> None:
    os.utime(settings / "target")
    assert reload_state(settings) == {"ok": False, "newer": [str(settings / "etc" / "link")]}


def test_dangling_link_counts_with_its_own_time(settings: Path) -> None:
    (settings / "target").unlink()
    assert reload_state(settings)["ok"] is True


def test_settings_without_a_marker_are_not_loaded(settings: Path) -> None:
    (settings / "a.stamp").unlink()
    assert reload_state(settings) == {"ok": False, "newer": ["no marker"]}


def test_oldest_of_several_markers_counts(settings: Path) -> None:
    set_age(settings / "b.stamp", 200)
    assert reload_state(settings)["ok"] is False


def test_folder_behind_a_link_is_not_walked(settings: Path) -> None:
    (settings / "etc").rename(settings / "real")
    (settings / "etc").symlink_to(settings / "real")
    set_age(settings / "etc", 100)
    assert reload_state(settings)["ok"] is True


@pytest.mark.parametrize(
    ("script", "state"),
    [
        ("echo a; echo b", {"ok": True, "says": ["a", "b"]}),
        ("echo a; exit 3", {"ok": False, "says": ["a"]}),
        ("echo a; false; echo b", {"ok": False, "says": ["a"]}),
        ('echo "$nowhere"', {"ok": False, "says": []}),
        ("echo a >&2", {"ok": True, "says": []}),
        ("cat", {"ok": True, "says": []}),
        ("echo $HOME; pwd", {"ok": True, "says": ["/root", "/"]}),
        ("kill -s PIPE $$; echo b", {"ok": False, "says": []}),
        (r"printf '\377\n'", {"ok": True, "says": ["\N{REPLACEMENT CHARACTER}"]}),
    ],
)
def test_probe_state_has_success_and_output(script: str, state: State) -> None:
    assert state_of("probe", script=script) == state


def test_probe_is_killed_with_its_children_after_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(current_resources, "PROBE_SECONDS", 0.2)
    began = time.monotonic()
    assert state_of("probe", script="echo a; sleep 20; echo b") == {"ok": False, "says": []}
    assert time.monotonic() - began < 5


def test_probes_run_in_parallel() -> None:
    began = time.monotonic()
    items = [{"kind": "probe", "name": str(n), "script": f"sleep 0.5; echo {n}"} for n in range(6)]
    assert [state["says"] for state in current_states(items)] == [[str(n)] for n in range(6)]
    assert time.monotonic() - began < 2.5


def test_probe_output_larger_than_a_pipe_is_read_completely() -> None:
    found = state_of(
        "probe", script="i=0; while [ $i -lt 9000 ]; do i=$((i+1)); echo 0123456789$i; done"
    )
    assert (found["ok"], len(found["says"])) == (True, 9000)


DPKG = r"""printf 'nginx\tinstall\tinstalled\t1.2\n'
printf 'held\thold\tinstalled\t3\n'
printf 'left\tdeinstall\tconfig-files\t4\n'
echo 'no packages found matching gone' >&2
exit 1"""


@pytest.mark.parametrize(
    ("name", "more", "state"),
    [
        ("nginx", {}, {"status": "installed"}),
        ("nginx", {"pinned": True}, {"status": "installed", "version": "1.2"}),
        ("held", {"held": True}, {"status": "installed", "want": "hold"}),
        ("left", {}, {"status": "config-files"}),
        ("gone", {"pinned": True}, {"status": "not-installed"}),
    ],
)
def test_package_state_has_the_status_and_what_is_pinned(
    name: str, more: State, state: State, tools: Path
) -> None:
    write_program(tools, "dpkg-query", DPKG)
    assert state_of("package", name, **more) == state


def test_packages_are_queried_by_one_command(tools: Path, tmp_path: Path) -> None:
    write_program(tools, "dpkg-query", f'echo "$@" >> {tmp_path}/arguments\n{DPKG}')
    current_states([{"kind": "package", "name": name} for name in ("nginx", "held", "nginx")])
    [line] = (tmp_path / "arguments").read_text().splitlines()[-1:]
    assert line.endswith("held nginx")
    assert (tmp_path / "arguments").read_text().count("--show ") == 1


def test_package_is_not_installed_where_there_is_no_dpkg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_resources, "PATH", str(tmp_path))
    assert state_of("package", "nginx") == {"status": "not-installed"}


SYSTEMCTL = """cat <<'END'
Type=simple
RemainAfterExit=no
Id=a.service
ActiveState=active
UnitFileState=enabled

Type=oneshot
RemainAfterExit=no
Id=once.service
ActiveState=inactive
UnitFileState=static

Type=oneshot
RemainAfterExit=yes
Id=stays.service
ActiveState=active
UnitFileState=disabled
END"""


@pytest.mark.parametrize(
    ("name", "enabled", "active", "state"),
    [
        ("a.service", True, True, {"enabled": "enabled", "active": "active"}),
        ("a.service", True, False, {"enabled": "enabled"}),
        ("a.service", False, True, {"active": "active"}),
        ("once.service", True, True, {"enabled": "static"}),
        ("stays.service", True, True, {"enabled": "disabled", "active": "active"}),
    ],
)
def test_unit_state_has_the_properties_of_the_item(
    name: str, enabled: bool, active: bool, state: State, tools: Path
) -> None:
    write_program(tools, "systemctl", SYSTEMCTL)
    names = ("once.service", "stays.service", "a.service")
    items = [{"kind": "unit", "name": item, "enabled": enabled, "active": active} for item in names]
    assert current_states(items)[names.index(name)] == state


def test_unit_state_without_systemd_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_resources, "PATH", str(tmp_path))
    assert state_of("unit", "a.service", enabled=True, active=True) == {"enabled": "", "active": ""}


def answers(folder: Path) -> tuple[Path, Path]:
    """Return the files of answers and of passwords."""
    return folder / "config.dat", folder / "passwords.dat"


DEBCONF = """\
Name: first/question
Template: first/question
Value: canary
Owners: first

Name: second/question
Template: second/question
Owners: second

Name: third/question
Template: third/question
Value: b
"""


@pytest.mark.parametrize(
    ("question", "exists", "answered"),
    [
        ("first/question", True, True),
        ("second/question", True, False),
        ("third/question", True, True),
        ("first/quest", False, False),
        ("question", False, False),
    ],
)
def test_debconf_state_is_that_of_the_exact_question(
    question: str, exists: bool, answered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_resources, "DEBCONF", answers(tmp_path))
    assert state_of("debconf", question) == {"asked": False, "value": ""}
    (tmp_path / "config.dat").write_text(DEBCONF)
    found = state_of("debconf", question)
    assert (found["asked"], bool(found["value"])) == (exists, answered)
    assert "canary" not in str(found)


def test_debconf_state_covers_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_resources, "DEBCONF", answers(tmp_path))
    config, passwords = answers(tmp_path)
    config.write_text(DEBCONF)
    passwords.write_text("Name: jicofo/secret\nTemplate: jicofo/secret\nValue: canary\n")
    found = state_of("debconf", "jicofo/secret")
    assert found["asked"] and found["value"] and "canary" not in str(found)
    passwords.write_text(passwords.read_text().replace("canary", "tampered"))
    assert state_of("debconf", "jicofo/secret") != found


def test_debconf_state_differs_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_resources, "DEBCONF", answers(tmp_path))
    (tmp_path / "config.dat").write_text(DEBCONF)
    before = state_of("debconf", "first/question")
    (tmp_path / "config.dat").write_text(DEBCONF.replace("canary", "other"))
    assert state_of("debconf", "first/question") != before


def test_account_state_has_ids_home_and_password_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_resources, "SHADOW", tmp_path / "shadow")
    (tmp_path / "shadow").write_text("rooted:x:1:::::9:\nroot:$y$canary:1:0:99999:7::20000:\n")
    found = state_of("account", "root")
    assert (found["uid"], found["home"], found["expires"]) == (0, "/root", "20000")
    assert found["password"] and "canary" not in str(found)
    (tmp_path / "shadow").write_text("root:!:1:0:99999:7:::\n")
    assert state_of("account", "root")["password"] != found["password"]


def test_account_state_without_a_shadow_entry_has_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_resources, "SHADOW", tmp_path / "shadow")
    assert state_of("account", "root")["password"] == ""


@pytest.mark.parametrize("kind", ["account", "group"])
def test_missing_account_or_group_is_absent(kind: str) -> None:
    assert state_of(kind, "chautari-no-such-name") == {"is": "absent"}


def test_group_state_has_id_and_members() -> None:
    assert state_of("group", "root") == {"gid": 0, "members": state_of("group", "root")["members"]}


def test_machine_facts_have_release_architecture_and_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_resources, "MEMINFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal:        2048000 kB\nMemFree: 1 kB\n")
    found = current_resources.machine_facts()
    assert (found["memory_mb"], found["machine"]) == (2000, os.uname().machine)
    assert {"id", "version_id"} <= set(found)


def test_probe_that_closed_its_output_is_killed_after_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(current_resources, "PROBE_SECONDS", 0.2)
    began = time.monotonic()
    assert state_of("probe", script="echo a; exec >&-; sleep 20") == {"ok": False, "says": []}
    assert time.monotonic() - began < 5


def test_program_that_cannot_run_counts_as_missing(tools: Path) -> None:
    (tools / "dpkg-query").write_bytes(b"\x7fELF, incomplete")
    (tools / "dpkg-query").chmod(0o755)
    assert state_of("package", "nginx") == {"status": "not-installed"}


def test_current_states_keep_the_order_of_the_items(tools: Path, tmp_path: Path) -> None:
    write_program(tools, "dpkg-query", "printf 'nginx\\tinstall\\tinstalled\\t1.2\\n'")
    items: list[State] = [
        {"kind": "package", "name": "nginx"},
        {"kind": "exists", "name": str(tmp_path)},
        {"kind": "probe", "name": "p", "script": "echo a"},
        {"kind": "path", "name": str(tmp_path / "none")},
    ]
    assert current_states(items) == [
        {"status": "installed"}, {"exists": True}, {"ok": True, "says": ["a"]}, {"is": "absent"},
    ]  # fmt: skip


LOOP = {"is": "unreadable", "why": "ELOOP", "ok": False}


def test_path_state_below_a_link_loop_is_unreadable(tmp_path: Path) -> None:
    make_link_loop(tmp_path / "etc")
    assert path_state(f"{tmp_path}/etc/x") == LOOP


def test_path_state_of_a_too_long_name_is_unreadable(tmp_path: Path) -> None:
    assert path_state(f"{tmp_path}/{'x' * 300}") == LOOP | {"why": "ENAMETOOLONG"}


@pytest.mark.parametrize("why", ["EIO", "ESTALE", "ENOTCONN", "EACCES"])
def test_path_state_of_a_file_with_a_read_error_is_unreadable(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_reads(monkeypatch, getattr(errno, why))
    assert path_state(str(write_file(tmp_path / "x"))) == LOOP | {"why": why}


def test_path_state_of_a_vanishing_path_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").symlink_to("nowhere")
    gone = FileNotFoundError(errno.ENOENT, "gone")
    monkeypatch.setattr(os, "readlink", lambda _: (_ for _ in ()).throw(gone))
    assert path_state(str(tmp_path / "x")) == {"is": "absent"}
    fail_reads(monkeypatch, errno.ENOENT)
    assert path_state(str(write_file(tmp_path / "y"))) == {"is": "absent"}
