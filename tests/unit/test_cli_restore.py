"""`deploy restore`: what it shows, asks and does with the answers of nodes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from region_samples import key_pair, region_file

from chautari.backup import restore
from chautari.cli import backup_options, main, restore_results
from chautari.cli import restore as command
from chautari.process import RunningCommand

TEXT = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
operators: {{ana: '{key}'}}
nodes:
  bog1: {{address: 203.0.113.10, services: [nextcloud]}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
backup:
  to: [box]
  targets:
    box: {{ssh: u1@box.example.org, host_key: '{key}'}}
"""
RESULT: dict[str, Any] = {
    "id": "20261130t110000", "ok": True, "finished": 1764500000.0, "node": "bog1",
    "target": "box", "archive": "bog1-2026-11-30T02:30:11Z", "archive_time": 1764460000,
    "services": ["nextcloud"], "error": None,
    "figures": {"files": 154, "bytes": 9, "tables": 122, "rows": 4000, "paused_seconds": 1.4},
    "kept": {"paths": ["/srv/data.before-restore-20261130t110000"],
             "databases": [["postgresql", "nextcloud"]]},
}  # fmt: skip
STARTED = {"event": "restore_start", "error": None}
FINISHED = {"event": "finished", "offset": 20, **RESULT}
ENDED = {"event": "ended", "offset": 21}


class Nodes:
    """Answers of nodes by action, and the actions that were asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {
            "restore_start": [STARTED],
            "restore_follow": [{"event": "step", "step": "copy", "offset": 9}, FINISHED, ENDED],
        }
        self.asked: list[dict[str, Any]] = []
        self.payloads: list[bytes] = []

    def start(self, target: Any, arguments: dict[str, Any], payload: Any = b"") -> RunningCommand:
        self.asked.append(arguments)
        self.payloads.append(payload if isinstance(payload, bytes) else b"")
        text = "".join(json.dumps(line) + "\n" for line in self.answers[arguments["action"]])
        return RunningCommand((sys.executable, "-c", f"print({text!r}, end='')"))


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    found = Nodes()
    monkeypatch.setattr(restore, "start_runner_action", found.start)
    return found


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., int]:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    public = key_pair(tmp_path, "ana")
    region_file(tmp_path, TEXT, public)
    (tmp_path / "andes/known_hosts").write_text(f"203.0.113.10 {public}\n")
    key = ("--identity", str(tmp_path / "ana"))
    assert main.run(["secrets", "init", "andes", *key]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"relay-password")))
        assert main.run(["secrets", "set", "andes", "mail_relay_password", *key]) == 0
    capsys.readouterr()

    def call(*arguments: str) -> int:
        return main.run(["restore", "andes", *arguments, "--identity", str(tmp_path / "ana")])

    return call


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the stages that run after a restore."""
    stages: list[str] = []

    class Report:
        ok = True

    def stage(name: str) -> Callable[..., Report]:
        def work(request: Any, *_: object) -> Report:
            stages.append(f"{name} {' '.join(request.nodes)}")
            return Report()

        return work

    for name in ("deploy", "verify"):
        monkeypatch.setattr(command.pipeline, name, stage(name))
    healthy = "Region andes is healthy."
    monkeypatch.setattr(restore_results.summary, "verdict_sentence", lambda _: healthy)
    return stages


def test_restore_shows_what_it_does_and_asks_once(
    run: Any, nodes: Nodes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert run() == 130
    err = capsys.readouterr().err
    assert "bog1: nextcloud from the newest backup at box" in err
    assert "database nextcloud" in err and "/var/lib/nextcloud/data" in err
    assert nodes.asked == []


def test_restore_ends_with_a_deploy_and_all_checks(
    run: Any, nodes: Nodes, deployed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--yes") == 0
    out = capsys.readouterr().out
    assert "154 files and 4,000 rows in 122 tables are the same as in the backup" in out
    assert "deploy restore andes --clean --node bog1" in out
    assert [item["action"] for item in nodes.asked] == ["restore_start", "restore_follow"]
    assert deployed == ["deploy bog1", "verify bog1"]


def test_failed_restore_says_why_and_deploys_nothing(
    run: Any, nodes: Nodes, deployed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"code": "no_archives", "data": {"target": "box", "node": "bog1"}}
    failed = FINISHED | {"ok": False, "error": error, "kept": None}
    nodes.answers["restore_follow"] = [failed, ENDED]
    assert run("--yes") == 1
    out = capsys.readouterr().out
    assert "bog1: not restored. Nothing was changed. box has no backup of bog1." in out
    assert "Fix: use another target with --from" in out
    assert deployed == []


def test_busy_node_is_reported(
    run: Any, nodes: Nodes, deployed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"code": "busy", "data": {"operator": "beto"}}
    nodes.answers["restore_start"] = [{"event": "restore_start", "error": error}]
    assert run("--yes") == 1
    assert "beto is deploying to this node" in capsys.readouterr().out
    assert deployed == []


def test_result_is_one_json_object(
    run: Any, nodes: Nodes, deployed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    nodes.answers["restore_follow"] = [FINISHED | {"ok": False}, ENDED]
    assert run("--yes", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False and found["report"] is None
    assert found["restores"][0]["result"]["figures"]["tables"] == 122


def test_secrets_travel_in_the_payload_only(
    run: Any, nodes: Nodes, deployed: list[str], tmp_path: Path
) -> None:
    run("--yes")
    show = ["secrets", "show", "andes", "backup_passphrase_bog1"]
    assert main.run([*show, "--identity", str(tmp_path / "ana")]) == 0
    assert set(nodes.asked[0]) == {"action"}
    assert nodes.payloads[0] and nodes.payloads[1] == b""


def test_clean_deletes_what_earlier_restores_kept(
    run: Any, nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    undone = RESULT | {"id": "20261129t110000", "ok": False, "kept": None}
    nodes.answers["restore_results"] = [
        {"event": "restore_results", "pending": False, "results": [undone, RESULT]}
    ]
    nodes.answers["restore_clean"] = [{"event": "restore_clean", "deleted": ["x"], "error": None}]
    assert run("--list") == 0
    assert "restored nextcloud from bog1-2026" in capsys.readouterr().out
    assert run("--clean", "--yes") == 0
    assert nodes.asked[-1] == {"action": "restore_clean", "ids": ["20261130t110000"]}
    assert "/srv/data.before-restore-20261130t110000" in capsys.readouterr().err


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "29.11.2026"])
def test_unknown_time_is_refused(run: Any, moment: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--at", moment) == 2
    assert "is not a time" in capsys.readouterr().err


def test_times_are_utc() -> None:
    moment = backup_options.Moment()
    assert moment.convert("2026-11-29 18:00", None, None) == 1795975200
    assert moment.convert("2026-11-29T18:00:00Z", None, None) == 1795975200
    assert moment.convert("2026-11-29", None, None) == 1795910400 + 86_399
    assert moment.convert("bog-1-2026-11-29T18:00:00Z", None, None) == 1795975200
