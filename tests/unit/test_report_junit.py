"""JUnit XML is well-formed, its counts agree, and failures have reasons."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

import pytest
from report_samples import bad_report, good_report, hostile_report

from chautari.report.junit import render_junit
from chautari.report.model import NodeState, RegionReport, RoleReport


def parsed(report: RegionReport) -> Element:
    return fromstring(render_junit(report).encode())


def test_counts_equal_the_report() -> None:
    report = bad_report()
    root = parsed(report)
    bad_nodes = sum(not node.ok for node in report.nodes)
    assert root.get("tests") == str(len(report.nodes) + len(report.checks)) == "7"
    assert root.get("failures") == str(bad_nodes + report.count_checks("failed")) == "4"
    assert root.get("skipped") == str(report.count_checks("skipped")) == "1"


def test_counts_of_each_suite_equal_its_cases() -> None:
    root = parsed(bad_report())
    assert [suite.get("name") for suite in root] == ["bog1", "med1", "cal1", "pas1"]
    for suite in root:
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))


def test_good_run_has_no_failure() -> None:
    root = parsed(good_report())
    assert root.get("failures") == "0"
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert names == [
        ("node", "deploy"),
        ("base", "The clock is kept in step [test_clock]"),
        ("node", "deploy"),
        ("nginx", "nginx runs [test_runs]"),
        ("nextcloud", "The login page opens [test_login]"),
    ]


@pytest.mark.parametrize(
    ("state", "case", "reason"),
    [
        ("planned", "plan", "The plan is ready; nothing was changed."),
        (
            "detached",
            "deploy",
            "The run continues on the node. To follow it, run the same command again.",
        ),
        ("converged", "deploy", "Nothing ran: every role was up to date."),
    ],
)
def test_run_that_did_not_finish_here_is_skipped(state: NodeState, case: str, reason: str) -> None:
    report = good_report()
    report.nodes, report.checks = report.nodes[:1], []
    report.nodes[0].state, report.nodes[0].run = state, ""
    report.nodes[0].roles = [RoleReport("base", up_to_date=True)]
    root = parsed(report)
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("1", "0", "1")
    found = root.find("testsuite/testcase")
    assert found is not None and found.get("name") == case
    skipped = found.find("skipped")
    assert skipped is not None and skipped.get("message") == reason


@pytest.mark.parametrize(("state", "case"), [("verified", "reach"), ("prepared", "prepare")])
def test_case_of_a_node_names_what_succeeded(state: NodeState, case: str) -> None:
    report = good_report()
    report.nodes[0].state = state
    found = parsed(report).find("testsuite/testcase")
    assert found is not None and (found.get("name"), len(found)) == (case, 0)


def test_each_suite_names_the_doubles() -> None:
    report = bad_report()
    assert report.doubles
    for suite in parsed(report):
        named = [found.get("value", "") for found in suite.findall("properties/property")]
        assert named == [f"{d.name} {d.version}: {d.reason}" for d in report.doubles]


def test_suites_without_doubles_have_no_properties() -> None:
    assert not list(parsed(good_report()).iter("properties"))


def test_failed_check_has_message_advice_and_journal() -> None:
    root = parsed(bad_report())
    failure = root.find("testsuite[@name='med1']/testcase[@classname='nextcloud']/failure")
    assert failure is not None and failure.text is not None
    assert failure.get("message") == "answered 502 Bad Gateway"
    lines = failure.text.splitlines()
    assert lines[:3] == [
        "answered 502 Bad Gateway",
        "Fix: Look whether PHP runs.",
        "Journal:",
    ]
    assert len(lines) == 18


def test_failed_run_is_a_failure_of_its_node() -> None:
    root = parsed(bad_report())
    failures = {suite.get("name"): suite.find("testcase/failure") for suite in root}
    stopped, refused = failures["bog1"], failures["cal1"]
    assert stopped is not None and refused is not None
    assert stopped.get("message") == "nginx: Reload nginx: port 443 is taken"
    assert "Fix: Make room." in (refused.text or "")


def test_check_of_an_unlisted_node_is_not_lost() -> None:
    report = good_report()
    report.nodes = []
    assert parsed(report).get("tests") == "3"


def test_hostile_text_is_data() -> None:
    root = parsed(hostile_report())
    messages = [failure.get("message", "") for failure in root.iter("failure")]
    assert any("<script>alert(1)</script> [red]x[/red] \\x1b[31mred" in m for m in messages)
    assert not list(root.iter("script"))
