"""Reports on disk and on standard output are complete."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree.ElementTree import parse

import pytest
from report_samples import HOSTILE, bad_report, good_report, hostile_report

from chautari.report import writer
from chautari.report.jsonreport import render_json


def test_all_reports_are_written_and_nothing_else(tmp_path: Path) -> None:
    paths = writer.write_reports(bad_report(), tmp_path / "new" / "run")
    assert sorted(paths) == ["junit.xml", "report.html", "report.json"]
    assert sorted((tmp_path / "new" / "run").iterdir()) == sorted(paths.values())
    assert (tmp_path / "new" / "run").stat().st_mode & 0o777 == 0o700
    assert json.loads(paths["report.json"].read_text())["ok"] is False
    assert parse(paths["junit.xml"]).getroot().get("failures") == "4"
    assert paths["report.html"].read_text(encoding="utf-8").startswith("<!doctype html>")


def test_hostile_report_can_be_written(tmp_path: Path) -> None:
    paths = writer.write_reports(hostile_report(), tmp_path)
    assert json.loads(paths["report.json"].read_text())["region"] == HOSTILE
    assert parse(paths["junit.xml"]).getroot().tag == "testsuites"


def test_old_report_is_replaced(tmp_path: Path) -> None:
    writer.write_reports(bad_report(), tmp_path)
    paths = writer.write_reports(good_report(), tmp_path)
    assert json.loads(paths["report.json"].read_text())["ok"] is True


def test_old_report_stays_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = writer.write_reports(good_report(), tmp_path)["report.json"]
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        writer.write_reports(bad_report(), tmp_path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_json_has_each_peer_with_cause_and_next_step() -> None:
    found = json.loads(render_json(bad_report()))["peers"]
    assert {name: peer["pair"] for name, peer in found.items()} == {
        "himalaya": "green", "karakoram": "pending", "a-region-with-a-long-name-31-xx": "broken",
    }  # fmt: skip
    assert found["karakoram"]["next_step"] == "ask the group of karakoram to deploy"
    assert [link["service"] for link in found["karakoram"]["links"]] == ["", "wiki"]


def test_json_is_one_object_in_ascii() -> None:
    text = render_json(hostile_report())
    assert text.isascii() and "\x1b" not in text
    checks = json.loads(text)["checks"]
    assert (checks["passed"], checks["failed"], checks["skipped"]) == (1, 1, 1)
    assert len(checks["results"]) == 3


def test_json_has_backups_and_drills() -> None:
    found = json.loads(render_json(bad_report()))["backups"]
    assert [item["kind"] for item in found] == ["backup", "backup", "backup", "drill"]
    assert found[0] | {"age_days": 0} == found[0] and found[0]["data"] == {}
    assert (found[2]["state"], found[2]["age_days"]) == ("broken", None)
