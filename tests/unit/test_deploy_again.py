"""A command given again uses what was computed before, and only while nothing changed."""

import json
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from region_samples import inventory
from test_deploy_stages import answer
from test_render_variables import SECRETS

from chautari.deploy import again, assemble, survey
from chautari.deploy.again import Memory
from chautari.deploy.request import Plan, Request
from chautari.render import variables
from chautari.render.endpoints import PUBLIC_INTERNET, Endpoints
from chautari.render.variables import NodeContext
from chautari.report import frame, html
from chautari.report.model import NodeReport, Notice, RegionReport
from chautari.secrets.store import SecretStore

Data = dict[str, Any]


class Nodes:
    """Stands in for the nodes of the samples, which were met before."""

    code, stderr, stopped = 0, "", False

    def __init__(self) -> None:
        self.answers: dict[str, Data | None] = {
            "bog1": answer("debian-12"),
            "med1": answer("debian-13"),
        }
        self.asked: dict[str, Any] = {}

    def ask(self, target: Any, arguments: Data, payload: Callable[[], bytes]) -> Any:
        self.asked[target.name] = (target, json.loads(zlib.decompress(payload())))
        found = self.answers[target.name]
        return ([] if found is None else [found]), self


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    found = Nodes()
    monkeypatch.setattr(survey, "ask", found.ask)
    return found


