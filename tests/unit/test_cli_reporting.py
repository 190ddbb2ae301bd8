"""Commands that ask nodes: their output in the terminal, and their progress."""

import json
from pathlib import Path
from typing import Any

import pytest
from region_samples import region_file

from chautari.cli import main, reporting
from chautari.deploy import drift, status
from chautari.errors import BadInput
from chautari.report import run_folders
from chautari.report.model import CheckResult, NodeReport, RegionReport, RoleReport


@pytest.fixture(autouse=True)
def inventories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    region_file(tmp_path)
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))


def test_text_of_a_node_is_cleaned_for_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change: Any = {"code": "path_missing", "data": {"path": "/x\x1b]0;title\x07 \x9b31mred\u202e"}}
    answer: Any = {"event": "drift", "roles": {"web": [change]}, "deployed": 1.0, "known": 3,
                   "busy": {"operator": "lu\x1b[2Jz"}}  # fmt: skip
    monkeypatch.setattr(drift, "drift_of_nodes", lambda _: [drift.NodeDrift("bog1", answer)])
    main.run(["drift", "andes"])
    state = {"node": "bog1", "reachable": False, "message": "no\x1b[2J\nbog2  all is well"}
    monkeypatch.setattr(status, "node_statuses", lambda _: [state])
    main.run(["status", "andes", "--details"])
    output = capsys.readouterr().out
    assert "\x1b" not in output and "\x07" not in output
    assert r"/x\x1b]0;title\x07 \x9b31mred\u202e: is missing" in output
    assert r"lu\x1b[2Jz is deploying" in output
    assert output.splitlines()[-1].startswith("  bog1 ")


class Shown:
    """A fake screen that records the lines of nodes and their ends."""

    def __init__(self) -> None:
        self.progress, self.lines, self.ended = self, list[tuple[str, str]](), list[Any]()

    def show_node_phase(self, node: str, doing: str) -> None:
        self.lines.append((node, doing))

    def finish_node(self, node: str, state: str) -> None:
        self.ended.append((node, state))


def test_attach_names_the_holder_of_the_lock() -> None:
    shown: Any = Shown()
    tell = reporting.progress_listener(shown)
    tell("bog1", {"event": "busy", "holder": {"operator": "luz\x1b[2J", "run": "q"}})
    tell("med1", {"event": "busy"})
    named = ("bog1", r"luz\x1b[2J is deploying to this node (run q)")
    assert (shown.ended, shown.lines) == ([named, ("med1", "busy")], [])


def test_wait_names_the_holder_of_the_lock() -> None:
    shown: Any = Shown()
    tell = reporting.progress_listener(shown)
    holder = {"operator": "luz\x1b[2J", "origin": "lima", "run": "q", "role": "php"}
    tell("bog1", {"event": "waiting", "holder": holder})
    tell("bog1", {"event": "waiting", "holder": {}})
    assert shown.lines == [
        ("bog1", r"luz\x1b[2J is deploying to this node (from lima, run q), role php; waiting"),
        ("bog1", "another operator is deploying to this node; waiting"),
    ]


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a region whose reports go below the test's folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "andes" / "region.yml"


def run(region: Path, verb: str, **options: object) -> None:
    def work(request: object, *_: object) -> RegionReport:
        report = RegionReport("andes", "andes.example.org", "", f"deploy {verb}")
        report.nodes = [NodeReport("bog1", "203.0.113.10", "converged")]
        return report

    assert reporting.run_and_report(work, verb, str(region), False, **options) == 0


def test_report_of_the_region_is_not_replaced_by_one_of_a_part(
    region: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "state" / "chautari" / "reports" / "andes"
    run(region, "region")
    for verb in ("plan", "attach", "prepare", "region --download-only"):
        run(region, verb)
    run(region, "verify", nodes=("bog1",))
    run(region, "region", nodes=("bog1",))
    command = json.loads((folder / "latest" / "report.json").read_text())["command"]
    assert command == "deploy region"
    runs = run_folders.list_runs(folder)
    # The last command had nothing to do, and the report of the whole region is good.
    assert len(runs) == 6 and all(run_folders.RUN.fullmatch(run) for run in runs)
    assert {run.partition("-")[2].removesuffix("-2") for run in runs} == {
        "plan", "attach", "prepare", "verify", "region", "download-only",
    }  # fmt: skip


def deploy(region: Path, *nodes: NodeReport, checks: tuple[CheckResult, ...] = ()) -> int:
    report = RegionReport("andes", "andes.example.org", "", "deploy region andes")
    report.nodes, report.checks = list(nodes), list(checks)
    return reporting.run_and_report(lambda *_: report, "region", str(region), False)


UP_TO_DATE = NodeReport(
    "bog1", "203.0.113.10", "converged", roles=[RoleReport("base", up_to_date=True)]
)


def test_deploy_with_nothing_to_do_keeps_the_last_report_if_that_is_good(
    region: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state" / "chautari" / "reports" / "andes"
    ran = NodeReport("bog1", "203.0.113.10", "converged", run="r1", roles=[RoleReport("base")])
    passed = CheckResult("bog1", "base", "test_time", "passed")
    assert deploy(region, ran, checks=(passed,)) == 0
    pages = {file: file.read_bytes() for file in (folder / "latest").iterdir()}
    capsys.readouterr()
    assert deploy(region, UP_TO_DATE) == 0
    assert {file: file.read_bytes() for file in (folder / "latest").iterdir()} == pages
    assert len(run_folders.list_runs(folder)) == 1
    verdict, last = capsys.readouterr().out.splitlines()
    assert verdict.startswith("Region andes is not fully checked yet: 1 node OK (0 changes)")
    assert (
        last
        == f"Nothing ran, so the last report is still valid: {folder / 'latest' / 'report.html'}"
    )
    assert deploy(region, UP_TO_DATE, checks=(passed,)) == 0
    file = folder / "latest" / "report.json"
    assert file.read_bytes() != pages[file]


@pytest.mark.parametrize("last", ["none", "failed", "damaged"])
def test_deploy_with_nothing_to_do_replaces_a_report_that_does_not_hold(
    region: Path, tmp_path: Path, last: str
) -> None:
    folder = tmp_path / "state" / "chautari" / "reports" / "andes"
    file = folder / "latest" / "report.json"
    if last != "none":
        assert deploy(region, NodeReport("bog1", "203.0.113.10", "unreachable")) == 1
    if last == "damaged":
        file.write_text("[")
    assert deploy(region, UP_TO_DATE) == 0
    assert json.loads(file.read_text())["ok"] is True


def test_folder_that_cannot_be_written_is_named_before_any_work(
    region: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file in place of the folder")
    with pytest.raises(BadInput, match=r"state/chautari/reports/andes: Not a directory"):
        reporting.run_and_report(lambda *_: pytest.fail("work began"), "region", str(region), False)
