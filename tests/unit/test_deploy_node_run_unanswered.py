"""A node without an answer before its preparation: its roles are queried, never guessed."""

from pathlib import Path
from typing import Any

import pytest
from deploy_samples import (
    FINISHED,
    FREE,
    LUZ,
    NEW,
    OURS,
    STARTED,
    Data,
    Link,
    Nodes,
    actions,
    answer,
    answer_surveys,
    busy_answer,
    clock,
    facts,
    nodes,
    removed_roles,
    run,
    states,
    use_link,
)

from chautari.deploy import pipeline

__all__ = ["clock", "nodes", "removed_roles", "run"]


FRESH = {"reasons": {"base": NEW}, "up_to_date": []}
ENDS = ([STARTED, FINISHED], 0)


@pytest.fixture(autouse=True)
def link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing go out where a test expects no connection."""
    use_link(monkeypatch)


@pytest.fixture
def unpinned_key(nodes: Nodes, run: Any, tmp_path: Path) -> None:
    """Remove the pinned key of bog1, as before the first connection."""
    (tmp_path / "andes" / "known_hosts").write_text("203.0.113.11 k\n")


@pytest.mark.parametrize("verb", [pipeline.deploy, pipeline.plan])
@pytest.mark.usefixtures("unpinned_key")
def test_node_without_a_known_host_key_loses_obsolete_roles(
    verb: Any,
    nodes: Nodes,
    run: Any,
    removed_roles: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes.answers["bog1"] = answer("debian-12", obsolete_roles=["framadate"])
    link = use_link(monkeypatch, ENDS)
    report = run(verb, nodes=("bog1",))
    assert (nodes.prepared, nodes.surveyed, removed_roles) == (["bog1"], ["bog1"], [["framadate"]])
    assert [action for action, _ in actions(link)] == ["start"]
    assert report.ok


def test_disconnected_node_loses_obsolete_roles(
    nodes: Nodes, run: Any, removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts: list[Any] = [None, None, None]
    nodes.error = "Connection closed by 203.0.113.10 port 2222"
    answer_surveys(
        nodes, *cuts, answer("debian-12", obsolete_roles=["framadate"]), monkeypatch=monkeypatch
    )
    use_link(monkeypatch, ENDS)
    run(nodes=("bog1",))
    assert (nodes.prepared, removed_roles) == (["bog1"], [["framadate"]])


@pytest.mark.usefixtures("unpinned_key")
def test_fresh_node_answers_once_and_has_no_obsolete_roles(
    nodes: Nodes, run: Any, removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The preparation may use memory or disk, so that the machine falls below the minimum.
    little = facts("debian-12", **{"free_kb:/": 1000})
    nodes.answers["bog1"] = answer("debian-12", facts=little, **FRESH)
    use_link(monkeypatch, ENDS)
    report = run(checks=False)
    assert (sorted(nodes.surveyed), removed_roles, report.ok) == (["bog1", "med1"], [[]], True)


@pytest.mark.parametrize(
    ("error", "code", "state", "what"),
    [
        ("Connection reset by peer", 255, "unreachable", "(Connection reset by peer)"),
        ("root@x: Permission denied (publickey).", 255, "unreachable", "not accept your SSH key"),
        ("ssh: connect to host 203.0.113.10 port 2222: No route", 255, "unreachable", "No route"),
        ("OSError: x", 1, "failed", "did not accept the command (OSError: x)"),
        ("", 0, "failed", "did not accept the command (no answer)"),
    ],
)
@pytest.mark.usefixtures("account_with_key", "unpinned_key")
def test_silent_node_is_reported_and_left_unchanged(
    error: str, code: int, state: str, what: str, nodes: Nodes, run: Any,
    removed_roles: list[list[str]],
) -> None:  # fmt: skip
    nodes.answers["bog1"], nodes.error, nodes.code = None, error, code
    report = run(checks=False)
    assert (nodes.prepared, removed_roles) == (["bog1"], [])
    assert states(report) == {"bog1": state, "med1": "converged"}
    [refusal] = report.nodes[0].refusals
    assert what in refusal.reason and refusal.fix
    assert [name for node, name in nodes.reported if node == "bog1"] == [state]


@pytest.mark.usefixtures("unpinned_key")
def test_up_to_date_node_is_not_converged(
    nodes: Nodes, run: Any, removed_roles: list[list[str]]
) -> None:
    report = run(checks=False)
    assert removed_roles == []
    assert [(role.name, role.up_to_date) for role in report.nodes[0].roles] == [("base", True)]
    assert [notice.text for notice in report.nodes[0].notices] == ["make an A record"]
    assert ("bog1", "node_up_to_date") in nodes.reported


@pytest.mark.usefixtures("unpinned_key")
def test_busy_node_is_refused_after_preparation(
    nodes: Nodes, run: Any, removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.answers["bog1"] = busy_answer(LUZ)
    report = run(nodes=("bog1",))
    assert (states(report), removed_roles) == ({"bog1": "busy"}, [])
    assert nodes.events == [{"event": "busy", "holder": LUZ}]


@pytest.mark.parametrize(
    ("holder", "wait", "done"),
    [(OURS, False, ["attach"]), (LUZ, True, ["activity", "start"])],
    ids=["joined", "waited for"],
)
@pytest.mark.usefixtures("unpinned_key")
def test_run_on_the_node_is_joined_or_waited_for(
    holder: Data, wait: bool, done: list[str], nodes: Nodes, run: Any,
    removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    answer_surveys(
        nodes, busy_answer(holder), answer("debian-12", **FRESH), monkeypatch=monkeypatch
    )
    link: Link = use_link(monkeypatch, *([FREE] if wait else []), ENDS)
    assert run(nodes=("bog1",), wait=wait).ok
    assert [action for action, _ in actions(link)] == done