@pytest.fixture(autouse=True)
def toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small toolkit of its own, so that its files can be changed, and a state of its own."""
    for name in ("tool/a.py", "roles/base/tasks/main.yml", "playbooks/region.yml"):
        (tmp_path / "kit" / name).parent.mkdir(parents=True)
        (tmp_path / "kit" / name).write_text(name)
    monkeypatch.setattr(again, "_PACKAGE", tmp_path / "kit" / "tool")
    monkeypatch.setattr(again, "content_root", lambda: tmp_path / "kit")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CHAUTARI_KEY_PASSPHRASE", raising=False)
    return tmp_path / "kit"


def memory(folder: Path, verb: str = "region", **asked: Any) -> Memory:
    found = again.memory(folder / "andes" / "region.yml", verb, {"checks": False} | asked)
    assert found is not None
    return found


def thought_through(
    folder: Path, endpoints: Endpoints = PUBLIC_INTERNET, text: str | None = None
) -> Plan:
    """Return everything that is known of the region of the samples."""
    found = inventory(folder, text) if text else inventory(folder)
    found.known_hosts.write_text("203.0.113.10 k\n203.0.113.11 k\n")
    (folder / "andes" / "secrets.age").write_text("sealed")
    known = {name: SECRETS[name] for name in SECRETS.names} | {"receipt_key": "canary-receipts"}
    secrets = SecretStore(known, ())
    request = Request(found, "deploy region andes")
    given = [variables.of_node(NodeContext(found, endpoints, n), secrets) for n in request.chosen()]
    return Plan(request, endpoints, secrets, tuple(given))


def keep(folder: Path, verb: str = "region", **asked: Any) -> Plan:
    """Give the command a first time, which comes to a good end."""
    ready = thought_through(folder)
    known = memory(folder, verb, **asked)
    assert known.look(lambda *_: None, 2) is None
    known.keep(ready, ended(ready))
    return ready


def ended(ready: Plan) -> RegionReport:
    return assemble.finish(assemble.empty(ready.request, ready.endpoints), ready, "converge", 1.0)


def look(folder: Path, verb: str = "region", **asked: Any) -> RegionReport | None:
    return memory(folder, verb, **asked).look(lambda *_: None, 2)


def test_nodes_are_asked_the_same_and_the_report_says_the_same(
    tmp_path: Path, nodes: Nodes
) -> None:
    ready = keep(tmp_path)
    report = look(tmp_path)
    assert report is not None and report.ok
    for node in ready.nodes:
        target, sent = nodes.asked[node.node]
        whole = ready.inputs_of(node)
        assert sent == [{key: role[key] for key in survey.COMPARED} for role in whole]
        assert (target.address, target.port) == (
            ready.inventory.region.nodes[node.node].address,
            ready.inventory.region.nodes[node.node].port,
        )
        assert target.known_hosts == ready.inventory.known_hosts.resolve()
    first = ended(ready)
    for name in ("region", "domain", "command", "services", "doubles", "hints"):
        assert getattr(report, name) == getattr(first, name), name
    assert [(node.name, node.state) for node in report.nodes] == [
        ("bog1", "converged"), ("med1", "converged"),
    ]  # fmt: skip


def test_plan_says_that_nothing_would_run(tmp_path: Path, nodes: Nodes) -> None:
    keep(tmp_path, "plan")
    report = look(tmp_path, "plan")
    assert report is not None
    assert [(node.state, node.download_bytes) for node in report.nodes] == [("planned", 0)] * 2


@pytest.mark.parametrize(
    "changed",
    ["andes/region.yml", "andes/secrets.age", "kit/tool/a.py", "kit/playbooks/region.yml",
     "kit/roles/base/tasks/main.yml"],
)  # fmt: skip
def test_nothing_holds_once_a_file_it_came_from_changed(
    changed: str, tmp_path: Path, nodes: Nodes
) -> None:
    keep(tmp_path)
    file = tmp_path / changed
    before = file.stat()
    file.write_text(file.read_text()[::-1])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert look(tmp_path) is None
    assert nodes.asked == {}, "nothing was said to a node"


@pytest.mark.parametrize(
    "new", ["andes/artifacts.lock", "kit/tool/b.py", "kit/roles/web/tasks/main.yml"]
)
def test_nothing_holds_once_a_file_was_added(new: str, tmp_path: Path, nodes: Nodes) -> None:
    keep(tmp_path)
    (tmp_path / new).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / new).touch()
    assert look(tmp_path) is None
    assert nodes.asked == {}


def test_nothing_holds_for_another_question(tmp_path: Path, nodes: Nodes) -> None:
    keep(tmp_path)
    (tmp_path / "key").touch()
    assert look(tmp_path, nodes=("bog1",)) is None
    assert look(tmp_path, identities=(tmp_path / "key",)) is None
    assert look(tmp_path, "plan") is None


def test_nothing_holds_with_another_python(
    tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path)
    monkeypatch.setattr(again.sys, "version", "4.0")
    assert look(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"nonsense", b"\xff", b'{"format": 1}'])
def test_what_is_damaged_counts_as_nothing(content: bytes, tmp_path: Path, nodes: Nodes) -> None:
    keep(tmp_path)
    [file] = (tmp_path / "state" / "chautari" / "again").glob("*.json")
    file.write_bytes(content)
    assert look(tmp_path) is None


def test_what_another_toolkit_kept_counts_as_nothing(tmp_path: Path, nodes: Nodes) -> None:
    keep(tmp_path)
    [file] = (tmp_path / "state" / "chautari" / "again").glob("*.json")
    kept = json.loads(file.read_text())
    kept["targets"][0]["jump"] = "x"
    file.write_text(json.dumps(kept))
    assert look(tmp_path) is None


def test_node_that_moved_to_a_new_address_is_not_taken_for_silent(
    tmp_path: Path, nodes: Nodes
) -> None:
    ready = keep(tmp_path)
    file = tmp_path / "andes" / "region.yml"
    for old in ("203.0.113.10", "203.0.113.11"):
        file.write_text(file.read_text().replace(old, f"{old}1"))
    ready.inventory.known_hosts.write_text("198.51.100.7 k\n")
    known = memory(tmp_path)
    assert known.look(lambda *_: None, 2) is None
    assert (nodes.asked, known.surveys) == ({}, {})


def test_files_beside_a_link_are_those_that_count(tmp_path: Path, nodes: Nodes) -> None:
    keep(tmp_path)
    file = tmp_path / "andes" / "region.yml"
    file.rename(tmp_path / "elsewhere.yml")
    file.symlink_to(tmp_path / "elsewhere.yml")
    assert look(tmp_path) is not None
    (tmp_path / "andes" / "secrets.age").write_text("sealed anew")
    assert look(tmp_path) is None


def test_what_changed_while_it_was_computed_is_not_kept(tmp_path: Path, nodes: Nodes) -> None:
    ready, known = thought_through(tmp_path), memory(tmp_path)
    assert known.look(lambda *_: None, 2) is None
    (tmp_path / "andes" / "secrets.age").write_text("sealed anew")
    known.keep(ready, ended(ready))
    assert look(tmp_path) is None


def test_region_that_is_not_well_is_not_kept(tmp_path: Path, nodes: Nodes) -> None:
    ready, known = thought_through(tmp_path), memory(tmp_path)
    known.look(lambda *_: None, 2)
    report = ended(ready)
    report.nodes = [NodeReport("bog1", "203.0.113.10", "failed")]
    known.keep(ready, report)
    assert look(tmp_path) is None


@pytest.mark.parametrize(
    "found",
    [None, answer("debian-12", reasons={"base": [{"kind": "path", "name": "/x", "text": "/x"}]}),
     answer("debian-12", unwanted=["turn"]), answer("debian-12", busy={"operator": "luz"}),
     answer("debian-11")],
    ids=["silent", "stale", "unwanted", "busy", "another system"],
)  # fmt: skip
def test_node_with_anything_to_do_is_worked_on_with_the_answer_it_gave(
    found: Data | None, tmp_path: Path, nodes: Nodes
) -> None:
    keep(tmp_path)
    nodes.answers["bog1"] = found
    known = memory(tmp_path)
    assert known.look(lambda *_: None, 2) is None
    assert set(known.surveys) == {"bog1", "med1"}
    assert known.surveys["bog1"].answered is (found is not None)


@pytest.mark.parametrize(
    "asked",
    [{"full": True}, {"canary": "bog1"}, {"purge": True}, {"checks": True}],
    ids=str,
)
def test_command_that_does_more_than_look_is_always_thought_through(asked: Data) -> None:
    assert again.memory(Path("/r/region.yml"), "region", {"checks": False} | asked) is None
    assert again.memory(Path("/r/region.yml"), "verify", {}) is None


def test_no_secret_is_kept_and_nobody_else_can_read_it(tmp_path: Path, nodes: Nodes) -> None:
    keep(tmp_path)
    folder = tmp_path / "state" / "chautari" / "again"
    [file] = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    text = file.read_text()
    assert "canary" not in text
    assert all(SECRETS[name] not in text for name in SECRETS.names)


def test_page_of_the_same_report_is_not_made_anew(
    tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path)
    known = memory(tmp_path)
    report = known.look(lambda *_: None, 2)
    assert report is not None
    made = known.frame(report)
    assert made is not None and frame.fill(made, report) == html.render_html(report)
    monkeypatch.delattr(html, "render_html")
    later = replace(report, started=time.strftime("%Y-%m-%dT23:59:59%z"), seconds=61.0)
    page = memory(tmp_path).frame(later)
    assert page == made
    monkeypatch.undo()
    assert frame.fill(made, later) == html.render_html(later)
    noticed = replace(
        report, nodes=[replace(report.nodes[0], notices=[Notice.plain("make an A record")])]
    )
    assert "make an A record" in (known.frame(noticed) or "")
