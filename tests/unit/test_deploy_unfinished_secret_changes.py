"""Replaced secrets keep a region from being up to date until nodes and people have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from operator_samples import MAIL, Andes

from chautari.deploy.node_run import Mode
from chautari.deploy.request import DeployContext, Request
from chautari.deploy.unfinished_secret_changes import open_changes
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.report.model import CheckResult, NodeReport, NodeState, RegionReport
from chautari.secrets.completion import update_secrets


@pytest.fixture
def andes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Andes:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CHAUTARI_KEY_PASSPHRASE", raising=False)
    found = Andes(tmp_path)
    assert found.add("luz") == 0
    assert found.run("operators", "remove", "andes", "luz") == 0
    return found


def context_of(andes: Andes, **more: bool) -> DeployContext:
    request = Request(
        andes.region, "deploy region andes", identities=(andes.folder / "ana",), **more
    )
    return DeployContext(request, PUBLIC_INTERNET, andes.opened(), ())


def nodes(**states: NodeState) -> list[NodeReport]:
    return [NodeReport(name, "203.0.113.10", state) for name, state in states.items()]


def names(checks: list[CheckResult]) -> set[tuple[str, str]]:
    return {(check.node, check.check) for check in checks}


def test_deploy_clears_the_nodes_that_it_reached(andes: Andes) -> None:
    reached = nodes(bog1="converged", med1="unreachable")
    found = open_changes(context_of(andes), reached, "deploy")
    assert names(found) == {("med1", "new_secrets_deployed"), ("bog1", f"secret_{MAIL}")}
    assert all(check.outcome == "failed" for check in found)
    assert not RegionReport("andes", "", "", "", checks=found).ok
    assert andes.opened().undeployed.keys() == {"med1"}
    [node] = [check for check in found if check.node == "med1"]
    assert node.message.startswith("med1 still has old secrets (luz left on 20")
    assert node.advice == "deploy it: deploy region andes --node med1"
    assert names(open_changes(context_of(andes), nodes(med1="converged"), "deploy")) == {
        ("bog1", f"secret_{MAIL}")
    }


def test_advice_names_the_place_and_the_command(andes: Andes) -> None:
    [found] = open_changes(context_of(andes), nodes(bog1="converged", med1="converged"), "deploy")
    assert "Change the password at the provider of the mail relay" in found.advice
    assert found.advice.endswith(f"Then run: deploy secrets set andes {MAIL}")
    assert "canary" not in found.message + found.advice


@pytest.mark.parametrize("mode", ["plan", "download"])
def test_runs_that_send_no_secrets_say_and_clear_nothing(mode: Mode, andes: Andes) -> None:
    done = nodes(bog1="converged", med1="converged")
    assert open_changes(context_of(andes), done, mode) == []
    assert andes.opened().undeployed.keys() == {"bog1", "med1"}


def test_verify_says_what_is_open_and_clears_nothing(andes: Andes) -> None:
    found = open_changes(context_of(andes), nodes(bog1="converged", med1="converged"), "verify")
    assert len(found) == 3
    assert andes.opened().undeployed.keys() == {"bog1", "med1"}


def test_secret_that_changed_during_the_deploy_keeps_the_node_on_the_list(andes: Andes) -> None:
    context = context_of(andes)
    update_secrets(
        andes.region, [andes.folder / "ana"], (),
        lambda opened: opened.with_values({MAIL: "canary-other"}),
    )  # fmt: skip
    found = open_changes(context, nodes(bog1="converged", med1="converged"), "deploy")
    assert names(found) == {("bog1", "new_secrets_deployed"), ("med1", "new_secrets_deployed")}


def test_removed_node_is_not_asked_for(andes: Andes) -> None:
    text = andes.file.read_text()
    start = text.index("  bog1:")
    end = text.index("\n", start) + 1
    andes.file.write_text(
        (text[:start] + text[end:]).replace("  jitsi: {host: meet, members: [marta]}\n", "")
    )
    found = open_changes(context_of(andes), nodes(med1="converged"), "verify")
    assert ("bog1", "new_secrets_deployed") not in names(found)
