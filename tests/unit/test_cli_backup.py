"""`deploy backup`: now, list, check and keys."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from region_samples import key_pair, region_file
from test_backup_node_program import ANNOUNCED, DONE, FINISHED, KEY, STARTED

from chautari.backup import node_program
from chautari.cli import main
from chautari.deploy import status, untrusted_files_from_nodes
from chautari.region.load import load_region
from chautari.secrets.store import open_secrets_file
from chautari.ssh.runner_client import RunnerReply

TEXT = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
operators: {{ana: '{key}'}}
nodes:
  bog1: {{address: 203.0.113.10, services: [nextcloud]}}
  med1: {{address: 203.0.113.11}}
  cal1: {{address: 203.0.113.12, services: [jitsi]}}
services: {{jitsi: {{members: [ana]}}}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
backup:
  to: [disk, box]
  limit_kib: 100
  targets:
    disk: {{disk: /mnt/backup}}
    box: {{ssh: u1@box.example.org, nodes: [bog1], host_key: '{key}'}}
"""
EMPTY = {"code": "folder_empty", "data": {"path": "/srv/x", "service": "wiki"}}
FAILED = DONE | {"ok": False, "error": EMPTY}
KEY_EVENT = {"event": "key", "target": "disk", "key": KEY}
TARGETS = {"bog1": ("disk", "box"), "cal1": ("disk",)}
Answer = Callable[[str, list[str]], list[Any]]


