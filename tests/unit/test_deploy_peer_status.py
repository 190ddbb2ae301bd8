"""Nodes are asked how their services stand with the peers; one that fails hides no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from binascii import b2a_base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deploy_samples import SECRETS as NODE_SECRETS
from deploy_samples import Nodes, Silent, fake_call_runner, nodes
from federation_fixtures import region, server
from federation_samples import NOW, body, peer, signed
from federation_server import PeerServer, serve

from chautari.cli.main import run
from chautari.deploy import peer_status, pipeline, untrusted_files_from_nodes
from chautari.deploy.request import DeployContext, Request
from chautari.federation import peers
from chautari.node.events import StateFilesAnswer
from chautari.region.load import load_region
from chautari.render import variables
from chautari.render.endpoints import Endpoints
from chautari.render.variables import NodeContext
from chautari.report.model import RegionReport
from chautari.secrets.store import SecretStore
from chautari.services.base import PeerStateFileSpec
from chautari.services.nextcloud.peer_states import PEER_STATE_CODES
from chautari.services.registry import SERVICES
from chautari.ssh import runner_client
from chautari.ssh.message_validation import MalformedMessage

__all__ = ["nodes", "region", "server"]
HOOKS = PeerStateFileSpec("/var/lib/chautari-x/federation.json", PEER_STATE_CODES)
ENTRY = {"state": "green", "code": "trusted", "since": NOW, "data": {}}
Data = dict[str, Any]


def content(**entries: Any) -> str:
    text = json.dumps({"format": 1, "checked": NOW, "peers": entries})
    return b2a_base64(text.encode(), newline=False).decode()


class Answers:
    """What each node answers when it is asked for its files."""

    def __init__(self) -> None:
        good = {
            "event": "state_files",
            "files": {"nextcloud": content(himalaya=ENTRY)},
            "errors": {},
        }
        self.by_node: dict[str, Any] = {"med1": good}
        self.asked: list[str] = []
        self.error, self.code = "Permission denied (publickey).", 255

    def ask(self, target: Any, arguments: Data, payload: Any = None) -> Any:
        assert arguments == {"action": "state_files", "files": {"nextcloud": HOOKS.state_file}}
        self.asked.append(target.name)
        found = self.by_node[target.name]
        return ([] if found is None else [found]), Silent(self.error, self.code)


@pytest.fixture
def answers(region: Path, server: PeerServer, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Let a region with the peer himalaya run a service that works with peers, on med1."""
    found = Answers()
    monkeypatch.setattr(untrusted_files_from_nodes, "call_runner", fake_call_runner(found.ask))
    for name, service in SERVICES.items():
        hooks = HOOKS if name == "nextcloud" else None
        monkeypatch.setitem(
            SERVICES, name, replace(service, federation=hooks, service_for_region=None)
        )
    file = region / "region.yml"
    file.write_text(file.read_text() + "federation: {peers: [himalaya]}\n")
    (region / "known_hosts").write_text("203.0.113.10 k\n203.0.113.11 k\n")
    server.answer = serve(signed(body(NOW)))
    return found


def status(capsys: pytest.CaptureFixture[str], code: int = 0) -> Data:
    assert run(["federation", "status", "andes", "--json"]) == code
    found: Data = json.loads(capsys.readouterr().out)["peers"]
    return found


