"""What happens before the first connection of a deploy, and after the last one."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deploy_samples import Silent, fake_call_runner
from node_samples import node
from region_samples import REGION, ROOT, SANDBOX, key_pair, load_sample_region

from chautari.deploy import inventory_export, outside_checks, region_report, request, status
from chautari.deploy.request import DeployContext, Request, ensure_context, run_initiator
from chautari.errors import BadInput
from chautari.process import CompletedProcess
from chautari.render.endpoints import PUBLIC_INTERNET, Endpoints
from chautari.report import summary
from chautari.report.model import NodeReport, NodeState, RegionReport

SANDBOX_REGION = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
sandbox: {{network: 198.51.100.0/24}}
nodes:
  bog1: {{address: 198.51.100.11, services: [nextcloud]}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
"""


def make_request(folder: Path, monkeypatch: pytest.MonkeyPatch, *nodes: str) -> Request:
    """Return a request for a sandbox's region whose key lies in `folder`."""
    public = key_pair(folder, "operator")
    endpoints = replace(SANDBOX, operators={"sandbox": (public,)}, ssh_key=folder / "operator")
    monkeypatch.setattr(request, "ensure_endpoints", lambda *_: endpoints)
    monkeypatch.setattr(inventory_export, "known_endpoints", lambda _: endpoints)
    return Request(load_sample_region(folder, SANDBOX_REGION), "deploy region andes", nodes)


def say(_: str) -> None:
    pass


def test_unknown_node_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        Request(load_sample_region(tmp_path), "deploy", ("bog9",)).node_names()
    assert (
        str(refused.value)
        == "this region has no node 'bog9'\n  Fix: did you mean bog1? Known: bog1, med1"
    )


def test_request_without_names_means_all_nodes(tmp_path: Path) -> None:
    assert Request(load_sample_region(tmp_path), "deploy").node_names() == ("bog1", "med1")
    assert Request(load_sample_region(tmp_path), "deploy", ("med1",)).node_names() == ("med1",)


def test_context_has_secrets_and_variables_of_every_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = ensure_context(make_request(tmp_path, monkeypatch), say)
    assert ready.secrets["mail_relay_password"] == "canary-relay"
    [found] = ready.nodes
    assert found.secret["nextcloud_admin_password"] == ready.secrets["nextcloud_admin_password"]
    assert ready.loaded_region.secrets_file.is_file()


def test_context_hides_secrets_in_its_representation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = ensure_context(make_request(tmp_path, monkeypatch), say)
    for name in ready.secrets.names:
        assert ready.secrets[name] not in repr(ready)


def test_missing_secret_is_reported_first(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="deploy secrets set andes mail_relay_password"):
        ensure_context(
            Request(load_sample_region(tmp_path), "deploy", identities=(tmp_path / "none",)), say
        )


def test_run_metadata_names_operator_and_origin() -> None:
    metadata = run_initiator("r", "andes", "bog1")
    assert set(metadata) == {"run", "region", "node", "operator", "origin"}
    assert metadata["operator"] and metadata["origin"]


def test_export_writes_an_inventory_with_private_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    files = inventory_export.write_static_inventory(
        make_request(tmp_path, monkeypatch), out, with_secrets=True
    )
    modes = {str(file.relative_to(out)): stat.S_IMODE(file.stat().st_mode) for file in files}
    assert modes == {
        "hosts.yml": 0o644,
        "host_vars/bog1/main.yml": 0o644,
        "host_vars/bog1/secrets.yml": 0o600,
    }
    assert str(tmp_path / "operator") in (out / "hosts.yml").read_text()


def test_export_without_secrets_needs_no_key(tmp_path: Path) -> None:
    files = inventory_export.write_static_inventory(
        Request(load_sample_region(tmp_path), "render"), tmp_path / "out", False
    )
    assert {file.name for file in files} == {"hosts.yml", "main.yml"}


def make_context(folder: Path, endpoints: Endpoints, *nodes: str) -> DeployContext:
    region_request = Request(load_sample_region(folder), "deploy region andes", nodes)
    return DeployContext(region_request, endpoints, request.SecretStore({}, ()), ())


def test_report_says_how_each_service_is_opened(tmp_path: Path) -> None:
    [service] = region_report.service_accesses(make_context(tmp_path, SANDBOX))
    assert (service.url, service.node) == ("https://cloud.andes.example.org/", "med1")
    assert (service.version, service.login) == ("35.0.1 (double)", "admin")
    assert service.note.endswith("deploy secrets show andes nextcloud_admin_password")


def test_report_leaves_out_services_of_other_nodes(tmp_path: Path) -> None:
    assert region_report.service_accesses(make_context(tmp_path, PUBLIC_INTERNET, "bog1")) == []


def test_report_names_the_doubles(tmp_path: Path) -> None:
    ready = make_context(tmp_path, SANDBOX)
    report = region_report.new_report(ready.request, ready.endpoints)
    assert [(item.name, item.reason) for item in report.doubles] == [
        ("nextcloud", "no route to upstream")
    ]


def test_report_names_os_substitutes(tmp_path: Path) -> None:
    stand_in = "os_substitutes: {{ubuntu-22.04: {{os: debian-12, memory_mb: 900, cores: 1}}}}"
    text = SANDBOX_REGION.replace("/24}}", f"/24, {stand_in}}}}}").replace(
        "services: [nextcloud]", "os: ubuntu-22.04, services: [bigbluebutton]"
    )
    found = load_sample_region(
        tmp_path, f"{text}services: {{{{bigbluebutton: {{{{rooms: none}}}}}}}}\n"
    )
    report = region_report.new_report(Request(found, "deploy region andes"), PUBLIC_INTERNET)
    assert [vars(item) for item in report.doubles] == [
        {
            "name": "ubuntu-22.04",
            "version": "on bog1",
            "reason": "a container with debian-12 replaces it",
        }
    ]


