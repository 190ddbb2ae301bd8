"""Preparing machines with pyinfra: each problem is reported exactly and stops no other machine."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import Mock

import pytest
from paramiko.ssh_exception import NoValidConnectionsError, SSHException
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.connectors.ssh_util import raise_connect_error
from pyinfra.connectors.util import CommandOutput, OutputLine

from chautari.preflight import facts, rules
from chautari.prepare import worker
from chautari.report.model import Refusal
from chautari.ssh.known_hosts import compute_key_fingerprint

Event = dict[str, Any]
TOLD = ["os=debian-12", "venv="]
FACTS_SCRIPT = "the script that reads the facts"


class Transport:
    """A fake transport of paramiko: it answers while the connection exists."""

    sock = None
    active = True

    def global_request(self, kind: str) -> None:
        if self.active is None:
            raise EOFError

    def is_active(self) -> bool:
        return bool(self.active)


class Output(io.BytesIO):
    """Stands in for what paramiko reads of a command."""

    def __init__(self, text: str) -> None:
        super().__init__(text.encode())
        self.channel = self
        self.status_event, self.exit_status = threading.Event(), 0
        self.status_event.set()

    recv = io.BytesIO.read

    def recv_stderr(self, size: int) -> bytes:
        return b""

    def exit_status_ready(self) -> bool:
        return True


class Link:
    """A fake connection of pyinfra to a machine on which everything succeeds.

    `trouble` maps a part of a command to what happens instead: an exception, or the words that it
    fails with.
    """

    trouble: ClassVar[dict[tuple[str, str], Exception | list[str]]] = {}
    cut: ClassVar[set[str]] = set()
    ran: ClassVar[list[tuple[str, str, str]]] = []

    def __init__(self, host: Host) -> None:
        self.name, self.transport = host.name, Transport()
        self.client = self

    def get_transport(self) -> Transport:
        return self.transport

    def connect(self) -> None:
        pass

    def run_shell_command(self, command: Any, **given: Any) -> tuple[bool, CommandOutput]:
        text = str(command)
        self.ran.append((self.name, text, given["_stdin"]))
        for (name, part), happens in self.trouble.items():
            if name == self.name and part in text:
                self.transport.active = self.name not in self.cut
                if isinstance(happens, Exception):
                    raise happens
                return False, CommandOutput([OutputLine("stderr", line) for line in happens])
        return True, CommandOutput([])

    def exec_command(self, command: str, timeout: float) -> tuple[None, Any, Any]:
        """Stand in for paramiko's client, which reads the facts."""
        assert timeout < 300
        self.ran.append((self.name, command, ""))
        if facts.START not in command:
            return None, Output(""), Output("")
        for (name, part), happens in self.trouble.items():
            if name == self.name and part == FACTS_SCRIPT:
                self.transport.active = self.name not in self.cut
                if isinstance(happens, Exception):
                    raise happens
                return None, Output("\n".join(happens)), Output("")
        return None, Output("\n".join(["\x1b]0;x\x07", facts.START, *TOLD])), Output("")

    def put_file(self, *_: Any, **__: Any) -> bool:
        raise ConnectError("Unable to establish SFTP connection.")


Work = Callable[..., dict[str, Event]]


@pytest.fixture
def work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Work:
    """Survey three machines and prepare them; return the last event of each."""
    node = {
        "address": "203.0.113.1", "port": 22, "user": "root", "key": "", "key_password": "",
        "known_hosts": str(tmp_path / "known"), "resolver": "", "host_key": "",
        "required": {"os": "debian-12"}, "takes_over": {}, "adopt": ["nginx"],
        "operators": [], "open_ports": [],
    }  # fmt: skip
    orders = {
        "nodes": [node | {"name": name} for name in ("n0", "n1", "n2")], "marker": "m" * 64,
        "requirements": "pip==1\n", "operator": "ana", "parallel": 3,
    }  # fmt: skip

    def linked(host: Host, state: Any) -> None:
        host.state, host.connector, host.print_prefix_padding = state, Link(host), ""

    monkeypatch.setattr(Host, "init", linked)
    monkeypatch.setattr(worker, "NodeRequirements", lambda **_: Named())
    monkeypatch.setattr(worker, "set_tcp_options", lambda _: None)
    monkeypatch.setattr(rules, "preflight_refusals", lambda *_: [])
    monkeypatch.setattr(worker.rules, "below_recommendation_notices", lambda *_: [])
    monkeypatch.setattr(worker.logging, "disable", lambda _: None)

    def run(
        trouble: dict[tuple[str, str], Exception | list[str]] | None = None,
        *cut: str,
        preparation: str = "adopt",
    ) -> dict[str, Event]:
        orders["preparation"] = preparation
        monkeypatch.setattr(Link, "trouble", trouble or {})
        monkeypatch.setattr(Link, "cut", set(cut))
        monkeypatch.setattr(Link, "ran", [])
        monkeypatch.setattr(worker.sys, "stdin", io.StringIO(json.dumps(orders)))
        worker.main()
        events = map(json.loads, capsys.readouterr().out.splitlines())
        return {event["node"]: event for event in events}

    return run


