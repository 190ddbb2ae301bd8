"""The command of the role ssh finds keys that no operator has, and locks no operator out."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import os
import stat
from importlib.machinery import SourceFileLoader
from pathlib import Path
from pwd import struct_passwd
from typing import Any

import pytest
from role_samples import ROLES

SCRIPT = ROLES / "ssh" / "files" / "chautari-login-keys"


def blob(name: str) -> str:
    return base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + name.ljust(32, "-").encode()).decode()


def key(name: str, comment: str = "") -> str:
    return f"ssh-ed25519 {blob(name)} {comment or name}"


class Machine:
    """A machine with accounts, sshd and a journal, none of which is real."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        loader = SourceFileLoader("chautari_login_keys", str(SCRIPT))
        spec = importlib.util.spec_from_loader("chautari_login_keys", loader)
        assert spec
        self.script: Any = importlib.util.module_from_spec(spec)
        loader.exec_module(self.script)
        self.folder, self.monkeypatch = folder, monkeypatch
        self.shells = {"root": "/bin/bash", "debian": "/bin/sh", "ana": "/bin/bash",
                       "luz": "/bin/bash", "www-data": "/usr/sbin/nologin"}  # fmt: skip
        self.journal = list[str]()
        for account in self.shells:
            (folder / account / ".ssh").mkdir(parents=True)
        for name in ("STATE", "ADOPTED", "WAITING", "PROVEN", "PRIVILEGE_SEPARATION"):
            monkeypatch.setattr(self.script, name, folder / "run" / name.lower())
        (folder / "run").mkdir()
        monkeypatch.setattr(self.script, "JOURNAL_SECONDS", 0.0)
        monkeypatch.setattr(self.script, "run", self.run)
        monkeypatch.setattr(
            self.script.pwd, "getpwall", lambda: list(map(self.person, self.shells))
        )
        monkeypatch.setattr(self.script.pwd, "getpwnam", self.person)
        monkeypatch.delenv("CHAUTARI_LOGIN", raising=False)
        self.operators = {"ana": [key("ana")]}
        self.remove_others = False

    def person(self, name: str) -> struct_passwd:
        home = str(self.folder / name)
        return struct_passwd((name, "x", 1000, 1000, "", home, self.shells[name]))

    def run(self, *argv: str) -> str:
        if Path(argv[0]).name == "journalctl":
            return "\n".join(self.journal)
        return "authorizedkeysfile .ssh/authorized_keys %h/.ssh/authorized_keys2\nport 22\n"

    def file(self, account: str, name: str = "authorized_keys") -> Path:
        return self.folder / account / ".ssh" / name

    def write(self, account: str, *lines: str) -> Path:
        self.file(account).write_text("".join(f"{line}\n" for line in lines))
        return self.file(account)

    def accept(self, account: str, name: str, *, uid: str = "0", moment: float = 4e9) -> None:
        said = f"Accepted publickey for {account} from 192.0.2.7 port 4242 ssh2: ED25519 "
        fields = {"MESSAGE": said + self.script.fingerprint(blob(name)), "_UID": uid,
                  "__REALTIME_TIMESTAMP": str(int(moment * 1e6))}  # fmt: skip
        self.journal.append(json.dumps(fields))

    def call(self, *arguments: str) -> int:
        operators = [{"name": name, "keys": keys} for name, keys in self.operators.items()]
        settings = {"accounts": ["root", "debian"], "operators": operators,
                    "remove_others": self.remove_others}  # fmt: skip
        self.monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(settings)))
        code: int = self.script.main(list(arguments))
        return code

    def listed(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        capsys.readouterr()
        assert self.call("list") == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(tmp_path, monkeypatch)
    found.write("ana", key("ana"))
    return found


OPTIONS = 'no-pty,command="echo \'log in as ssh-rsa \\"ana\\"\';sleep 1" '


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (key("eva"), (blob("eva"), "eva")),
        (OPTIONS + key("eva", "eva at home"), (blob("eva"), "eva at home")),
        ('from="10.0.0.1, ::1" ' + key("eva"), (blob("eva"), "eva")),
        (f"ssh-ed25519 {blob('eva')}", (blob("eva"), "")),
        (key("eva", "\x1b[2J\u202e" + "x" * 500), (blob("eva"), "?[2J?" + "x" * 55)),
        (f"# {key('eva')}", ("", "")),
        (f"a b {key('eva')}", ("", "")),
        ("ssh-ed25519 AAAA", ("", "")),
        ('command="' + key("eva"), ("", "")),
        ("", ("", "")),
    ],
)
def test_key_of_a_line_is_read_as_sshd_reads_it(
    machine: Machine, line: str, expected: tuple[str, str]
) -> None:
    assert machine.script.blob_and_comment(line) == expected