def test_status_asks_only_nodes_with_such_a_service(
    answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    found = status(capsys)["himalaya"]
    assert answers.asked == ["med1"]
    assert (found["pair"], found["cause"][:6]) == ("green", "serial")
    assert [(link["title"], link["node"], link["code"]) for link in found["links"]] == [
        ("", "", "current"), ("Nextcloud", "med1", "trusted"),
    ]  # fmt: skip


def test_status_is_broken_if_a_service_is(
    answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = ENTRY | {"state": "broken", "code": "clock_differs", "data": {"seconds": 900}}
    answers.by_node["med1"]["files"]["nextcloud"] = content(himalaya=bad)
    found = status(capsys, 1)["himalaya"]
    assert (found["state"], found["pair"]) == ("current", "broken")
    assert "900 seconds" in found["cause"] and "timedatectl" in found["next_step"]
    assert found["links"][1]["data"] == {"seconds": 900}


@pytest.mark.usefixtures("account_with_key")
def test_unreachable_node_is_said_and_hides_nothing(
    answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.by_node["med1"] = None
    found = status(capsys)["himalaya"]
    assert (found["state"], found["pair"]) == ("current", "pending")
    link = found["links"][1]
    assert link["code"] == "node_unreachable" and link["next_step"]
    assert "med1 could not be queried: 203.0.113.11 does not accept your SSH key" in link["cause"]


def test_node_that_answers_too_late_counts_as_unreachable(
    answers: Answers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untrusted_files_from_nodes, "NODE_SECONDS", 0.2)
    monkeypatch.setattr(untrusted_files_from_nodes, "call_runner", lambda *_: time.sleep(5))
    began = time.monotonic()
    assert status(capsys)["himalaya"]["links"][1]["code"] == "node_unreachable"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("known_hosts", ["", None], ids=["empty", "missing"])
def test_region_that_was_never_deployed_works(
    answers: Answers, region: Path, known_hosts: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (region / "known_hosts").unlink()
    if known_hosts is not None:
        (region / "known_hosts").write_text(known_hosts)
    link = status(capsys)["himalaya"]["links"][1]
    assert (link["code"], link["next_step"]) == ("not_deployed", "run: deploy region andes")
    assert answers.asked == []


def test_machine_without_python_is_not_deployed(
    answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.by_node["med1"], answers.code = None, 127
    assert status(capsys)["himalaya"]["links"][1]["code"] == "not_deployed"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"files": {}}, "file_missing"),
        ({"files": {"nextcloud": "%%%"}}, "file_unreadable"),
        ({"files": {"nextcloud": "ä"}}, "file_unreadable"),
        ({"files": {"nextcloud": ""}}, "file_unreadable"),
        ({"files": {"nextcloud": b2a_base64(b"x" * 65_537).decode()}}, "file_unreadable"),
        ({"errors": {"nextcloud": "\x1b[2J" + "x" * 100_000}}, "file_unreadable"),
        ({"files": {"other": content(himalaya=ENTRY)}}, "file_missing"),
    ],
)
def test_strange_answer_is_shown_as_such(
    answer: Data, code: str, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.by_node["med1"] |= answer
    assert run(["federation", "status", "andes"]) == (1 if code == "file_unreadable" else 0)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and len(shown) < 3000
    link = status(capsys, 1 if code == "file_unreadable" else 0)["himalaya"]["links"][1]
    assert link["code"] == code


@pytest.mark.parametrize(
    "program",
    [
        "import os\nwhile True: os.write(1, b'x' * 65536)",
        """import os\nwhile True: os.write(1, b'{"event": "state_files"}\\n' * 999)""",
        """print('\\x1b[2J\\n{"event": "state_files", "files": 5}')""",
        "import sys; sys.exit('\\x1b]0;x\\x07')",
    ],
    ids=["endless line", "endless lines", "another form", "an error"],
)
def test_node_that_prints_anything_else_is_not_asked_forever(
    program: str,
    answers: Answers,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(untrusted_files_from_nodes, "call_runner", runner_client.call_runner)
    argv = (sys.executable, "-S", "-c", program)
    monkeypatch.setattr(runner_client, "ssh_argv", lambda *_: argv)
    assert status(capsys)["himalaya"]["links"][1]["code"] == "node_unreachable"
    assert run(["federation", "status", "andes"]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("answer", [{"files": []}, {"files": {"nextcloud": 5}}, {"errors": None}])
def test_answer_of_another_form_is_refused_by_the_parser(answer: Data, answers: Answers) -> None:
    line = json.dumps(answers.by_node["med1"] | answer)
    with pytest.raises(MalformedMessage):
        runner_client.parse_answer(line, "state_files", StateFilesAnswer)


@pytest.mark.parametrize("columns", ["40", "80"])
def test_status_fits_the_terminal(
    answers: Answers,
    columns: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    entry = ENTRY | {"state": "pending", "code": "waiting_for_peer"}
    answers.by_node["med1"]["files"]["nextcloud"] = content(himalaya=entry, former=ENTRY)
    assert run(["federation", "status", "andes"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= int(columns)
    words = " ".join(shown.split())
    assert "himalaya: pending (himalaya.example.org)" in words
    assert "Descriptor" in words and "Nextcloud on med1" in words
    assert "former: pending" in words and "region.yml does not list it" in words


# ── In a deploy ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def deploy(
    nodes: Nodes, region: Path, server: PeerServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., RegionReport]:
    endpoints = Endpoints(ca_file=server.authority.certificate, peer_networks=("127.0.0.1/32",))
    secrets = SecretStore(
        {name: NODE_SECRETS[name] for name in NODE_SECRETS.names}
        | {"receipt_key": "k", "region_signing_key": "k"},
        (),
    )

    def resolve(request: Request, _: Any, **__: bool) -> DeployContext:
        given = [
            variables.variables_of_node(
                NodeContext(request.loaded_region, endpoints, name), secrets
            )
            for name in request.node_names()
        ]
        return DeployContext(request, endpoints, secrets, tuple(given))

    monkeypatch.setattr(pipeline, "ensure_context", resolve)

    def work(verb: Any = pipeline.deploy, **options: Any) -> RegionReport:
        request = Request(load_region(region / "region.yml"), "deploy region andes", **options)
        found: RegionReport = verb(request, nodes.tell, lambda _: None)
        return found

    return work


@pytest.mark.parametrize("verb", [pipeline.deploy, pipeline.verify])
def test_report_has_the_peers(answers: Answers, deploy: Any, verb: Any) -> None:
    report = deploy(verb)
    assert [(peer.name, peer.state) for peer in report.peers] == [("himalaya", "green")]
    assert answers.asked == ["med1"]


def test_peer_that_is_down_breaks_no_deploy(
    answers: Answers, deploy: Any, server: PeerServer, region: Path
) -> None:
    server.close()
    bad = ENTRY | {"state": "broken", "code": "unreachable"}
    answers.by_node["med1"]["files"]["nextcloud"] = content(himalaya=bad)
    pin = peers.peer_file(region, "himalaya").read_bytes()
    report = deploy()
    assert report.ok
    [status] = report.peers
    assert (status.state, status.worst_link.code) == ("broken", "unreachable")
    # The operator's own link may be down: only the nodes say that the peer is.
    assert status.links[0].code == "current"
    assert peers.peer_file(region, "himalaya").read_bytes() == pin


def test_deploy_waits_only_seconds_for_a_slow_peer(
    answers: Answers, deploy: Any, server: PeerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_status, "DEPLOY_SECONDS", 0.5)
    server.answer = lambda connection, path: time.sleep(20)
    began = time.monotonic()
    report = deploy()
    assert time.monotonic() - began < 5
    assert report.peers[0].state == "green"


def test_deploy_stores_nothing_but_sees_what_is_new(
    answers: Answers, deploy: Any, server: PeerServer, region: Path
) -> None:
    peers.write_pin_file(region, "himalaya", peer(peers=[]).model_copy(update={"url": server.url}))
    before = peers.peer_file(region, "himalaya").read_bytes()
    assert deploy().peers[0].state == "green"
    assert peers.peer_file(region, "himalaya").read_bytes() == before


def test_unreachable_node_is_not_asked_again(answers: Answers, nodes: Nodes, deploy: Any) -> None:
    nodes.answers["med1"] = None
    nodes.error = "ssh: connect to host 203.0.113.11 port 22: Connection timed out"
    report = deploy()
    assert answers.asked == [] and not report.ok
    [status] = report.peers
    assert (status.state, status.worst_link.code) == ("pending", "node_unreachable")
    assert "Connection timed out" in status.worst_link.cause


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        (pipeline.deploy, {"checks": False}),
        (pipeline.deploy, {"detach": True}),
        (pipeline.deploy, {"download_only": True}),
        (pipeline.plan, {}),
    ],
)
def test_nodes_are_asked_only_where_checks_run(
    verb: Any, options: Data, answers: Answers, deploy: Any
) -> None:
    assert deploy(verb, **options).peers == []
    assert answers.asked == []


def test_region_without_peers_pays_nothing(
    answers: Answers, deploy: Any, region: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = region / "region.yml"
    file.write_text(file.read_text().replace("[himalaya]", "[]"))
    monkeypatch.setattr(peer_status, "peer_statuses_after_run", None)
    assert deploy().peers == []
    assert answers.asked == []


# ── On the node ──────────────────────────────────────────────────────────────────────────────


def test_node_sends_its_files_as_they_are(tmp_path: Path) -> None:
    good, big = tmp_path / "good", tmp_path / "big"
    good.write_bytes(b'\xff{"a": 1}')
    big.write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to(good)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    names = ("good", "big", "link", "folder", "pipe", "missing")
    files = {name: str(tmp_path / name) for name in names}
    code = (
        "import json, sys, zlib, io; i = io.BytesIO(sys.stdin.buffer.read());"
        "m = json.loads(zlib.decompress(i.read(int(i.readline()))));"
        "exec(m[''].split('from chautari')[0]);"
        "from chautari.node import service_state_files;"
        "print(json.dumps(service_state_files.state_files_answer(json.loads(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, json.dumps(files)],
        input=runner_client.runner_stdin(b"", "state_files"),
        capture_output=True, timeout=10, check=False,
    )  # fmt: skip
    assert done.stderr == b""
    answer = runner_client.parse_answer(done.stdout.decode(), "state_files", StateFilesAnswer)
    assert answer is not None
    assert answer["files"]["good"] == b2a_base64(good.read_bytes(), newline=False).decode()
    assert len(answer["files"]["big"]) == len(b2a_base64(b"x" * 65_537, newline=False))
    assert set(answer["files"]) == {"good", "big"}
    assert set(answer["errors"]) == {"link", "folder", "pipe"}
