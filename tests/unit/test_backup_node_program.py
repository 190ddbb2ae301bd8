"""The backup program of a node: followed over lost connections, and never trusted."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chautari.backup import node_program
from chautari.backup.node_program import ProgramEvent, call_program, start_or_follow_backup
from chautari.ssh.target import SSHTarget

KEY = "BORG_KEY " + "ab" * 32 + "\n" + ("A" * 70 + "\n") * 8 + "AAAA=\n"
STARTED = {"event": "started", "run": "bog1-1"}
ANNOUNCED = {"event": "announced", "target": "disk", "first": True, "files": 3, "bytes": 10}
DONE = {
    "event": "target_finished", "target": "disk", "ok": True, "archive": "bog1-1", "seconds": 2.5,
    "bytes_sent": 1, "bytes_stored": 1, "paused_seconds": 0.5, "error": None,
}  # fmt: skip
FINISHED = {"event": "finished", "ok": True, "error": None}
Connections = Callable[..., list[str]]


@pytest.fixture
def target(tmp_path: Path) -> SSHTarget:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text("203.0.113.10 ssh-ed25519 AAAA\n")
    return SSHTarget("bog1", "203.0.113.10", 22, "debian", known_hosts)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    """Let each connection print lines, then an error, and exit; return the commands."""
    commands: list[str] = []

    def script(*found: tuple[list[Any], int, str]) -> list[str]:
        left = iter(found)

        def argv(_: SSHTarget, command: str) -> tuple[str, ...]:
            commands.append(command)
            lines, code, error = next(left)
            text = "".join(f"{x if isinstance(x, str) else json.dumps(x)}\n" for x in lines)
            body = f"import sys; sys.stdout.write({text!r}); sys.stderr.write({error!r})"
            return (sys.executable, "-c", f"{body}; sys.stdout.flush(); sys.exit({code})")

        monkeypatch.setattr(node_program, "ssh_argv", argv)
        monkeypatch.setattr(node_program.time, "sleep", lambda _: None)
        return commands

    return script


def test_backup_is_followed_to_its_end(target: SSHTarget, connections: Connections) -> None:
    commands = connections((["Welcome!", STARTED, ANNOUNCED, DONE, FINISHED], 0, ""))
    found: list[ProgramEvent] = []
    assert start_or_follow_backup("andes", target, found.append) is None
    names = ["started", "announced", "target_finished", "finished"]
    assert [item.event for item in found] == names
    assert commands == ["sudo -n /usr/local/bin/chautari-backup start"]


def test_lost_connection_is_followed_from_where_it_broke(
    target: SSHTarget, connections: Connections
) -> None:
    lost = "Connection to 203.0.113.10 closed by remote host."
    commands = connections(
        ([STARTED, ANNOUNCED], 255, lost), ([], 255, lost), ([DONE, FINISHED], 0, "")
    )
    found: list[ProgramEvent] = []
    assert start_or_follow_backup("andes", target, found.append) is None
    assert [command.split("chautari-backup ")[1] for command in commands] == [
        "start", "follow --after 2", "follow --after 2",
    ]  # fmt: skip
    assert len(found) == 4


def test_connection_that_stays_lost_says_that_the_backup_goes_on(
    target: SSHTarget, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chautari.deploy.remote_run.MAX_OUTAGE_SECONDS", 0)
    connections(([STARTED], 255, "Connection reset"))
    problem = start_or_follow_backup("andes", target, lambda _: None)
    assert problem and problem.code == "disconnected" and "continues" in problem.reason


@pytest.mark.parametrize(
    ("lines", "code", "said", "expected"),
    [
        ([], 127, "bash: line 1: /usr/local/bin/chautari-backup: No such file", "program_missing"),
        ([], 1, "sudo: /usr/local/bin/chautari-backup: command not found", "program_missing"),
        ([], 255, "Permission denied (publickey).", "unreachable"),
        ([STARTED], 1, "Traceback\nKeyError: 'x'", "no_result"),
        ([STARTED, {"event": "finished"}], 0, "", "unreadable"),
        ([STARTED, "{not json"], 0, "", "unreadable"),
        ([STARTED, '{"event": "finished", "ok": true, "error": {"code": "\\u001b"}}'], 0, "",
         "unreadable"),
    ],
)  # fmt: skip
def test_command_without_a_result_says_why(
    lines: list[Any], code: int, said: str, expected: str, target: SSHTarget,
    connections: Connections,
) -> None:  # fmt: skip
    connections((lines, code, said))
    problem = call_program("andes", target, ("list",), lambda _: None)
    assert problem is not None and problem.code == expected
    assert problem.reason and problem.fix and "?" not in problem.reason + problem.fix


def test_flood_is_cut_off(
    target: SSHTarget, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_program, "LIMITS", node_program.LIMITS._replace(lines=50))
    connections(([STARTED] * 200, 0, ""))
    problem = call_program("andes", target, ("list",), lambda _: None)
    assert problem is not None and problem.code == "too_much"


def test_node_that_was_never_reached_is_not_asked(target: SSHTarget) -> None:
    other = target._replace(address="203.0.113.99")
    problem = start_or_follow_backup("andes", other, lambda _: None)
    assert problem is not None and problem.code == "program_missing"


def test_nothing_counts_after_the_end(target: SSHTarget, connections: Connections) -> None:
    connections(([FINISHED, DONE, "{broken"], 0, ""))
    found: list[ProgramEvent] = []
    assert call_program("andes", target, ("check",), found.append) is None
    assert len(found) == 1


def test_event_of_a_newer_version_is_passed_over() -> None:
    assert node_program.parse_known_program_event('{"event": "sparkles", "x": 1}') is None


@pytest.mark.parametrize(
    "event",
    [
        DONE | {"target": "../x"},
        DONE | {"ok": 1},
        DONE | {"bytes_sent": -1},
        DONE | {"archive": "a b"},
        ANNOUNCED | {"bytes": 2**60},
        {"event": "progress", "target": "disk", "step": "\x1b[31m"},
        {"event": "archives", "targets": {"disk": {"archives": [{"name": "a", "time": 1}] * 1001}}},
        {"event": "key", "target": "disk", "key": "secret"},
        {"event": "key", "target": "disk", "key": KEY + "-----BEGIN"},
        {"event": "key", "target": "disk", "key": KEY.replace("AAAA=", "A" * 200)},
        {"event": "key", "target": "disk", "key": "BORG_KEY " + "ab" * 32 + "\n" + "A\n" * 90},
    ],
    ids=lambda event: str(event)[:60],
)
def test_hostile_event_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        node_program.parse_known_program_event(json.dumps(event))


@pytest.mark.parametrize("key", [KEY, KEY.rstrip("\n")])
def test_key_of_a_repository_is_read(key: str) -> None:
    line = json.dumps({"event": "key", "target": "disk", "key": key})
    event = node_program.parse_known_program_event(line)
    assert isinstance(event, node_program.RepositoryKey) and event.key == key


def test_node_that_does_not_answer_is_reported_at_once(
    target: SSHTarget, connections: Connections
) -> None:
    commands = connections(([], 255, "ssh: connect to host 203.0.113.10 port 22: No route to host"))
    problem = start_or_follow_backup("andes", target, lambda _: None)
    assert problem is not None and problem.code == "unreachable" and len(commands) == 1
