"""The verdict, the groups and the next steps that all reports share."""

from __future__ import annotations

from typing import get_args
from xml.etree.ElementTree import fromstring

from report_samples import backup_samples, bad_report, good_report

from chautari.report import summary
from chautari.report.junit import render_junit
from chautari.report.model import NodeReport, NodeState, Notice, Refusal, RegionReport


def test_verdict_of_a_good_run_counts_nodes_changes_and_checks() -> None:
    assert summary.verdict_sentence(good_report()) == (
        "Region andes is healthy: 2 nodes OK (8 changes), 3 of 3 checks passed, in 6 min 12 s."
    )


def test_verdict_of_a_bad_run_counts_what_is_wrong() -> None:
    assert summary.verdict_sentence(bad_report()) == (
        "Region andes needs attention: 3 of 4 nodes not OK, 1 of 3 checks failed, 1 skipped, "
        "1 of 3 peers broken, 1 of 3 backups broken, in 6 min 12 s."
    )


def test_run_without_checks_is_not_called_good() -> None:
    report = good_report()
    report.checks = []
    assert summary.report_tone(report) == "wait"
    assert "is not fully checked yet" in summary.verdict_sentence(report)
    assert "no checks ran" in summary.verdict_sentence(report)


def test_detached_run_is_not_called_good() -> None:
    report = good_report()
    report.nodes[0].state = "detached"
    assert summary.report_tone(report) == "wait"
    assert "1 of 2 nodes still running" in summary.verdict_sentence(report)
    assert summary.next_step_texts(report) == [
        "bog1: The run continues on the node. To follow it, run: deploy region andes"
    ]


def test_disconnected_run_is_not_called_good() -> None:
    report = good_report()
    report.nodes[0].state = "disconnected"
    assert not report.nodes[0].ok and not report.ok
    assert summary.report_tone(report) == "bad"
    assert "1 of 2 nodes not OK" in summary.verdict_sentence(report)
    [failure] = list(fromstring(render_junit(report)).iter("failure"))
    assert failure.get("type") == "disconnected"


def test_verdict_of_downloads_says_that_no_role_ran() -> None:
    report = good_report()
    report.checks = []
    for node in report.nodes:
        node.state = "downloaded"
    assert summary.report_tone(report) == "good"
    assert summary.verdict_sentence(report) == (
        "The downloads for the next deploy of andes are on 2 nodes; no role ran (6 min 12 s)."
    )


def test_failed_downloads_continue_with_the_same_command() -> None:
    report = bad_report()
    report.command = "deploy region --download-only andes"
    assert summary.next_step_texts(report)[-1].endswith(report.command)


def test_runs_of_several_kinds_are_not_called_a_plan() -> None:
    report = good_report()
    report.nodes[0].state = "planned"
    assert "nothing was changed" not in summary.verdict_sentence(report)


def test_every_state_is_in_the_model() -> None:
    assert set(summary.STATES) == set(get_args(NodeState))


def test_verdict_of_an_empty_report_says_that_nothing_was_done() -> None:
    report = RegionReport("andes", "andes.example.org", "", "deploy region")
    assert summary.verdict_sentence(report) == "Nothing was done in region andes."


def test_every_state_has_words() -> None:
    for state in summary.STATES:
        assert summary.describe_node_state(NodeReport("n", "192.0.2.1", state)).meaning.endswith(
            "."
        )


def test_node_with_failed_tasks_is_never_up_to_date() -> None:
    node = NodeReport("n", "192.0.2.1", "converged", failed=1)
    assert summary.describe_node_state(node).word == "failed"


def test_checks_by_service_puts_what_people_open_first() -> None:
    groups = summary.list_service_checks(bad_report())
    assert [group.service for group in groups] == ["nextcloud", "base", "nginx"]
    assert [group.tone for group in groups] == ["bad", "good", "wait"]
    assert [group.counts_text for group in groups] == ["1 failed", "1 passed", "1 skipped"]
    assert [group.double for group in groups] == [True, False, False]


def test_next_steps_are_ordered_and_listed_once() -> None:
    report = bad_report()
    report.checks += [report.checks[2]]
    assert summary.next_step_texts(report) == [
        "bog1: Task “Reload nginx” failed in role nginx: Another program uses a port of this "
        "service. To see which program, run `ss -ltnp` on the node. Then stop and disable this "
        "program, for example `systemctl disable --now apache2`.",
        "cal1: Make room.",
        "Fix the other problems that this report lists (3). Then run: deploy region andes",
    ]


def test_next_step_that_several_nodes_need_is_listed_once() -> None:
    report = good_report()
    fix = Refusal("sandbox_not_running", {"region": "andes", "address": "x", "message": ""})
    report.nodes = [
        NodeReport(f"n{number}", f"203.0.113.{number}", "unreachable", refusals=[fix])
        for number in range(6)
    ]
    report.command = "deploy attach andes"
    assert summary.next_step_texts(report) == [
        "n0; n1; n2; n3 and 2 more: Start the sandbox: deploy sandbox up andes",
        "When this is done, run: deploy attach andes",
    ]


def test_next_steps_end_with_a_deploy_where_a_node_was_reached() -> None:
    report = good_report()
    report.command = "deploy verify andes"
    report.nodes[0].state = "unreachable"
    report.checks[2].outcome = "failed"
    assert summary.next_step_texts(report)[-1] == "When this is done, run: deploy region andes"


def test_report_without_problems_says_how_to_open_the_services() -> None:
    report = good_report()
    report.hints = [Notice("trust_authority", {"file": "/ca.pem"})]
    hint = "Import the sandbox's certificate authority into the browser: /ca.pem"
    assert summary.next_step_texts(report) == [hint]
    report.checks[0].outcome = "failed"
    assert hint not in summary.next_step_texts(report)


def test_verdict_of_a_part_says_what_was_left_out() -> None:
    report = good_report()
    report.left_out = ("hall", "meet")
    assert summary.verdict_sentence(report).startswith("This part of region andes is healthy: ")
    assert ", 2 other nodes not included, in " in summary.verdict_sentence(report)


def test_broken_backup_needs_attention_but_fails_no_deploy() -> None:
    report = good_report()
    report.backups = backup_samples()[:2]
    assert summary.report_tone(report) == "good"
    report.backups = backup_samples()
    assert report.ok and summary.report_tone(report) == "bad"
    assert "needs attention" in summary.verdict_sentence(report)
    steps = summary.next_step_texts(report)
    assert steps[0] == "med1 to disk: run: deploy backup andes --node med1"