class Region:
    """The region on this machine, with the private key of its operator."""

    def __init__(self, root: Path) -> None:
        self.folder, self.key = root / "andes", str(root / "ana")

    def run(self, *arguments: str) -> int:
        return main.run(["backup", *arguments, "--identity", self.key])

    def secrets(self) -> dict[str, str]:
        opened = open_secrets_file(self.folder / "secrets.age", [Path(self.key)])
        return {name: opened[name] for name in opened.names}


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Region:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    monkeypatch.delenv("CHAUTARI_KEY_PASSPHRASE", raising=False)
    public = key_pair(tmp_path, "ana")
    found = Region(tmp_path)
    file = region_file(tmp_path, TEXT, public)
    assert load_region(file).region.backup
    known = "".join(f"203.0.113.{number} {public}\n" for number in (10, 11, 12))
    (found.folder / "known_hosts").write_text(known)
    assert main.run(["secrets", "init", "andes", "--identity", found.key]) == 0
    return found


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Let nodes answer the calls of their program."""

    def install(answer: Answer) -> None:
        def argv(target: Any, command: str) -> tuple[str, ...]:
            words = shlex.split(command)
            lines = answer(target.name, words[words.index(node_program.PROGRAM) + 1 :])
            text = "".join(json.dumps(line) + "\n" for line in lines)
            return (sys.executable, "-c", f"print({text!r}, end='')")

        monkeypatch.setattr(node_program, "ssh_argv", argv)

    return install


def well(node: str, arguments: list[str]) -> list[Any]:
    """Answer as a node does on which all is well."""
    if arguments[0] == "start":
        done = [DONE | {"target": name} for name in TARGETS[node]]
        return [STARTED, ANNOUNCED, *done, FINISHED]
    if arguments[0] == "export-key":
        return [{"event": "key", "target": arguments[2], "key": KEY}]
    archives = [{"name": f"{node}-1", "time": 1764460000}]
    if arguments[0] == "list":
        found = {"archives": archives, "error": None}
        return [{"event": "archives", "targets": dict.fromkeys(TARGETS[node], found)}]
    intact = {"event": "target_checked", "ok": True, "seconds": 3.0}
    return [*(intact | {"target": name} for name in TARGETS[node]), FINISHED]


def test_backup_without_a_subcommand_backs_up_now(
    region: Region, nodes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes(well)
    assert region.run("andes") == 0
    out, err = capsys.readouterr()
    assert "bog1 to disk: backed up (1 B uploaded" in out and "cal1 to disk" in out
    assert "med1" not in out  # it has nothing to store
    assert "this is the first backup, so 10 B in 3 files are uploaded" in err
    assert "with the limit of 100 KiB/s" in err
    assert "secrets.age now contains the backup keys" in out


def test_key_of_a_new_repository_is_stored_in_the_secrets_once(
    region: Region, nodes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes(well)
    passphrase = region.secrets().get("backup_passphrase_bog1")
    region.run("andes")
    for name in ("bog1_disk", "bog1_box", "cal1_disk"):
        assert region.secrets().get(f"backup_borg_key_{name}") == KEY
    assert region.secrets().get("backup_passphrase_bog1") == passphrase
    before = (region.folder / "secrets.age").read_bytes()
    capsys.readouterr()
    assert region.run("andes", "--json") == 0
    assert (region.folder / "secrets.age").read_bytes() == before
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert [node["saved_keys"] for node in found["nodes"]] == [[], []]
    assert found["nodes"][0]["targets"]["disk"]["archive"] == "bog1-1"


def test_failed_backup_is_reported_and_keeps_the_others(
    region: Region, nodes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(node: str, arguments: list[str]) -> list[Any]:
        if (node, arguments[0]) == ("bog1", "start"):
            failed = FINISHED | {"ok": False, "error": EMPTY}
            return [STARTED, FAILED, DONE | {"target": "box"}, failed]
        return well(node, arguments)

    nodes(answer)
    assert region.run("andes") == 1
    out = capsys.readouterr().out
    assert "bog1 to disk: failed: The folder /srv/x of wiki is empty. Fix: find out" in out
    assert out.count("is empty") == 1
    assert "bog1 to box: backed up" in out and "cal1 to disk: backed up" in out
    assert region.secrets().get("backup_borg_key_bog1_disk") is None


def test_node_that_names_targets_of_others_is_not_believed(region: Region, nodes: Any) -> None:
    def answer(node: str, arguments: list[str]) -> list[Any]:
        if arguments[0] == "start":
            return [DONE | {"target": "elsewhere"}, DONE, FINISHED]
        return [{"event": "key", "target": "box", "key": KEY}]

    nodes(answer)
    assert region.run("andes", "--node", "cal1") == 0
    assert region.secrets().get("backup_borg_key_cal1_elsewhere") is None
    assert region.secrets().get("backup_borg_key_cal1_box") is None


def test_target_that_a_node_does_not_know_yet_is_no_success(
    region: Region, nodes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes(lambda _, given: [KEY_EVENT] if given[0] == "export-key" else [DONE, FINISHED])
    assert region.run("andes", "--node", "bog1") == 1
    out = capsys.readouterr().out
    assert "bog1 to disk: backed up" in out
    assert "bog1 to box: failed: the node does not store backups at this target yet" in out
    assert "run: deploy region andes" in out


def test_hostile_text_of_a_node_controls_no_terminal(
    region: Region, nodes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"path": "\x1b[2J\u202e\n" * 50}
    failed = FAILED | {"error": {"code": "folder_empty", "data": data}}
    nodes(lambda *_: [STARTED, failed, FINISHED])
    assert region.run("andes", "--node", "cal1") == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\u202e" not in out and len(out) < 700


def test_list_shows_the_archives(
    region: Region, nodes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes(well)
    assert region.run("list", "andes") == 0
    assert "bog1 to disk: 1 backup\n  2025-11-" in capsys.readouterr().out
    assert region.run("list", "andes", "--json") == 0
    [first, _] = json.loads(capsys.readouterr().out)["nodes"]
    archives = [{"name": "bog1-1", "time": 1764460000}]
    assert first["targets"]["disk"] == {"ok": True, "archives": archives, "error": None}


def test_check_says_whether_repositories_are_intact(
    region: Region, nodes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes(well)
    assert region.run("check", "andes") == 0
    assert "bog1 to disk: the repository is intact (3.0 s)" in capsys.readouterr().out
    wrong: dict[str, Any] = {"event": "target_checked", "target": "disk", "ok": False}
    nodes(
        lambda *_: [
            wrong | {"error": {"code": "repository_damaged", "data": {}}},
            FINISHED | {"ok": False},
        ]
    )
    assert region.run("check", "andes") == 1
    assert "cal1 to disk: failed: The repository is damaged" in capsys.readouterr().out


def test_keys_can_only_serve_the_repository_of_their_node(
    region: Region, capsys: pytest.CaptureFixture[str]
) -> None:
    assert region.run("keys", "andes") == 0
    [title, line] = capsys.readouterr().out.splitlines()
    assert title == "# box"
    assert line.startswith(
        'command="borg serve --restrict-to-repository chautari/andes/bog1",restrict ssh-ed25519 '
    )
    assert line.endswith(" andes/bog1")
    assert region.run("keys", "andes", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["keys"]) == {"bog1", "cal1"} and found["authorized_keys"]["box"] == [line]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["andes", "--node", "med1"], "med1 is not backed up"),
        (["list", "andes", "--node", "none"], "no node 'none'"),
    ],
)
def test_node_without_backups_is_refused(
    arguments: list[str], words: str, region: Region, capsys: pytest.CaptureFixture[str]
) -> None:
    assert region.run(*arguments) == 2
    assert words in capsys.readouterr().err


def test_region_without_backups_is_told_how_to_begin(
    region: Region, capsys: pytest.CaptureFixture[str]
) -> None:
    file = region.folder / "region.yml"
    file.write_text(file.read_text().partition("backup:")[0])
    for arguments in (["andes"], ["list", "andes"], ["check", "andes"], ["keys", "andes"]):
        assert region.run(*arguments) == 2
        assert "backup: {to: [PEER]}" in capsys.readouterr().err


def test_status_shows_backups_and_fails_for_broken_ones(
    region: Region, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "node_statuses", lambda _: [])
    none = {"outdated": [], "releases_unknown": []}
    monkeypatch.setattr(status, "compare_with_upstream", lambda _: none)
    unreachable: Any = RunnerReply(None, 255, "no route")
    empty: Any = RunnerReply({"event": "state_files", "files": {}, "errors": {}}, 0, "")
    monkeypatch.setattr(
        untrusted_files_from_nodes, "call_runner",
        lambda _, arguments, __: empty if "backup" in arguments["files"] else unreachable,
    )  # fmt: skip
    assert main.run(["status", "andes", "--details"]) == 0
    out = capsys.readouterr().out
    assert "Backups" in out and "there is no backup yet" in out and "deploy drill andes" in out
    monkeypatch.setattr(untrusted_files_from_nodes, "call_runner", lambda *_: unreachable)
    assert main.run(["status", "andes", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["backups"]
    assert {item["code"] for item in found} == {"node_unreachable"}
    assert found[0] | {"cause": "", "next_step": "", "data": {}} == {
        "kind": "backup", "node": "bog1", "target": "disk", "state": "broken",
        "code": "node_unreachable", "cause": "", "next_step": "", "time": None,
        "age_seconds": None, "age_days": None, "data": {},
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["now", "--help"], ["keys", "--help"]])
def test_help_is_printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["backup", *arguments]) == 0
    assert "Usage: deploy backup" in capsys.readouterr().out
