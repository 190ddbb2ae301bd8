"""What a restore asks of which node, and what it believes of the answers."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from region_samples import KEY, ROOT

from chautari.backup import drill, restore_order, sandbox_copy
from chautari.backup.restore_events import (
    EventHead,
    RestoreFinished,
    RestoreResult,
    StepStarted,
    parse_restore_event,
)
from chautari.backup.restore_order import NodeContextSource, plan_orders
from chautari.errors import BadInput
from chautari.node.restore.request import parse_request
from chautari.region.load import LoadedRegion, load_region
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.secrets.store import SecretStore
from chautari.ssh.runner_client import restore_module_sources

REGION = f"""\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
languages: [es]
operators: {{ana: {KEY} ana@laptop}}
nodes:
  bog1: {{address: 203.0.113.20, os: debian-12, services: [nextcloud, polls]}}
  bog2: {{address: 203.0.113.21, services: [portal]}}
  new1: {{address: 203.0.113.22}}
services:
  nextcloud: {{quota: 3 GB}}
mail: {{relay: smtp.example.net, user: region, from: cloud@andes.example.org}}
backup:
  to: [disk, box]
  targets:
    disk: {{disk: /mnt/backup}}
    box: {{ssh: u1@box.example.org, port: 23, host_key: {KEY}}}
