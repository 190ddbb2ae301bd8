"""What nodes report in words: no sentence of ours stays English in another language."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import report_samples
from pseudo_language import MarkingTranslations, english_lines
from region_samples import ROOT
from rich.console import Console

from chautari import language
from chautari.node import reason_texts
from chautari.node.backup import error_texts as backup_texts
from chautari.node.restore import texts as restore_texts
from chautari.reference.check_texts import detail_templates, failure_templates
from chautari.reference.role_texts import task_names
from chautari.reference.translatable_texts import CLIENTS_OF_CHECKS
from chautari.report import html, jsonreport, summary, terminal
from chautari.report.model import CheckResult, TaskFailure
from chautari.report.progress import Progress

CHECKS = ("roles/*/checks/test_*.py", *CLIENTS_OF_CHECKS)
DETAILS = ("tool/chautari/node/backup/*.py", "tool/chautari/node/restore/*.py")


@pytest.fixture(autouse=True)
def marks(monkeypatch: pytest.MonkeyPatch) -> Iterator[MarkingTranslations]:
    """Return the language that commands use."""
    found = MarkingTranslations()
    monkeypatch.setattr(language, "_load_translation", lambda _: found)
    language.select("es")
    yield found
    language.select("")


def modules(pattern: str) -> list[ast.Module]:
    files: list[Path] = [x for x in ROOT.glob(pattern) if not x.name.endswith("texts.py")]
    return [ast.parse(file.read_text()) for file in files]


OF_OTHER_PROGRAMS = "\nassert 502 == 200\n +  where 502 is the status of the response"


def filled(template: str) -> str:
    """Return a text as a node sends it: each value is a word of its own."""
    names = {name for _text, name, _form, _kind in Formatter().parse(template) if name}
    return template.format(**{name: f"value-{name}" for name in names})


@pytest.mark.parametrize("pattern", CHECKS)
def test_each_reason_of_a_failed_check_is_translated(
    pattern: str, marks: MarkingTranslations
) -> None:
    templates = {text for module in modules(pattern) for text in failure_templates(module)}
    assert templates
    for template in sorted(templates):
        check = CheckResult("bog1", "nginx", "test_runs", "failed")
        check.message = f"AssertionError: {filled(template)}{OF_OTHER_PROGRAMS}"
        text, end, _rest = check.message_text.partition("\nassert ")
        assert (text[0], text[-1], end) == ("‹", "›", "\nassert "), template
        assert english_lines(text) == [], template
    assert marks.missed_sentences() == []


@pytest.mark.parametrize("pattern", DETAILS)
def test_each_detail_of_a_backup_error_is_translated(
    pattern: str, marks: MarkingTranslations
) -> None:
    templates = {text for module in modules(pattern) for text in detail_templates(module)}
    assert len(templates) > 10
    for template in sorted(templates):
        data: dict[str, str | int] = {"archive": "a"}
        data["reason"] = data["message"] = filled(template)
        for text in (
            backup_texts.error_text("settings_invalid", data),
            restore_texts.error_text("invalid_manifest", data)[0],
        ):
            assert text.count("‹") > 1, template
            assert english_lines(text) == [], template
    assert marks.missed_sentences() == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("AssertionError: nothing listens on port 25\nassert False",
         "‹nothing listens on port 25›\nassert False"),
        ("Failed: packets do not reach UDP ports 7", "‹packets do not reach UDP ports 7›"),
        ("Skipped: the region has no peers", "‹the region has no peers›"),
        ("chautari.services.jitsi.xmpp.RequestRefused: the server closed the websocket",
         "‹the server closed the websocket›"),
        ("ConnectionError: the TURN server closed the connection",
         "‹the TURN server closed the connection›"),
        ("ConnectionError: [Errno 111] Connection refused",
         "ConnectionError: [Errno 111] Connection refused"),
        ("requests.exceptions.ReadTimeout: Read timed out.",
         "requests.exceptions.ReadTimeout: Read timed out."),
        ("assert 502 == 200", "assert 502 == 200"),
        ("AssertionError", "AssertionError"),
    ],
)  # fmt: skip
def test_class_of_an_error_is_shown_only_before_texts_of_other_programs(
    message: str, expected: str
) -> None:
    check = CheckResult("bog1", "jitsi", "test_runs", "failed", message=message)
    assert check.message_text == expected


def test_words_of_other_programs_stay_in_details() -> None:
    what, _fix = backup_texts.error_parts("settings_invalid", {"reason": "the disk is on fire"})[0]
    assert english_lines(what) == []
    assert "the disk is on fire" in what


def test_each_task_has_a_translated_name() -> None:
    files = [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml")]
    names = {name for file in files for name in task_names(file)}
    assert len(names) > 800
    for name in names:
        assert TaskFailure("nginx", name, "").task_text == f"‹{name}›"


def test_progress_and_plan_have_no_english_sentence() -> None:
    shown = io.StringIO()
    role = {"role": "nginx", "task": "Write the default servers"}
    check: dict[str, Any] = {
        "service": "nginx",
        "title": "nginx is enabled and running",
        "outcome": "failed",
    }
    with Progress(shown) as progress:
        for event in (
            {"event": "task", "status": "changed", **role},
            {"event": "failure", "message": "port 443 is taken", **role},
            {"event": "check", "message": "AssertionError: the timer is not running", **check},
        ):
            progress.handle_event("bog1", event)
        assert progress.rows()[0][1:3] == ("‹checks›", "‹nginx is enabled and running›")
    text = shown.getvalue()
    assert "‹Write the default servers›" in text
    assert "‹the timer is not running›" in text
    plan = summary.difference_text("Write the default servers\n--- before\n+++ after")
    assert plan == "‹Write the default servers›\n--- before\n+++ after"
    data = {"task": "Write the default servers", "change": "file_tree"}
    assert english_lines(reason_texts.reason_text("untracked_task", data)) == []


def test_report_of_a_failure_has_no_english_sentence(marks: MarkingTranslations) -> None:
    report = report_samples.bad_report()
    report.peers, report.backups = [], []
    for node in report.nodes:
        node.notices, node.refusals = [], []
    for check in report.checks:
        check.title, check.advice = "nginx is enabled and running", "Deploy again."
        check.message = "AssertionError: nothing listens on port 443"
    console = Console(markup=False, width=200, record=True)
    terminal.print_report(report, console, complete=True)
    for text in (console.export_text(), html.render_html(report)):
        assert "‹nothing listens on port 443›" in text
        assert "‹Reload nginx›" in text
        assert "AssertionError" not in text
    with language.english():
        assert "AssertionError: nothing listens on port 443" in jsonreport.render_json(report)
    assert marks.missed_sentences() == []
