"""The request that each command passes on to the deploy."""

from pathlib import Path
from typing import Any

import pytest
from cli_samples import inventories, report

from chautari.cli import main
from chautari.deploy import drift, newest_runs, pipeline, status
from chautari_sandbox.provider import PROVIDER

__all__ = ["inventories"]


def test_request_has_the_options_of_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    requests: list[Any] = []
    monkeypatch.setattr(
        pipeline, "deploy", lambda request, *_: requests.append(request) or report()
    )
    monkeypatch.setattr(PROVIDER, "mirror", None)
    (tmp_path / "key").touch()
    main.run(["region", "andes", "--node", "bog1", "--node", "med1", "--identity",
              str(tmp_path / "key"), "--mirror", str(tmp_path)])  # fmt: skip
    [request] = requests
    assert request.nodes == ("bog1", "med1")
    assert request.identities == (tmp_path / "key",)
    assert PROVIDER.mirror == tmp_path
    assert request.command == "deploy region andes"


@pytest.mark.parametrize(
    "verb", ["attach", "drift", "plan", "prepare", "region", "status", "verify"]
)
def test_identity_option_exists_in_every_command_that_connects(
    verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    requests: list[Any] = []
    for name in ("deploy", "verify", "plan", "prepare_nodes"):
        monkeypatch.setattr(
            pipeline, name, lambda request, *_: requests.append(request) or report()
        )
    monkeypatch.setattr(
        newest_runs,
        "follow_newest_run_of_each_node",
        lambda request, *_: requests.append(request) or report(),
    )
    monkeypatch.setattr(drift, "drift_of_nodes", lambda request: requests.append(request) or [])
    monkeypatch.setattr(status, "node_statuses", lambda request: requests.append(request) or [])
    (tmp_path / "key").touch()
    assert main.run([verb, "andes", "--identity", str(tmp_path / "key")]) == 0
    assert [request.identities for request in requests] == [(tmp_path / "key",)]


def test_request_for_downloads_includes_no_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Any] = []
    monkeypatch.setattr(
        pipeline, "deploy", lambda request, *_: requests.append(request) or report()
    )
    main.run(["region", "andes", "--download-only", "--detach"])
    [request] = requests
    assert (request.download_only, request.checks, request.detach) == (True, False, True)
    assert request.command == "deploy region --download-only andes"


@pytest.mark.parametrize("option", ["--purge", "--interrupt-meetings", "--canary=med1"])
def test_download_only_refuses_options_of_changes(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["region", "andes", "--download-only", option]) == 2
    assert "--download-only changes no service. Fix: remove" in capsys.readouterr().err


def test_request_says_whether_every_role_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Any] = []
    monkeypatch.setattr(
        pipeline, "deploy", lambda request, *_: requests.append(request) or report()
    )
    main.run(["region", "andes", "--full", "--canary", "med1", "--parallel", "3"])
    main.run(["region", "andes", "--no-checks"])
    main.run(["region", "andes"])
    full, unchecked, plain = requests
    assert (full.full, full.checks, full.canary, full.parallel) == (True, True, "med1", 3)
    assert (unchecked.full, unchecked.checks, unchecked.canary) == (False, False, "")
    assert (plain.full, plain.checks, plain.canary, plain.parallel) == (False, True, "", 16)
    assert full.node_names() == ("med1", "bog1")


def test_plan_requests_the_same_as_a_deploy(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[Any] = []
    monkeypatch.setattr(pipeline, "plan", lambda request, *_: requests.append(request) or report())
    assert main.run(["plan", "andes", "--full", "--node", "bog1"]) == 0
    assert (requests[0].full, requests[0].nodes, requests[0].command) == (
        True,
        ("bog1",),
        "deploy plan andes",
    )