"""


def load(folder: Path, text: str = REGION) -> LoadedRegion:
    file = folder / "andes" / "region.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    pin = "{1.1.19: {url: 'https://example.org/f.zip', sha256: " + "ab" * 32 + "}}"
    (file.parent / "artifacts.lock").write_text(f"framadate: {pin}\n")
    return load_region(file)


@pytest.fixture
def source(tmp_path: Path) -> NodeContextSource:
    return NodeContextSource(load(tmp_path), PUBLIC_INTERNET)


def test_orders_restore_all_services_from_the_first_target(source: NodeContextSource) -> None:
    first, second = plan_orders(source, ("bog1", "bog2", "new1"))
    assert (first.node, first.services) == ("bog1", ("nextcloud", "polls"))
    assert first.target.repository == "/mnt/backup/andes/bog1"
    assert second.services == ("portal",)


def test_order_takes_one_service_and_one_target(source: NodeContextSource) -> None:
    [order] = plan_orders(source, ("bog1",), service="polls", target="box")
    assert order.services == ("polls",)
    assert order.target.repository == "ssh://u1@box.example.org:23/./chautari/andes/bog1"
    assert order.known_hosts == (f"[box.example.org]:23 {KEY}",)
    assert "box" in order.describe(0) and "2026-11-29 18:00" in order.describe(1795975200)


def test_certificates_are_restored_only_by_name(source: NodeContextSource) -> None:
    [order] = plan_orders(source, ("bog1",), service="node")
    assert order.states[0].state.folders[0].path == "/etc/letsencrypt"


def test_backup_of_another_node_is_read_from_its_repository(tmp_path: Path) -> None:
    text = REGION.replace("services: [nextcloud, polls]}", "services: []}").replace(
        "new1: {address: 203.0.113.22}",
        "new1: {address: 203.0.113.22, os: debian-13, services: [nextcloud]}",
    )
    source = NodeContextSource(load(tmp_path, text), PUBLIC_INTERNET)
    [order] = plan_orders(source, ("new1",), backup_of="bog1")
    assert order.target.repository == "ssh://u1@box.example.org:23/./chautari/andes/bog1"
    [gone] = plan_orders(source, ("new1",), backup_of="dead1")
    assert gone.target.repository.endswith("/andes/dead1")


@pytest.mark.parametrize(
    ("nodes", "values", "reason"),
    [
        (("new1",), {}, "runs no service that keeps data"),
        (("bog1",), {"service": "jitsi"}, "does not run jitsi"),
        (("bog1",), {"target": "himalaya"}, "stores no backups of bog1"),
        (("bog2",), {"backup_of": "bog1", "target": "disk"}, "can be restored now"),
        (("bog1", "bog2"), {"backup_of": "bog1"}, "only be restored on one node"),
    ],
)
def test_orders_refuse_what_cannot_be_restored(
    source: NodeContextSource, nodes: tuple[str, ...], values: dict[str, str], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        plan_orders(source, nodes, **values)


def test_region_without_backups_is_refused(tmp_path: Path) -> None:
    source = NodeContextSource(load(tmp_path, REGION.partition("backup:")[0]), PUBLIC_INTERNET)
    with pytest.raises(BadInput, match="has no backups"):
        plan_orders(source, ("bog1",))


def test_node_reads_the_request_as_it_was_written(source: NodeContextSource) -> None:
    [order] = plan_orders(source, ("bog1",))
    request = restore_order.request_of_order(order, "andes", 7, {"operator": "ana"}, 1764460000)
    journal = json.loads(json.dumps(restore_order.initial_journal(request)))
    assert parse_request(journal["request"]) == request
    assert request.id == "20251129t234640" and not request.compare_hashes
    drill = replace(order, compare_hashes=True)
    request = restore_order.request_of_order(drill, "andes", 7, {"operator": "ana"}, 1764460000)
    assert parse_request(restore_order.initial_journal(request)["request"]).compare_hashes
    assert request.commands["nextcloud"].adapt[1:] == ("adapt",)
    secrets = SecretStore(
        {"backup_passphrase_bog1": "canary-1", "backup_login_key_bog1": "canary-2"}, ()
    )
    access = restore_order.repository_access_of_order(order, secrets)
    assert access["passphrase"] == "canary-1" and access["login_key"] == "canary-2"
    assert "canary" not in json.dumps(journal)
    with pytest.raises(BadInput, match="lack backup_passphrase_bog1"):
        restore_order.repository_access_of_order(order, SecretStore({}, ()))


RESULT: dict[str, Any] = {
    "id": "20261130t110000", "ok": True, "finished": 1.5, "node": "bog1", "target": "box",
    "archive": "a", "archive_time": 1, "services": ["nextcloud"], "figures": {"files": 3},
    "error": None, "kept": {"paths": ["/x"], "databases": [["postgresql", "nextcloud"]]},
}  # fmt: skip


def test_events_of_a_node_are_parsed() -> None:
    step = parse_restore_event('{"event": "step", "step": "copy", "time": 1.0, "offset": 9}')
    assert isinstance(step, StepStarted) and step.step == "copy"
    finished = parse_restore_event(json.dumps({"event": "finished", "offset": 9, **RESULT}))
    assert isinstance(finished, RestoreFinished) and finished.figures.files == 3
    assert isinstance(parse_restore_event('{"event": "newer", "offset": 3}'), EventHead)
    assert parse_restore_event("Welcome to bog1!") is None


@pytest.mark.parametrize(
    "values",
    [
        {"id": "../../etc"},
        {"ok": "yes"},
        {"archive": "x" * 5000},
        {"services": ["x"] * 1000},
        {"figures": {"files": -1}},
        {"figures": {"rows": 2**60}},
        {"error": {"code": "a b", "data": {}}},
        {"error": {"code": "a", "data": {"x": ["nested"]}}},
        {"kept": {"paths": ["x"] * 2000, "databases": []}},
    ],
)
def test_hostile_result_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="finished"):
        parse_restore_event(json.dumps({"event": "finished", "offset": 9, **RESULT, **values}))


def test_text_of_an_error_has_no_line_breaks_of_the_node() -> None:
    content = {**RESULT, "ok": False, "error": {"code": "dump_failed", "data": {
        "database": "nextcloud", "message": "a\nb {0} {x.__class__}"}}}  # fmt: skip
    found = RestoreResult.model_validate_json(json.dumps(content))
    assert found.error is not None
    assert found.error.reason.endswith("cannot be loaded: a b {0} {x.__class__}")


def imports_of(name: str, sources: dict[str, str]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(sources[name])):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chautari"):
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {item if item in sources else str(node.module) for item in full}
    return found


def test_restore_sends_all_modules_that_it_imports() -> None:
    sources = restore_module_sources()
    needed = set().union(*(imports_of(name, sources) for name in sources if "restore" in name))
    assert needed <= set(sources)


def test_drill_on_the_node_has_no_code_that_changes_live_data() -> None:
    sources, reached = restore_module_sources(), {"chautari.node.restore.drill"}
    while new := set().union(*(imports_of(name, sources) for name in reached)) - reached:
        reached |= new
    assert not reached & {
        "chautari.node.restore.switch", "chautari.node.restore.steps",
        "chautari.node.restore.kept_data_deletion", "chautari.node.restore.restore_unit",
    }  # fmt: skip
    installed = yaml.safe_load((ROOT / "roles/backup/vars/main.yml").read_text())
    modules = {f"chautari.node.restore.{name}" for name in installed["__backup_drill_modules"]}
    assert {name for name in reached if ".restore." in name} <= modules
    shared = ROOT / "roles/backup/files/shared/chautari/node/restore"
    assert {f"chautari.node.restore.{file.stem}" for file in shared.iterdir()} == modules


def test_copy_of_a_region_has_own_addresses_and_no_targets(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    copy = sandbox_copy.write_copy(loaded, ("bog1",), "192.0.2.0/26", tmp_path / "drills")
    region = copy.region
    assert (region.region, region.domain) == ("andes-drill", "andes.example.org")
    assert region.sandbox is not None and region.backup is None and not region.federation.peers
    assert list(region.nodes) == ["bog1"] and region.nodes["bog1"].address == "192.0.2.10"
    assert region.nodes["bog1"].os == "debian-12"
    assert region.mail is not None and region.mail.relay == "smtp.andes.example.org"
    assert region.nodes["bog1"].services == ("nextcloud", "polls")
    assert "3 GB" in (copy.folder / "region.yml").read_text()
    sandbox_copy.delete_files_of_copy(copy)
    assert not copy.folder.exists()


def test_name_of_a_copy_is_a_valid_name() -> None:
    assert sandbox_copy.region_name_of_copy("a" * 31) == "a" * 25 + "-drill"
    assert (
        sandbox_copy.region_name_of_copy("abcdefghijklmnopqrstuvwx-yz")
        == "abcdefghijklmnopqrstuvwx-drill"
    )


def test_target_of_a_drill_gets_its_address(
    source: NodeContextSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostbyname", lambda _: "198.51.100.7")
    [order] = plan_orders(source, ("bog1",), target="box")
    found = drill._add_target_address(order)
    assert found.target.repository == "ssh://u1@198.51.100.7:23/./chautari/andes/bog1"
    assert found.known_hosts == (f"[198.51.100.7]:23 {KEY}",)


def test_drill_does_not_use_a_disk_of_the_node(source: NodeContextSource) -> None:
    [order] = plan_orders(source, ("bog1",))
    assert drill._replace_disk_target(source, order, "").target.name == "box"
    with pytest.raises(BadInput, match="are on a disk of this node"):
        drill._replace_disk_target(source, order, "disk")