def test_long_line_without_a_key_is_read_fast(machine: Machine) -> None:
    assert machine.script.blob_and_comment('"' + 'a\\"' * 200_000) == ("", "")


def test_unlisted_keys_are_named_and_kept(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    before = machine.write("root", key("ana"), OPTIONS + key("provider", "console"), key("eva"))
    machine.file("debian", "authorized_keys2").write_text(key("old") + "\n")
    machine.write("ana", key("ana"), key("tablet"))
    content = before.read_text()
    found = machine.listed(capsys)
    assert [(item["account"], item["comment"]) for item in found["others"]] == [
        ("root", "console"), ("root", "eva"), ("debian", "old"), ("ana", "tablet"),
    ]  # fmt: skip
    prints = machine.script.fingerprint(blob("provider"))
    assert found["others"][0]["text"] == f"root: {prints} (console)"
    assert found["remove"] == []
    machine.accept("ana", "ana")
    assert machine.call("remove") == 0
    assert before.read_text() == content


def test_unlisted_keys_are_removed_with_consent(machine: Machine) -> None:
    root = machine.write("root", "# mine", key("ana"), key("provider"), "not a key")
    root.chmod(0o640)
    machine.remove_others = True
    machine.accept("ana", "ana")
    assert machine.call("remove") == 0
    assert root.read_text() == f"# mine\n{key('ana')}\nnot a key\n"
    assert stat.S_IMODE(root.stat().st_mode) == 0o640
    [copy] = (machine.folder / "run" / "adopted").rglob("authorized_keys")
    assert key("provider") in copy.read_text() and stat.S_IMODE(copy.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("account", "name", "uid"),
    [
        ("root", "ana", "0"),  # the key of an operator, but not their account
        ("ana", "tablet", "0"),  # the account of an operator, with a key that is removed
        ("luz", "luz", "0"),
        ("ana", "ana", "1000"),  # not sshd's own record
    ],
)
def test_nothing_is_removed_before_an_operator_has_shown_their_login(
    machine: Machine, account: str, name: str, uid: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.remove_others = True
    root = machine.write("root", key("provider"))
    machine.write("ana", key("ana"), key("tablet"))
    machine.accept(account, name, uid=uid)
    assert machine.listed(capsys)["proven"] == ""
    assert machine.call("remove") == 1
    assert key("provider") in root.read_text()


def test_account_without_its_keys_keeps_the_others(machine: Machine) -> None:
    """A run's login may be older than what happened to the keys since."""
    machine.remove_others = True
    root = machine.write("root", key("provider"))
    machine.write("ana", key("tablet"))
    machine.accept("ana", "ana")
    assert machine.call("remove") == 1
    assert key("provider") in root.read_text()


def test_key_of_a_former_operator_is_removed_everywhere(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.operators["luz"] = [key("luz"), key("luz-old")]
    assert machine.call("record") == 0
    machine.write("root", key("luz", "from the provider"), key("other"))
    machine.write("luz", key("luz"))
    del machine.operators["luz"]
    assert machine.call("record") == 0
    found = machine.listed(capsys)
    assert [(item["account"], item["former"]) for item in found["remove"]] == [
        ("root", "luz"), ("luz", "luz"),
    ]  # fmt: skip
    machine.accept("ana", "ana")
    assert machine.call("remove") == 0
    assert machine.file("root").read_text() == key("other") + "\n"
    assert machine.file("luz").read_text() == ""
    # Another person adds the key again.
    machine.write("debian", key("luz"))
    assert [item["account"] for item in machine.listed(capsys)["remove"]] == ["debian"]


def test_operator_who_comes_back_or_is_renamed_is_no_former_one(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.operators["luz"] = [key("luz")]
    machine.call("record")
    del machine.operators["luz"]
    machine.call("record")
    machine.operators["luz-maria"] = [key("luz")]
    machine.call("record")
    machine.write("root", key("luz"))
    assert machine.listed(capsys)["remove"] == []
    assert json.loads(machine.script.STATE.read_text())["former"] == {}


def test_damaged_memory_removes_nothing(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.write("root", key("luz"))
    for content in ("", "[]", "{"):
        machine.script.STATE.write_text(content)
        assert machine.listed(capsys)["remove"] == []
        assert machine.call("record") == 0


def test_new_login_proves_the_account(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.call("confirm") == machine.script.NOTHING_TO_PROVE
    machine.remove_others = True
    machine.write("root", key("provider"))

    def log_in(_: float) -> None:
        assert machine.call("confirm") == 1
        machine.accept("ana", "ana", moment=1.0)  # before the run waited
        assert machine.call("confirm") == 1
        machine.accept("ana", "ana")
        assert machine.call("confirm") == 0
        machine.journal.clear()

    machine.monkeypatch.setattr(machine.script.time, "sleep", log_in)
    assert machine.call("expect") == 0
    assert machine.call("wait", "60") == 0
    assert not machine.script.WAITING.exists()
    assert machine.call("remove") == 0
    assert machine.file("root").read_text() == ""
    assert not machine.script.PROVEN.exists()


def test_old_proof_does_not_count(machine: Machine) -> None:
    machine.remove_others = True
    machine.write("root", key("provider"))
    machine.script.PROVEN.write_text("ana")
    os.utime(machine.script.PROVEN, (1, 1))
    assert machine.call("remove") == 1


def test_run_without_a_login_ends(machine: Machine) -> None:
    assert machine.call("expect") == 0
    assert machine.call("wait", "0") == 1
    assert not machine.script.WAITING.exists()


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe"])
def test_links_of_an_account_are_not_followed_when_keys_are_removed(
    machine: Machine, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.remove_others = True
    target = machine.folder / "target"
    target.mkdir()
    (target / "authorized_keys").write_text(key("provider") + "\n")
    file = machine.file("debian")
    if kind == "link":
        file.symlink_to(target / "authorized_keys")
    elif kind == "folder link":
        file.parent.rmdir()
        file.parent.symlink_to(target)
    else:
        os.mkfifo(file)
    machine.accept("ana", "ana")
    found = machine.listed(capsys)
    # sshd follows links, so their keys are listed.
    assert len(found["remove"]) == (kind != "pipe")
    assert machine.call("remove") == (kind != "pipe")
    assert (target / "authorized_keys").read_text() == key("provider") + "\n"


def test_usage_is_printed_for_other_arguments(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.call("wait", "1 || reboot") == 2
    assert "chautari-login-keys list" in capsys.readouterr().err


def test_other_keys_are_remembered_for_the_status(machine: Machine) -> None:
    machine.write("root", key("provider"))
    machine.call("record")
    [text] = json.loads(machine.script.STATE.read_text())["others"]
    assert text.startswith("root: SHA256:") and text.endswith(" (provider)")
    machine.remove_others = True
    machine.accept("ana", "ana")
    machine.call("remove")
    assert json.loads(machine.script.STATE.read_text())["others"] == []
