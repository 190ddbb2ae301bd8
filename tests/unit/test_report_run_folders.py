"""Reports side by side: folders of runs, the link to the newest one, and what is deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_samples import bad_report, good_report, hostile_report

from chautari.errors import BadInput
from chautari.report import jsonreport, run_folders, writer
from chautari.report.model import RegionReport


def add(folder: Path, verb: str = "region", *, latest: bool = False) -> Path:
    run = run_folders.create_run_folder(folder, verb)
    writer.write_reports(good_report(), run)
    if latest:
        run_folders.mark_as_latest_run(run)
    return run


def test_runs_of_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    runs = [add(tmp_path).name for _ in range(12)]
    assert len(set(runs)) == 12
    assert sorted(run_folders.list_runs(tmp_path)) == sorted(runs)


def test_latest_is_a_link_beside_the_runs(tmp_path: Path) -> None:
    assert run_folders.latest_run(tmp_path) == ""
    first, second = add(tmp_path, latest=True), add(tmp_path, "verify", latest=True)
    assert run_folders.latest_run(tmp_path) == second.name
    assert (tmp_path / "latest" / "report.json").samefile(second / "report.json")
    assert set(run_folders.list_runs(tmp_path)) == {first.name, second.name}
    assert not list(tmp_path.glob(".latest*"))


def test_report_of_an_earlier_version_does_not_stay(tmp_path: Path) -> None:
    writer.write_reports(bad_report(), tmp_path)
    add(tmp_path, "plan")
    assert (tmp_path / "report.html").exists()
    add(tmp_path, latest=True)
    assert not [file for file in tmp_path.iterdir() if file.is_file() and not file.is_symlink()]


def test_old_runs_are_deleted_but_never_the_latest(tmp_path: Path) -> None:
    latest = add(tmp_path, latest=True)
    others = [add(tmp_path, "plan") for _ in range(5)]
    other = tmp_path / "notes"
    other.mkdir()
    run_folders.prune_runs(tmp_path, keep=2)
    left = {folder.name for folder in tmp_path.iterdir()}
    assert left == {latest.name, others[-1].name, others[-2].name, "notes", "latest"}


def test_link_to_another_folder_is_no_run(tmp_path: Path) -> None:
    elsewhere = add(tmp_path / "elsewhere")
    (tmp_path / "20200101T000000Z-region").symlink_to(elsewhere)
    (tmp_path / "latest").symlink_to(elsewhere)
    assert run_folders.list_runs(tmp_path) == [] and run_folders.latest_run(tmp_path) == ""
    run_folders.prune_runs(tmp_path, keep=0)
    assert elsewhere.is_dir()


@pytest.mark.parametrize("make", [good_report, bad_report, hostile_report])
def test_written_report_is_read_back(make: type[RegionReport], tmp_path: Path) -> None:
    writer.write_reports(make(), tmp_path)
    found = jsonreport.read_report(tmp_path / jsonreport.FILE)
    assert jsonreport.report_object(found) == jsonreport.report_object(make())


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '{"checks": {"results": 1}, "peers": {}}'])
def test_damaged_report_is_refused_with_a_fix(text: str, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(text)
    with pytest.raises(BadInput, match="deploy verify again"):
        jsonreport.read_report(file)
