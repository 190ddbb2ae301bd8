"""`deploy report`: which run it shows, and how."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from cli_samples import inventories
from click.testing import CliRunner
from report_samples import bad_report, good_report

from chautari.cli import main
from chautari.paths import reports_dir
from chautari.report import run_folders, writer

__all__ = ["inventories"]


def deploy(*arguments: str) -> Any:
    return CliRunner().invoke(main.deploy, arguments, standalone_mode=False)


@pytest.fixture
def runs() -> list[str]:
    """A deploy of the whole region, then a plan."""
    folder = reports_dir("andes")
    found = []
    for verb, report in (("region", bad_report()), ("plan", good_report())):
        run = run_folders.create_run_folder(folder, verb)
        writer.write_reports(report, run)
        found.append(run.name)
    run_folders.mark_as_latest_run(folder / found[0])
    return found


def test_report_shows_the_latest_run_of_the_whole_region(runs: list[str]) -> None:
    done = deploy("report", "andes")
    assert done.return_value == 0 and "answered 502 Bad Gateway" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(f"{runs[0]}/report.html")
    assert json.loads(deploy("report", "andes", "--json").stdout)["ok"] is False


def test_report_shows_another_run(runs: list[str]) -> None:
    found = json.loads(deploy("report", "andes", "--run", runs[1], "--json").stdout)
    assert found["ok"] is True
    error = str(deploy("report", "andes", "--run", "../../x").exception)
    assert "deploy report andes --list" in error


def test_list_names_each_run_with_its_result(runs: list[str]) -> None:
    text = deploy("report", "andes", "--list").stdout
    assert f"{runs[0]} (latest)\n" in text and f"{runs[1]}\n" in text
    found = json.loads(deploy("report", "andes", "--list", "--json").stdout)["runs"]
    assert {item["run"]: item["latest"] for item in found} == {runs[0]: True, runs[1]: False}


def test_region_without_a_report_names_the_next_command() -> None:
    assert "deploy verify andes" in str(deploy("report", "andes").exception)
    assert json.loads(deploy("report", "andes", "--list", "--json").stdout)["runs"] == []


@pytest.mark.parametrize("opens", [True, False])
def test_page_is_opened_or_its_place_printed(
    runs: list[str], monkeypatch: pytest.MonkeyPatch, opens: bool
) -> None:
    asked: list[str] = []

    def browser(url: str) -> bool:
        asked.append(url)
        return opens

    monkeypatch.setattr(webbrowser, "open", browser)
    done = deploy("report", "andes", "--open")
    page = reports_dir("andes") / runs[0] / "report.html"
    assert asked == [page.as_uri()] and str(page) in done.stdout
    assert ("no browser" in done.stderr) is not opens


def test_report_option_writes_to_a_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chautari.deploy import pipeline

    monkeypatch.setattr(pipeline, "verify", lambda *_: good_report())
    assert deploy("verify", "andes", "--report", str(tmp_path / "ci" / "out")).return_value == 0
    written = {file.name for file in (tmp_path / "ci" / "out").iterdir()}
    assert written == {"report.html", "report.json", "junit.xml"}
    assert run_folders.latest_run(reports_dir("andes"))