class Named:
    """A placeholder for requirements that are not read."""

    names = ()
    domain = ""


def kinds(found: dict[str, Event]) -> list[str]:
    return [found[name]["event"] for name in ("n0", "n1", "n2")]


def test_machine_without_sftp_is_prepared(work: Work) -> None:
    assert kinds(work()) == ["prepared"] * 3
    given = [(name, stdin) for name, command, stdin in Link.ran if "-m pip install" in command]
    assert sorted(given) == [(name, "pip==1\n") for name in ("n0", "n1", "n2")]


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (
            NoValidConnectionsError({("192.0.2.1", 22): OSError(111, "Connection refused")}),
            "Connection refused",
        ),
        (OSError(113, "No route to host"), "No route to host"),
        (SSHException("Authentication failed."), "SSH error (Authentication failed.)"),
    ],
)
def test_failed_connection_has_the_words_of_the_system(cause: Exception, words: str) -> None:
    with pytest.raises(ConnectError) as failed:
        try:
            raise cause
        except Exception as error:
            raise_connect_error(Mock(), "SSH error", error)
    assert worker._connect_error_text(failed.value) == words


@pytest.mark.parametrize(("preparation", "copies"), [("adopt", 3), ("install", 0)])
def test_only_a_deploy_copies_what_it_adopts(work: Work, preparation: str, copies: int) -> None:
    lines = [facts.START, *TOLD, "existing=nginx /etc/nginx/nginx.conf"]
    found: dict[tuple[str, str], Exception | list[str]] = {
        (name, FACTS_SCRIPT): lines for name in ("n0", "n1", "n2")
    }
    assert kinds(work(found, preparation=preparation)) == ["prepared"] * 3
    assert sum("-m pip install" in command for _, command, _ in Link.ran) == 3
    calls = ["adopt_paths /etc/nginx/nginx.conf" in command for _, command, _ in Link.ran]
    assert sum(calls) == copies


@pytest.mark.parametrize("error", [EOFError(), ConnectError("no channel"), OSError("gone")])
@pytest.mark.parametrize("part", ["apt-get -q update", "dpkg -l", "-m pip install"])
def test_disconnected_machine_is_not_prepared_and_blocks_no_other(
    work: Work, part: str, error: Exception
) -> None:
    found = work({("n1", part): error})
    assert kinds(found) == ["prepared", "failed", "prepared"]
    assert found["n1"]["task"] in (
        "Update the package lists", "Install Python", "Install the environment for Ansible",
    )  # fmt: skip
    assert found["n1"]["message"] or found["n1"]["code"] in ("no_result", "packages_unreadable")


