"""What a node tells becomes its report; a link that drops is taken up again."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chautari.report.model import NodeReport
from chautari.run import converge, remote
from chautari.run.manner import PATIENT, Manner
from chautari.run.target import Target

TARGET = Target("bog1", "203.0.113.10", 22, "root", Path("known_hosts"))
STARTED = {"event": "run_started", "run": "r", "offset": 10}
FINISHED = {"event": "run_finished", "ok": True, "seconds": 1.0, "offset": 99}
WANTED: dict[str, Any] = {"mode": "converge", "full": False}
ROLE = {
    "event": "role_finished", "role": "base", "ok": 3, "changed": 2, "failed": 0, "skipped": 1,
    "rescued": 0, "seconds": 1.5,
}  # fmt: skip
CHECK = {
    "event": "check", "side": "inside", "node": "bog1", "service": "base", "check": "test_x",
    "outcome": "failed", "title": "X", "seconds": 0.1, "message": "no", "advice": "do", "units": [],
    "journal": ["line"],
}  # fmt: skip


class Link:
    """Stands in for SSH: each connection gives its lines and an exit code."""

    def __init__(self, *connections: tuple[list[dict[str, Any]], int], stderr: str = "") -> None:
        self.connections = list(connections)
        self.asked: list[tuple[str, ...]] = []
        self.stderr = stderr
        self.code: int | None = None

    def __call__(self, argv: tuple[str, ...], stdin: bytes = b"") -> "Link":
        self.asked.append(argv)
        return self

    def __iter__(self) -> Iterator[str]:
        events, code = self.connections.pop(0)
        yield "Welcome to the machine"
        yield from (json.dumps(event) for event in events)
        self.code = code


def follow(
    monkeypatch: pytest.MonkeyPatch, link: Link, manner: Manner = PATIENT
) -> tuple[NodeReport, list[Any], list[Any]]:
    told: list[Any] = []
    monkeypatch.setattr(remote, "Stream", link)
    monkeypatch.setattr(converge.time, "sleep", lambda _: None)
    report = NodeReport("bog1", "203.0.113.10", "converged")
    about = {"run": "r", "operator": "ana", "origin": "cusco", "region": "andes"} | WANTED
    checks = converge.converge(
        TARGET, b"b", about, report, lambda node, event: told.append(event), manner
    )
    return report, checks, told


def test_run_that_ends_well_fills_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    report, checks, told = follow(monkeypatch, Link(([STARTED, ROLE, CHECK, FINISHED], 0)))
    assert (report.state, report.run, report.changed, report.failed) == ("converged", "r", 2, 0)
    assert [(role.name, role.ok, role.skipped) for role in report.roles] == [("base", 3, 1)]
    assert [(check.check, check.outcome, check.journal) for check in checks] == [
        ("test_x", "failed", ["line"])
    ]
    assert [event["event"] for event in told][-1] == "run_finished"


def test_dropped_link_is_taken_up_where_it_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(([STARTED], 255), ([], 255), ([ROLE, FINISHED], 0))
    report, _, told = follow(monkeypatch, link)
    assert report.state == "converged"
    assert [event["event"] for event in told].count("reconnecting") == 2
    packed = [base64.b64decode(argv[-1].split()[-1]) for argv in link.asked]
    asked = [json.loads(item) for item in packed]
    assert [item["action"] for item in asked] == ["start", "attach", "attach"]
    assert asked[2] == {"action": "attach", "run": "r", "offset": 10}


def test_link_that_stays_away_leaves_the_run_detached(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(([STARTED], 255), *[([], 255)] * len(converge.RECONNECT_SECONDS))
    report, _, _ = follow(monkeypatch, link)
    assert report.state == "detached"
    assert "goes on there by itself" in report.refusals[0].what


def test_run_that_never_started_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    report, _, _ = follow(monkeypatch, Link(([], 127), stderr="x\npython3: not found"))
    assert report.state == "failed"
    assert report.refusals[0].what == "the run could not be started (python3: not found)"
    assert report.refusals[0].fix == "look at the node: ssh -p 22 root@203.0.113.10"


def test_busy_node_tells_who_since_when_and_from_where(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = {"operator": "luz", "origin": "laptop", "since": 0.0, "run": "q"}
    report, _, _ = follow(monkeypatch, Link(([{"event": "busy", "holder": holder}], 75)))
    assert report.state == "busy"
    what = report.refusals[0].what
    assert what.startswith("luz is deploying to this node since ")
    assert what.endswith(" from laptop (run q)")


def test_busy_node_without_a_known_holder_still_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    report, _, _ = follow(monkeypatch, Link(([{"event": "busy", "holder": {}}], 75)))
    assert report.refusals[0].what == "somebody is deploying to this node"


def test_failed_task_is_kept_with_its_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = {"event": "failure", "role": "php", "task": "T", "message": "m", "journal": ["j"]}
    broken = {"event": "playbook_failed", "code": 2, "log": ["l"]}
    ending = FINISHED | {"ok": False}
    report, _, _ = follow(monkeypatch, Link(([STARTED, failure, broken, ending], 1)))
    assert (report.state, report.ok, report.failed) == ("failed", False, 1)
    assert report.failure is not None
    assert (report.failure.role, report.failure.task, report.failure.journal) == ("php", "T", ["j"])


def test_first_failure_is_the_one_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [
        {"event": "failure", "role": "php", "task": task, "message": "m", "journal": []}
        for task in ("Write half of it", "Restart")
    ]
    link = Link(([STARTED, *failures, FINISHED | {"ok": False}], 1))
    report, _, _ = follow(monkeypatch, link)
    assert report.failure is not None
    assert report.failure.task == "Write half of it"


def test_playbook_that_cannot_start_is_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"event": "playbook_failed", "code": 4, "log": ["no such role"]}
    report, _, _ = follow(monkeypatch, Link(([STARTED, broken, FINISHED | {"ok": False}], 1)))
    assert report.failure is not None
    assert report.failure.journal == ["no such role"]


def test_checks_that_could_not_run_fail_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"event": "checks_broken", "code": 4, "log": ["usage error"]}
    report, _, _ = follow(monkeypatch, Link(([STARTED, broken, FINISHED], 0)))
    assert not report.ok


def test_notices_reach_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    notice = {"event": "notice", "role": "tls", "message": "make an A record"}
    report, _, _ = follow(monkeypatch, Link(([STARTED, notice, FINISHED], 0)))
    assert report.notices == ["make an A record"]


@pytest.mark.parametrize(
    ("unknown", "partial", "least"),
    [([], False, False), (["the image x"], False, True), ([], True, True)],
)
def test_download_that_is_not_wholly_known_is_at_least_so_much(
    unknown: list[str], partial: bool, least: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = {"event": "budget", "bytes": 7, "unknown": unknown, "partial": partial}
    report, _, _ = follow(monkeypatch, Link(([STARTED, budget, FINISHED], 0)))
    assert (report.download_bytes, report.download_at_least) == (7, least)
    assert report.notices == [f"nobody tells the size of {x}; it comes on top" for x in unknown]


def test_role_that_would_follow_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    later = {"a": [{"kind": "path", "name": "/x", "text": "b would change /x"}]}
    event = {"event": "may_follow", "roles": later}
    report, _, _ = follow(monkeypatch, Link(([STARTED, event, FINISHED], 0)))
    assert report.notices == ["a would run afterwards, in a second pass: b would change /x"]


@pytest.mark.parametrize(("ok", "words"), [(True, "brought to its end"), (False, "apt-get -f")])
def test_installation_that_was_cut_short_is_told(
    ok: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"event": "packages_finished", "packages": ["nginx"], "ok": ok}
    report, _, _ = follow(monkeypatch, Link(([STARTED, event, FINISHED], 0)))
    [notice] = report.notices
    assert "(nginx)" in notice and words in notice


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ({"event": "refused", "message": "the bundle arrived damaged"}, "arrived damaged"),
        ({"event": "run_lost", "run": "r"}, "ended without a word"),
    ],
)
def test_run_without_an_ending_fails(
    event: dict[str, Any], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, _, _ = follow(monkeypatch, Link(([STARTED, event], 1)))
    assert report.state == "failed"
    assert what in report.refusals[0].what


def test_events_of_a_newer_runner_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    new = {"event": "something_new", "value": 1}
    report, _, told = follow(monkeypatch, Link(([STARTED, new, FINISHED], 0)))
    assert new in told
    assert report.ok


OURS = {"operator": "ana", "origin": "cusco", "region": "andes", "run": "q"} | WANTED
SAME = hashlib.sha256(b"b").hexdigest()


def actions(link: Link) -> list[tuple[str, str]]:
    packed = [json.loads(base64.b64decode(argv[-1].split()[-1])) for argv in link.asked]
    return [(item["action"], item["run"]) for item in packed]


def test_same_command_joins_the_run_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = {"event": "busy", "holder": OURS | {"sha256": SAME}}
    started = STARTED | {"run": "q"}
    link = Link(([busy], 75), ([started, ROLE, CHECK, FINISHED], 0))
    report, checks, told = follow(monkeypatch, link)
    assert actions(link) == [("start", "r"), ("attach", "q")]
    assert (report.state, report.run, report.changed, len(checks)) == ("converged", "q", 2, 1)
    assert {"event": "joined", "run": "q"} in told


def test_joined_run_of_older_settings_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = {"event": "busy", "holder": OURS | {"sha256": "other"}}
    link = Link(([busy], 75), ([STARTED, ROLE, FINISHED], 0), ([STARTED, FINISHED], 0))
    report, _, _ = follow(monkeypatch, link)
    assert actions(link) == [("start", "r"), ("attach", "q"), ("start", "r")]
    assert (report.run, report.changed, report.roles) == ("r", 0, [])


def test_somebody_elses_run_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = {"event": "busy", "holder": OURS | {"sha256": SAME, "operator": "luz"}}
    link = Link(([busy], 75))
    report, _, _ = follow(monkeypatch, link)
    assert report.state == "busy" and actions(link) == [("start", "r")]


def test_waiting_ends_when_the_node_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = {"event": "busy", "holder": OURS | {"operator": "luz"}}
    link = Link(([busy], 75), ([busy], 75), ([STARTED, FINISHED], 0))
    report, _, told = follow(monkeypatch, link, Manner(wait=True))
    assert report.state == "converged"
    assert [event["event"] for event in told].count("waiting") == 2


def test_detached_run_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(([{"event": "handed_over", "run": "r"}], 0))
    report, _, _ = follow(monkeypatch, link, Manner(detach=True))
    assert (report.state, report.ok, report.refusals) == ("detached", True, [])
