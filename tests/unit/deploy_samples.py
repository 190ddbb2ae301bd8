"""Fake nodes, connections and clocks for the tests of a deploy."""

import base64
import getpass
import hashlib
import json
import platform
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from node_samples import SECRETS
from region_samples import load_sample_region

from chautari.deploy import node_run, pipeline, remote_run, survey
from chautari.deploy.request import DeployContext, Request
from chautari.errors import RunFailed
from chautari.parallel import PARALLEL
from chautari.prepare import child_process
from chautari.process import OutputLimits
from chautari.render import bundle, variables
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.variables import NodeContext
from chautari.report.model import CheckResult, NodeReport, RegionReport
from chautari.secrets.store import SecretStore
from chautari.ssh import runner_client
from chautari.ssh.message_validation import parse_answer
from chautari.ssh.runner_client import SSH_FAILED, RunnerReply
from chautari.ssh.target import SSHTarget

TARGET = SSHTarget("bog1", "203.0.113.10", 22, "root", Path("known_hosts"))
STARTED = {"event": "run_started", "run": "r", "offset": 10}
FINISHED = {"event": "run_finished", "ok": True, "seconds": 1.0, "offset": 99}
WANTED: dict[str, Any] = {"mode": "deploy", "full": False}
ROLE = {
    "event": "role_finished", "role": "base", "ok": 3, "changed": 2, "failed": 0, "skipped": 1,
    "rescued": 0, "seconds": 1.5,
}  # fmt: skip
CHECK = {
    "event": "check", "side": "inside", "node": "bog1", "service": "base", "check": "test_x",
    "outcome": "failed", "title": "X", "seconds": 0.1, "message": "no", "advice": "do", "units": [],
    "journal": ["line"],
}  # fmt: skip
NEW = [{"code": "receipt_missing", "data": {}}]
CHANGED = [{"code": "role_changed", "data": {}}]
NOTICE = {"code": "role_message", "data": {"role": "base", "text": "make an A record"}}
UP_TO_DATE = [{"role": "base", "run": "r", "notices": [NOTICE]}]
Data = dict[str, Any]
CONVERGE = remote_run.start_run_and_collect_checks
OURS = {
    "operator": getpass.getuser(), "origin": platform.node(), "region": "andes", "run": "q",
    "sha256": hashlib.sha256(b"b").hexdigest(), "mode": "deploy", "checks": True,
}  # fmt: skip
LUZ = OURS | {"operator": "luz", "since": 0.0}
FREE = ([{"event": "activity", "busy": None}], 0)
Followed = tuple[NodeReport, list[Any], list[Any]]


@dataclass
class Silent:
    stderr: str
    code: int = 255
    stopped: bool = False


