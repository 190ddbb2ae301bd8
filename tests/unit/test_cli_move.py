"""`deploy move --run`: each step is confirmed, recorded, and continued after an interruption."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from region_samples import KEY
from test_backup_restore import REGION, load

from chautari.backup.move_progress import MoveProgress
from chautari.backup.restore_events import RestoreResult, RestoreResultsAnswer
from chautari.cli import main, move_run

COMMAND = ["move", "andes", "nextcloud", "--to", "new1"]
RUN = [*COMMAND, "--run"]
MOVED = REGION.replace("[nextcloud, polls]", "[polls]").replace(
    "new1: {address: 203.0.113.22}", "new1: {address: 203.0.113.22, services: [nextcloud]}"
)
NO_RESULTS = RestoreResultsAnswer(event="restore_results", pending=False, results=[])
RUN_MAIN = main.run
STEPS = 12  # of which --run runs all but the last, which follows weeks later


class Machine:
    """What the steps ran; a person answers each question, and edits region.yml when asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[str] = []
        self.answers: Iterator[bool] = iter(())
        self.code_of: dict[str, int] = {}
        self.version, self.restores_again = "", False
        self.edits = True
        self.restored = NO_RESULTS

    def confirm(self, question: str, **_: object) -> bool:
        if question.startswith("Restore again"):
            return self.restores_again
        found = next(self.answers, True)
        if not found:
            raise move_run.click.Abort
        if question == "Have you done this?" and self.ran[-1:] == ["deploy backup now"]:
            self.move_service()
        return found

    def move_service(self) -> None:
        if self.edits:
            version = f', version: "{self.version}"' if self.version else ""
            load(self.folder, MOVED.replace("quota: 3 GB", f"quota: 3 GB{version}"))

    def run_main(self, arguments: list[str]) -> int:
        return RUN_MAIN(arguments) if arguments[0] == "move" else self.run_deploy(arguments)

    def results(self, *_: object) -> RestoreResultsAnswer:
        return self.restored

    def run_deploy(self, arguments: list[str]) -> int:
        words = [word for word in arguments if not word.startswith("--")]
        verb = " ".join(words[: 2 if words[0] == "backup" else 1])
        self.ran.append(f"deploy {verb}")
        return self.code_of.pop(verb, 0)

    def run_on_node(self, _: object, node: str, command: str, *__: object) -> None:
        self.ran.append(f"{node}: {command}")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    load(tmp_path)
    found = Machine(tmp_path)
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(move_run.click, "confirm", found.confirm)
    monkeypatch.setattr(move_run.main, "run", found.run_main)
    monkeypatch.setattr(move_run, "_run_on_node", found.run_on_node)
    monkeypatch.setattr(move_run, "_restore_results_of_new_node", found.results)
    found.version = "34.0.4"
    return found


def records(machine: Machine) -> list[Path]:
    return list((machine.folder / "state").rglob("*.json"))


ALL = [
    "deploy prepare", "deploy backup now",
    "bog1: rm -f /etc/nginx/sites-enabled/nextcloud.conf && systemctl reload nginx && "
    "systemctl disable --now nextcloud-cron.timer",
    "deploy backup now", "deploy validate", "deploy dns", "deploy region", "deploy restore",
    "deploy verify", "deploy backup now", "deploy region",
]  # fmt: skip


