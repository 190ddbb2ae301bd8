"""`deploy logs`, `deploy run` and `deploy ssh`, over an ssh that runs the command on this machine.

The fake ssh runs `sudo -n` and root's commands as this account. Programs of the node are fakes too.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from region_samples import region_file

from chautari.cli import main
from chautari.deploy import logs_and_commands
from chautari.process import OutputLimits
from chautari.services.logs_and_commands import LogsAndCommands

SSH = """#!{python}
import os, subprocess, sys
log = open({log!r}, "a"); log.write(repr(sys.argv[1:]) + chr(10)); log.close()
sys.exit(subprocess.run(["sh", "-c", sys.argv[-1]]).returncode)
"""
NASTY = "\\033]0;owned\\007red\\033[31m"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "inventories"
    region_file(folder)
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    program(programs, "ssh", SSH.format(python=sys.executable, log=str(tmp_path / "log")))
    program(programs, "occ", f'#!/bin/sh\nprintf "%s|" "$@"; printf "{NASTY}"; cat; exit 7\n')
    return programs


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def deploy(*arguments: str, stdin: str = "") -> Any:
    return CliRunner().invoke(main.deploy, arguments, input=stdin, standalone_mode=False)


def test_run_passes_arguments_code_and_cleaned_output(tmp_path: Path) -> None:
    done = deploy("run", "andes", "occ", "app:list", "--output=json", "a b; $(id)")
    assert done.return_value == 7
    assert "app:list|--output=json|a b; $(id)|" in done.stdout
    assert "\\x1b]0;owned\\x07red\\x1b[31m" in done.stdout and "\x1b" not in done.stdout
    argv = (tmp_path / "log").read_text()
    assert "StrictHostKeyChecking=yes" in argv and "ForwardAgent=no" in argv


def test_run_prints_json_and_takes_stdin() -> None:
    done = deploy("run", "andes", "--json", "--stdin", "occ", "config:import", stdin="{}\n")
    found = json.loads(done.stdout)
    assert found["code"] == done.return_value == 7
    assert found["stdout"].startswith("config:import|") and found["stdout"].endswith("{}")
    assert (found["region"], found["node"], found["stderr"]) == ("andes", "med1", "")


def test_run_without_a_command_lists_those_of_the_region() -> None:
    assert "deploy run andes occ status" in deploy("run", "andes").stdout
    found = json.loads(deploy("run", "andes", "--json").stdout)["commands"]
    assert {"occ"} <= {item["command"] for item in found}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "andes", "oc"), "did you mean occ?"),
        (("run", "andes", "--node", "bog1", "occ"), "bog1 does not run nextcloud"),
        (("run", "andes", "--node", "x", "occ"), "this region has no node 'x'"),
        (("run", "andes", "--terminal", "occ"), "this needs a terminal"),
        (("ssh", "andes", "med1"), "this needs a terminal"),
        (("ssh", "andes", "med1", "--", "-oProxyCommand=id"), "this is not a command"),
        (("ssh", "andes", "med1", "--", " "), "this is not a command"),
        (("ssh", "andes", "x", "id"), "this region has no node 'x'"),
        (("logs", "andes", "nextclod"), "did you mean nextcloud?"),
        (("logs", "andes", "nextcloud", "--node", "bog1"), "bog1 does not run nextcloud"),
        (("logs", "andes", "nextcloud", "--since", "soon"), "is not a duration"),
        (("logs", "andes", "nextcloud", "--follow", "--json"), "never ends"),
    ],
)
def test_mistakes_are_named_with_a_fix(arguments: tuple[str, ...], message: str) -> None:
    error = deploy(*arguments).exception
    assert message in (error.format_message() if hasattr(error, "format_message") else str(error))


def test_ssh_runs_one_argument_as_a_line_of_the_shell() -> None:
    assert deploy("ssh", "andes", "med1", "--", "echo a | tr a b").stdout == "b\n"
    assert deploy("ssh", "andes", "med1", "echo", "a | tr a b").stdout == "a | tr a b\n"
    assert deploy("ssh", "andes", "med1", "exit 3").return_value == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "andes", "med1", "echo", "-n", "--json"),
        ("andes", "med1", "--json", "--", "echo", "-n", "--json"),
        ("andes", "--json", "med1", "echo", "-n", "--json"),
    ],
)
def test_own_options_of_ssh_come_before_the_command(arguments: tuple[str, ...]) -> None:
    assert json.loads(deploy("ssh", *arguments).stdout)["stdout"] == "--json"


def test_node_that_cannot_be_reached_is_reported_with_a_fix(machine: Path) -> None:
    program(machine, "ssh", "#!/bin/sh\necho 'Host key verification failed.' >&2; exit 255\n")
    for arguments in (("ssh", "andes", "med1", "id"), ("logs", "andes", "nextcloud")):
        error = deploy(*arguments).exception
        assert "No host key is pinned for 203.0.113.11" in str(error)
        assert "Deploy to this node first" in str(error)


def test_flood_of_a_node_ends_the_connection(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(machine, "ssh", "#!/bin/sh\nyes\n")
    monkeypatch.setattr(logs_and_commands, "LOG_LIMITS", OutputLimits(100, 5000, 200))
    assert "sent too much" in str(deploy("logs", "andes", "nextcloud").exception)


def test_logs_are_printed_with_their_source(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        "Welcome!",
        "{}",
        '{"event":"heartbeat"}',
        '{"event":"log_line","source":"journal","text":"a\\u001b[31m\\nb"}',
        '{"event":"log_line","source":"/var/log/x.log","text":"c"}',
        '{"event":"log_line","source":1}',
    ]
    (tmp_path / "sent").write_text("\n".join(lines) + "\n")
    program(machine, "ssh", f"#!/bin/sh\ncat >/dev/null; cat {tmp_path / 'sent'}\n")
    done = deploy("logs", "andes", "nextcloud", "--since", "2d")
    assert done.stdout == "==> journal <==\na\\x1b[31m b\n\n==> /var/log/x.log <==\nc\n"
    found = json.loads(deploy("logs", "andes", "nextcloud", "--json").stdout)
    assert [line["text"] for line in found["lines"]] == ["a\x1b[31m\nb", "c"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("2d", 172_800), ("5min", 300)]
)
def test_parse_duration(text: str, seconds: int) -> None:
    assert logs_and_commands.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "1", "h", "-1h", "1w", "999999d", "1h30m"])
def test_parse_duration_refuses_other_texts(text: str) -> None:
    with pytest.raises(ValueError):
        logs_and_commands.parse_duration(text)


def test_commands_of_services_have_different_names() -> None:
    from chautari.services.polls.poll_apps import APPS
    from chautari.services.registry import SERVICES

    found: list[LogsAndCommands] = [service.logs_and_commands for service in SERVICES.values()]
    found += [app.logs_and_commands for app in APPS.values()]
    names = [name for item in found for name in item.commands]
    assert len(names) == len(set(names))


def test_run_is_recorded_by_the_node_without_its_arguments(
    tmp_path: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = machine / "chautari-audit"
    record = tmp_path / "record"
    program(machine, recorder.name, f'#!/bin/sh\necho "$1 $2 $4" > {record}\nshift 4\nexec "$@"\n')
    monkeypatch.setattr(logs_and_commands, "AUDIT_PROGRAM", str(recorder))
    monkeypatch.setattr("platform.node", lambda: "laptop; $(id)")
    done = deploy("run", "andes", "occ", "user:add", "a b")
    assert done.return_value == 7 and "user:add|a b|" in done.stdout
    assert record.read_text() == "run occ laptop; $(id)\n"


def test_audit_log_is_read_like_that_of_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "audit.log"
    log.write_text('{"time": "2099-01-01T00:00:00Z", "what": "deploy", "operator": "ana"}\n')
    monkeypatch.setattr(logs_and_commands, "AUDIT_LOG", LogsAndCommands(files=(str(log),)))
    done = deploy("logs", "andes", "--node", "med1", "audit")
    assert (done.return_value or 0) == 0, done.output
    assert '"operator": "ana"' in done.stdout