def fake_call_runner(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `call_runner` whose answers and connections come from `ask`."""

    def call_runner(
        target: Any, arguments: Data, kind: Any, payload: Any = b""
    ) -> RunnerReply[Any]:
        events, ending = ask(target, arguments, payload)
        lines = [json.dumps(event) for event in events]
        answers = [parse_answer(line, arguments["action"], kind) for line in lines]
        cut = not ending.stopped and ending.code == SSH_FAILED
        return RunnerReply(
            next(iter(answers), None), ending.code, ending.stderr,
            cut and runner_client._may_have_lost_connection(ending.stderr),
        )  # fmt: skip

    return call_runner


class Link:
    """A fake SSH: each connection returns its lines and an exit code."""

    def __init__(self, *connections: tuple[list[Any], int], stderr: str = "") -> None:
        self.connections = list(connections)
        self.commands: list[tuple[str, ...]] = []
        self.stderr, self.stopped, self.flooded = stderr, False, False
        self.code: int | None = None

    def __call__(self, argv: tuple[str, ...], stdin: bytes, limits: OutputLimits) -> "Link":
        assert limits == runner_client.NODE_LIMITS
        self.commands.append(argv)
        return self

    def __iter__(self) -> Iterator[str]:
        events, code = self.connections.pop(0)
        yield "Welcome to the machine"
        yield from (event if isinstance(event, str) else json.dumps(event) for event in events)
        self.code = code


class Clock:
    """A fake clock: only `sleep` lets time pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.localtime, self.strftime = time.localtime, time.strftime

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(remote_run, "time", found)
    return found


def follow(monkeypatch: pytest.MonkeyPatch, link: Link, detach: bool = False) -> Followed:
    events: list[Any] = []
    monkeypatch.setattr(runner_client, "RunningCommand", link)
    report = NodeReport("bog1", "203.0.113.10", "converged")
    about = {"run": "r", "operator": "ana", "origin": "cusco", "region": "andes"} | WANTED
    checks, holder = remote_run.start_run_and_collect_checks(
        TARGET, b"b", about, report, lambda node, event: events.append(event), detach
    )
    return report, checks, [*events, holder] if holder is not None else events


def actions(link: Link) -> list[tuple[str, str]]:
    removed_roles = [json.loads(base64.b64decode(argv[-1].split()[-1])) for argv in link.commands]
    return [(item["action"], item.get("run", "")) for item in removed_roles]


def facts(release: str, **changed: Any) -> list[str]:
    """Return the facts of a suitable machine."""
    values = {
        "os": release, "machine": "x86_64", "uid": 0, "now": int(time.time()), "init": "systemd",
        "memory_kb": 4_000_000, "venv": child_process.node_requirements_digest(),
        "free_kb:/": 90_000_000,
        "free_inodes:/": 900_000,
    } | changed  # fmt: skip
    return [f"{key}={value}" for key, value in values.items()]


@dataclass
class Nodes:
    """Fake nodes: the answer of each to the survey, and the steps that it went through."""

    answers: dict[str, Data | None] = field(default_factory=dict)
    outcome: dict[str, str] = field(default_factory=dict)
    checks: dict[str, list[CheckResult]] = field(default_factory=dict)
    surveyed: list[str] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    preparations: list[str] = field(default_factory=list)
    converged: list[str] = field(default_factory=list)
    about: dict[str, Data] = field(default_factory=dict)
    reported: list[tuple[str, str]] = field(default_factory=list)
    events: list[Data] = field(default_factory=list)
    error: str = "Warning: x\nPermission denied (publickey)."
    code: int = 255

    def ask(self, target: Any, arguments: Data, payload: Any = None) -> Any:
        assert arguments == {"action": "survey"}
        assert [item["role"] for item in json.loads(zlib.decompress(payload()))][:2] == [
            "base",
            "ssh",
        ]
        self.surveyed.append(target.name)
        answer = self.answers[target.name]
        return ([] if answer is None else [answer]), Silent(self.error, self.code)

    def prepare(
        self, region: Any, targets: Any, tell: Any, preparation: str, resolver: Any, parallel: int
    ) -> dict[str, NodeReport]:
        assert parallel == PARALLEL
        self.prepared += [target.name for target in targets]
        self.preparations.append(preparation)
        for target in targets:  # first contact pins its key
            with target.known_hosts.open("a") as known_hosts:
                known_hosts.write(f"{target.address} k\n")
        return {target.name: self.report(target) for target in targets}

    def report(self, target: Any) -> NodeReport:
        state: Any = self.outcome.get(target.name, "converged")
        return NodeReport(target.name, target.address, state)

    def converge(
        self, target: Any, bundle: bytes, about: Data, report: NodeReport, tell: Any, detach: bool
    ) -> tuple[list[CheckResult], None]:
        self.converged.append(target.name)
        self.about[target.name] = about
        if self.outcome.get(target.name) == "failed task":
            report.state, report.failed = "failed", 1
        if self.outcome.get(target.name) == "bug":
            raise AssertionError("a bug")
        if self.outcome.get(target.name) == "error":
            raise RunFailed("no room", fix="make room")
        return self.checks.get(target.name, []), None

    def tell(self, node: str, event: Data) -> None:
        self.reported.append((node, event["event"]))
        self.events.append(event)


def answer(release: str, **changed: Any) -> Data:
    found = {"event": "survey", "facts": facts(release), "busy": None, "reasons": {}}
    found["up_to_date"] = UP_TO_DATE
    return found | changed


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    """Two nodes on which every receipt holds."""
    found = Nodes({"bog1": answer("debian-12"), "med1": answer("debian-13")})
    monkeypatch.setattr(survey, "call_runner", fake_call_runner(found.ask))
    monkeypatch.setattr(node_run, "run_preflight_and_prepare", found.prepare)
    monkeypatch.setattr(remote_run, "start_run_and_collect_checks", found.converge)
    monkeypatch.setattr("chautari.deploy.outside_checks.run_outside_checks", lambda *_: [])
    return found


@pytest.fixture
def run(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., RegionReport]:
    """Run the pipeline on the region of the samples, whose nodes were met before."""
    region = load_sample_region(tmp_path)
    region.known_hosts_file.write_text("203.0.113.10 k\n203.0.113.11 k\n")
    secrets = SecretStore({name: SECRETS[name] for name in SECRETS.names} | {
        "receipt_key": "canary-receipts"}, ())  # fmt: skip

    def plan(request: Request, _: Any, **__: bool) -> DeployContext:
        given = [
            variables.variables_of_node(NodeContext(region, PUBLIC_INTERNET, name), secrets)
            for name in request.node_names()
        ]
        return DeployContext(request, PUBLIC_INTERNET, secrets, tuple(given))

    monkeypatch.setattr(pipeline, "ensure_context", plan)

    def work(verb: Any = pipeline.deploy, **options: Any) -> RegionReport:
        request = Request(region, "deploy region andes", **options)
        found: RegionReport = verb(request, nodes.tell, lambda _: None)
        return found

    return work


def states(report: RegionReport) -> dict[str, str]:
    return {node.name: node.state for node in report.nodes}


def busy_answer(holder: Data, **changed: Any) -> Data:
    """Return the answer of a busy node."""
    return {"event": "survey", "facts": facts("debian-12", **changed), "busy": holder}


@pytest.fixture
def removed_roles(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Follow the nodes through real connections; return the roles that each bundle removes."""
    found: list[list[str]] = []

    def pack(_: Any, __: Any, unwanted: list[str]) -> bytes:
        found.append(unwanted)
        return b"b"

    monkeypatch.setattr(bundle, "pack_bundle", pack)
    monkeypatch.setattr(remote_run, "start_run_and_collect_checks", CONVERGE)
    return found


def use_link(monkeypatch: pytest.MonkeyPatch, *connections: tuple[list[Any], int]) -> Link:
    link = Link(*connections)
    monkeypatch.setattr(runner_client, "RunningCommand", link)
    return link


def answer_surveys(nodes: Nodes, *answers: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let bog1 return these answers, one for each survey."""
    left = list(answers)

    class Answers(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            return left.pop(0) if name == "bog1" else super().__getitem__(name)

    monkeypatch.setattr(nodes, "answers", Answers(nodes.answers))