def test_report_says_what_to_do_after_a_failure(tmp_path: Path) -> None:
    ready = make_context(tmp_path, PUBLIC_INTERNET)
    report = RegionReport("andes", "d", "", "", nodes=[NodeReport("bog1", "a", "unreachable")])
    finished = region_report.finalize_report(report, ready, "deploy", 1.0)
    assert summary.next_step_texts(finished)[-1] == "When this is done, run: deploy region andes"


def test_finalize_reports_verified_after_verify(tmp_path: Path) -> None:
    nodes = [NodeReport("bog1", "a", "converged"), NodeReport("med1", "b", "refused")]
    report = RegionReport("andes", "d", "", "", nodes=nodes)
    finished = region_report.finalize_report(
        report, make_context(tmp_path, PUBLIC_INTERNET), "verify", 1.0
    )
    assert [item.state for item in finished.nodes] == ["verified", "refused"]


@pytest.mark.parametrize(("state", "count"), [("converged", 2), ("unreachable", 0), ("failed", 0)])
def test_how_to_open_a_sandbox_is_said_where_it_runs(
    state: NodeState, count: int, tmp_path: Path
) -> None:
    folder = tmp_path / "sandbox"
    found = load_sample_region(folder, SANDBOX_REGION)
    ready = DeployContext(
        Request(found, "deploy region andes"), SANDBOX, request.SecretStore({}, ()), ()
    )
    nodes = [NodeReport(name, node.address, state) for name, node in found.region.nodes.items()]
    report = RegionReport("andes", "d", "", "", nodes=nodes)
    hints = region_report.finalize_report(report, ready, "deploy", 1.0).hints
    assert len(hints) == count
    for hint in hints[:1]:
        assert hint.text.endswith(
            "run: printf '%s\\n' '198.51.100.11 cloud.andes.example.org' | sudo tee -a /etc/hosts"
        )


def test_hosts_line_names_each_service(tmp_path: Path) -> None:
    region = load_sample_region(tmp_path).region
    assert region_report.sandbox_hosts_file_lines(region) == [
        "203.0.113.11 cloud.andes.example.org"
    ]


def test_outside_checks_are_called_with_exactly_these_arguments() -> None:
    argv = outside_checks.outside_checks_command(7, Path("/r"), [Path("/c/test_outside.py")])
    assert argv[:3] == ("env", "CHAUTARI_SETTINGS=7", "CHAUTARI_RESULTS=/r")
    assert argv[4:] == (
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly",
        "-p", "chautari.checks.outside", "--import-mode=importlib", "-c", "/dev/null",
        "--rootdir", str(ROOT), "/c/test_outside.py",
    )  # fmt: skip


def test_outside_checks_are_those_of_the_nodes_roles(tmp_path: Path) -> None:
    files = outside_checks.outside_check_files([node(tmp_path, "bog1"), node(tmp_path, "med1")])
    roles = [file.parts[-3] for file in files]
    assert roles == [role for role in node(tmp_path, "med1").roles if role in roles]
    assert {"nginx", "tls"} <= set(roles)


def test_outside_checks_get_secrets_in_an_unnamed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def run(argv: tuple[str, ...], pass_fds: list[int], **_: Any) -> CompletedProcess:
        [given] = pass_fds
        assert argv[1] == f"CHAUTARI_SETTINGS={given}"
        seen.update(links=os.fstat(given).st_nlink, argv=argv)
        seen["given"] = json.loads(os.pread(given, 1_000_000, 0))
        return CompletedProcess(argv, 0, b"", b"")

    monkeypatch.setattr(outside_checks, "run", run)
    assert outside_checks.run_outside_checks([node(tmp_path, "med1")], SANDBOX) == []
    assert seen["links"] == 0
    assert "canary-check" in json.dumps(seen["given"]["nodes"])
    assert any("canary-check" in text for text in seen["given"]["masked"])
    assert "canary" not in " ".join(seen["argv"])


def test_outside_checks_that_cannot_run_count_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = CompletedProcess((), 4, b"no module", b"")
    monkeypatch.setattr(outside_checks, "run", lambda *_, **__: broken)
    [check] = outside_checks.run_outside_checks([node(tmp_path, "med1")], PUBLIC_INTERNET)
    assert (check.outcome, check.message, check.side) == ("failed", "no module", "outside")


SILENT = Silent("Warning: x\nssh: connect to host: timed out")


def test_status_of_a_node_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "call_runner", fake_call_runner(lambda *_: ([], SILENT)))
    found = status.node_statuses(Request(load_sample_region(tmp_path), "deploy status"))
    assert not found[0]["reachable"]
    assert "does not respond over SSH (ssh: connect to host: timed out)" in found[0]["message"]


def test_status_of_a_node_with_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = "20261123T120000-abcdef"
    event = {
        "event": "status",
        "busy": None,
        "run": run,
        "runs": [],
        "finished": {"event": "run_finished", "ok": True},
    }
    monkeypatch.setattr(status, "call_runner", fake_call_runner(lambda *_: ([event], SILENT)))
    found = status.node_statuses(Request(load_sample_region(tmp_path), "deploy status"))[1]
    assert (found["node"], found["reachable"], found["started"]) == ("med1", True, 1795435200)
    assert REGION.startswith("region: andes")
