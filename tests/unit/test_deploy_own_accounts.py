"""After a deploy by another account, the operator's own account is tried once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chautari.deploy import own_accounts
from chautari.deploy.node_run import ResultUnknownState, RunFinishedState, UpToDateState
from chautari.report.model import NodeReport
from chautari.ssh import account_choice
from chautari.ssh.target import SSHTarget


def finished_run(folder: Path, **changes: Any) -> Any:
    target = SSHTarget(
        "bog1", "203.0.113.10", 22, "root", folder / "known_hosts", configured_user="root",
        other_users=("ana",), memory=folder / "memory",
    )  # fmt: skip
    fields = {
        "target": target, "mode": "deploy", "state": RunFinishedState(()),
        "report": NodeReport("bog1", "203.0.113.10", "converged"),
        "context": SimpleNamespace(request=SimpleNamespace(parallel=2)),
    }  # fmt: skip
    return SimpleNamespace(**(fields | changes))


def probe(monkeypatch: pytest.MonkeyPatch, result: bool | None) -> list[str]:
    tried: list[str] = []

    def fake(login: SSHTarget) -> bool | None:
        tried.append(login.user)
        return result

    monkeypatch.setattr(own_accounts, "probe_account", fake)
    return tried


def test_account_that_works_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, run = probe(monkeypatch, True), finished_run(tmp_path)
    own_accounts.try_own_accounts([run])
    assert tried == ["ana"] and run.report.notices == []
    assert account_choice.load_memory(tmp_path / "memory") == {"203.0.113.10 22": "ana"}
    # For the rest of this command, and in the next one, it is no longer asked.
    own_accounts.try_own_accounts([run])
    assert tried == ["ana"]


@pytest.mark.parametrize("result", [False, None])
def test_account_that_is_refused_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: bool | None
) -> None:
    probe(monkeypatch, result)
    run = finished_run(tmp_path)
    own_accounts.try_own_accounts([run])
    [notice] = run.report.notices
    assert "(ana)" in notice.text and "as root" in notice.text
    assert account_choice.load_memory(tmp_path / "memory") == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "verify"},
        {"state": UpToDateState()},
        {"state": ResultUnknownState(())},
        {"report": NodeReport("bog1", "203.0.113.10", "failed")},
    ],
)
def test_other_endings_cost_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    tried = probe(monkeypatch, True)
    own_accounts.try_own_accounts([finished_run(tmp_path, **changes)])
    target = finished_run(tmp_path).target
    own_accounts.try_own_accounts([finished_run(tmp_path, target=target._replace(other_users=()))])
    own = target._replace(user="ana", other_users=("root",))
    own_accounts.try_own_accounts([finished_run(tmp_path, target=own)])
    assert tried == []