@pytest.mark.parametrize(("there", "outdated"), [("m" * 64, False), ("o" * 64, True)])
def test_survey_only_says_whether_the_environment_differs(
    work: Work, monkeypatch: pytest.MonkeyPatch, there: str, outdated: bool
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TOLD", ["os=debian-12", f"venv={there}"])
    found = work(preparation="check")
    assert kinds(found) == ["prepared"] * 3
    assert (found["n0"]["changed"], found["n0"]["outdated"]) == (False, outdated)


def test_failed_step_reports_the_reason(work: Work) -> None:
    found = work({("n1", "-m pip install"): ["ERROR: no matching distribution"]})
    assert kinds(found) == ["prepared", "failed", "prepared"]
    assert found["n1"]["task"] == "Install the environment for Ansible"
    assert found["n1"]["message"] == "ERROR: no matching distribution"


def test_failed_step_without_output_has_a_next_step(work: Work) -> None:
    assert work({("n1", "-m pip install"): []})["n1"]["code"] == "no_result"


def test_packages_that_cannot_be_listed_are_named(work: Work) -> None:
    found = work({("n1", "dpkg -l"): ["dpkg-query: error"]})
    assert kinds(found) == ["prepared", "failed", "prepared"]
    assert found["n1"]["code"] == "packages_unreadable"


@pytest.mark.parametrize("happens", [EOFError(), OSError("reset"), [], ["Get:1 some packages"]])
@pytest.mark.parametrize("part", ["apt-get -q update", "dpkg -l", "-m pip install"])
def test_connection_lost_during_a_step_is_reported(
    work: Work, part: str, happens: Exception | list[str]
) -> None:
    found = work({("n1", part): happens}, "n1")
    assert kinds(found) == ["prepared", "disconnected", "prepared"]
    refusal = found["n1"]["refusal"]
    assert refusal["code"] == "connection_lost_in_preparation"
    assert refusal["data"]["step"].startswith("“")


@pytest.mark.parametrize("happens", [EOFError(), OSError("reset"), []])
@pytest.mark.parametrize("nodes", [("n1",), ("n0", "n1", "n2")])
def test_connection_lost_during_the_survey_is_no_unknown_machine(
    work: Work, nodes: tuple[str, ...], happens: Exception | list[str]
) -> None:
    found = work({(name, FACTS_SCRIPT): happens for name in nodes}, *nodes)
    assert {found[name]["event"] for name in nodes} == {"unreachable"}
    assert found["n1"]["refusal"]["code"] == "connection_lost_in_preflight"
    assert set(kinds(found)) <= {"unreachable", "prepared"}


def test_machine_without_an_answer_is_not_refused(work: Work) -> None:
    found = work({("n1", FACTS_SCRIPT): ["This account is not available."]})
    assert kinds(found) == ["prepared", "failed", "prepared"]
    assert found["n1"]["code"] == "no_output"
    assert found["n1"]["message"] == "This account is not available."


def test_machine_that_names_another_login_is_refused_with_it(work: Work) -> None:
    said = 'Please login as the user "debian" rather than the user "root".'
    found = work({("n1", FACTS_SCRIPT): [said]})
    assert kinds(found) == ["prepared", "refused", "prepared"]
    [refusal] = found["n1"]["refusals"]
    shown = Refusal(refusal["code"], refusal["data"])
    assert said in shown.reason and "`user: debian`" in shown.fix


def test_machine_that_prints_without_end_fills_no_memory(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MAX_FACTS_BYTES", 1000)
    found = work({("n1", FACTS_SCRIPT): ["x" * 50_000]})
    assert kinds(found) == ["prepared", "failed", "prepared"]
    assert len(found["n1"]["message"]) <= worker.MAX_SHOWN


def test_unusable_connection_is_closed(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transport, "active", None)
    host = Host("n0", None, [])
    host.connector, host.connected = Link(host), True
    assert worker._probe_finds_connection_lost(host)


LISTS_HELD = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"


@pytest.mark.parametrize(
    ("refusals", "error", "code", "calls"),
    [
        (0, LISTS_HELD, 0, 1),
        (9, LISTS_HELD, 0, 10),
        (999, LISTS_HELD, 1, 121),  # ten minutes in turns of five seconds
        (2, "E: no network", 0, 3),
        (999, "E: no network", 1, 3),
    ],
)
def test_update_waits_for_another_process_that_fetches_lists(
    refusals: int, error: str, code: int, calls: int, tmp_path: Path
) -> None:
    apt, count = tmp_path / "apt-get", tmp_path / "count"
    apt.write_text(f"""#!/bin/sh
echo x >> {count}
[ $(wc -l < {count}) -gt {refusals} ] || {{ echo "{error}" >&2; exit 100; }}
""")
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    for program in (apt, tmp_path / "sleep"):
        program.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", worker.UPDATE], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, len(count.read_text().split())) == (code, calls)
    assert (error in done.stderr) == bool(code)


PINNED = "[203.0.113.1]:2222 ssh-ed25519 AAAA"
OTHERS = "203.0.113.1 ssh-ed25519 BBBB\n[203.0.113.9]:2222 ssh-ed25519 AAAA\n"


@pytest.mark.parametrize("expected", ["", "its own", "SHA256:another"])
def test_first_contact_with_another_host_key_is_taken_back(
    expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, own = tmp_path / "known", compute_key_fingerprint("AAAA")
    file.write_text(f"{OTHERS}{PINNED}\n")
    node: Any = {
        "address": "203.0.113.1", "port": 2222, "known_hosts": str(file),
        "host_key": own if expected == "its own" else expected,
    }  # fmt: skip
    accepted = worker._report_or_unpin_first_contact_key("bog1", node, OTHERS)
    [event] = map(json.loads, capsys.readouterr().out.splitlines())
    if expected == "SHA256:another":
        assert not accepted and event["event"] == "refused"
        assert event["refusals"][0]["code"] == "host_key_unexpected"
        assert file.read_text() == OTHERS
    else:
        assert accepted and event == {"event": "pinned", "node": "bog1", "fingerprint": own}
        assert file.read_text() == f"{OTHERS}{PINNED}\n"