def test_run_does_all_steps_and_leaves_no_record(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(RUN) == 0
    assert machine.ran == ALL
    assert records(machine) == []
    assert "\n13. Some weeks later" in capsys.readouterr().out


def test_print_shows_the_release_that_the_new_node_has_to_get(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(COMMAND) == 0
    # Debian 13 would get a newer Nextcloud, into which no backup of the older one goes.
    assert 'nextcloud: {…, version: "34.0.4"}' in capsys.readouterr().out


@pytest.mark.parametrize("number", range(1, STEPS + 1))
def test_same_command_continues_after_an_interruption(
    machine: Machine, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    machine.answers = iter([*[True] * (number - 1), False])
    assert main.run(RUN) == 130
    assert f"Step {number} was not completed" in capsys.readouterr().err
    assert main.run(RUN) == 0
    assert machine.ran == ALL
    out = capsys.readouterr().out
    assert number == 1 or out.startswith(f"Continuing with step {number} of 13")
    assert records(machine) == []


@pytest.mark.parametrize(("code", "expected"), [(1, 1), (130, 130)])
def test_failed_or_interrupted_command_is_repeated(
    machine: Machine, code: int, expected: int
) -> None:
    machine.code_of["restore"] = code
    assert main.run(RUN) == expected
    assert main.run(RUN) == 0
    assert machine.ran == [*ALL[:8], "deploy restore", *ALL[8:]]


def restored(**changed: object) -> RestoreResultsAnswer:
    values = {
        "id": "20261130t030000", "ok": True, "finished": 1796049422, "node": "bog1",
        "target": "box", "archive": "bog1-2026-11-30T02-30-11Z", "archive_time": 1796047811,
        "services": ["nextcloud"], "figures": {}, "error": None, "kept": None,
    }  # fmt: skip
    result = RestoreResult.model_validate(values | changed)
    return RestoreResultsAnswer(event="restore_results", pending=False, results=[result])


def test_restore_that_went_on_without_this_command_is_not_repeated(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.restored = restored()
    assert main.run(RUN) == 0
    assert machine.ran == [*ALL[:7], "deploy region", *ALL[8:]]
    assert "The data of bog1-2026-11-30" in capsys.readouterr().out
    load(machine.folder)
    machine.ran.clear()
    machine.restores_again = True
    assert main.run(RUN) == 0
    assert machine.ran == ALL


@pytest.mark.parametrize(
    "changed",
    [{"ok": False}, {"node": "bog2"}, {"services": ["polls"]}, {"services": ["nextcloud", "x"]}],
)
def test_other_restores_do_not_replace_the_one_of_the_move(
    machine: Machine, changed: dict[str, object]
) -> None:
    machine.restored = restored(**changed)
    assert main.run(RUN) == 0
    assert machine.ran == ALL


def test_unfinished_restore_is_followed(machine: Machine) -> None:
    machine.restored = NO_RESULTS.model_copy(update={"pending": True})
    own = machine.run_deploy

    def run_deploy(arguments: list[str]) -> int:
        if "--follow" in arguments:
            machine.restored = restored()
        return own(arguments)

    machine.run_deploy = run_deploy  # type: ignore[method-assign]
    assert main.run(RUN) == 0
    assert machine.ran == [*ALL[:7], "deploy restore", "deploy region", *ALL[8:]]


def test_step_repeats_from_there(machine: Machine) -> None:
    machine.code_of["verify"] = 1
    assert main.run(RUN) == 1
    assert main.run([*RUN, "--step", "8"]) == 0
    assert machine.ran[-4:] == ALL[7:]  # from the restore on, with the file that was changed


def test_unchanged_region_file_stops_the_move(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.edits = False
    assert main.run(RUN) == 2
    assert "in region.yml, nextcloud runs on bog1" in capsys.readouterr().err
    assert machine.ran[-1] == "deploy validate"
    machine.edits = True
    machine.move_service()
    assert main.run(RUN) == 0


def test_other_release_stops_the_move(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.version = ""
    assert main.run(RUN) == 2
    error = capsys.readouterr().err
    assert "new1 would get nextcloud 35.0.1, but the backup was made with 34.0.4" in error
    assert 'version: "34.0.4" under services.nextcloud' in error


def test_region_named_by_its_path_is_used_by_each_step(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[list[str]] = []

    def run_deploy(arguments: list[str]) -> int:
        found.append(arguments)
        return own(arguments)

    own = machine.run_deploy
    monkeypatch.setattr(machine, "run_deploy", run_deploy)
    file = str(machine.folder / "andes" / "region.yml")
    identity = machine.folder / "key"
    identity.write_text(KEY)
    argv = ["move", file, "nextcloud", "--to", "new1", "--run", "--identity", str(identity)]
    assert main.run(argv) == 0
    assert all(file in arguments and "andes" not in arguments for arguments in found)
    with_key = [item[0] for item in found if "--identity" in item]
    assert with_key == [item[0] for item in found if item[0] not in ("validate", "dns")]


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[1]", '{"format": 2}', json.dumps({"region_file": "/other", "old": "bog1"})],
)
def test_unusable_record_begins_anew(machine: Machine, content: str) -> None:
    file = MoveProgress.for_move(machine.folder / "x", "andes", "nextcloud", "new1").file
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert main.run(RUN) == 0
    assert machine.ran == ALL


def test_record_does_not_replace_another_old_node(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.code_of["dns"] = 1
    assert main.run(RUN) == 1
    assert main.run([*RUN, "--old", "bog2"]) in (0, 2)
    assert "Continuing" not in capsys.readouterr().out


def test_json_is_only_for_printing(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([*RUN, "--json"]) == 2
    assert machine.ran == []
    assert main.run([*COMMAND, "--json"]) == 0
    assert '"steps"' in capsys.readouterr().out
