"""A run that only downloads: archives by the roles' tasks, then packages by apt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import inputs, record, write_file, write_receipt
from run_samples import RUN, write_run

from chautari.node import download_ahead, runner

Data = dict[str, Any]
URIS = """\
'http://mirror.example.org/a_1_amd64.deb' a_1_amd64.deb 1000 SHA256:abc
"""
FINISHED = {"event": "download_finished", "bytes": 0, "remaining": [], "partial": False}
ALPHA = {"role": "a", "item": {"kind": "package", "name": "alpha"}}


class Node:
    """A node whose roles `a` and `b` have not run; only `a` has archives.

    Attributes:
        commands: what ran: the playbook, or apt's last words.
        codes: the exit codes of apt's next downloads.
        arriving: the bytes that each of these brings.
        records: what Ansible's check mode records.
    """

    def __init__(self, state: Path, folder: Path) -> None:
        self.state, self.memory, self.place = state, runner.MEMORY / RUN, write_run(state)
        self.commands, self.codes, self.arriving = list[str](), list[int](), 0
        self.records: Sequence[Data] = [ALPHA]
        self.dry_run_code = 0
        self.playbook_code, self.packages, self.archives = 0, folder / "apt", folder / "archives"
        self.packages.mkdir(parents=True)
        write_file(self.memory / "roles.json", json.dumps([inputs("a"), inputs("b")]))
        plays = {role: {"hosts": role, "roles": [role]} for role in "ab"}
        write_file(self.memory / "plays.json", json.dumps(plays))
        write_file(self.memory / "lib" / "chautari" / "__init__.py", "")
        write_file(self.memory / "roles" / "a" / "tasks" / "download.yml", "[]\n")

    def run(self, argv: list[str], place: Path, memory: Path, extra: Data) -> int:
        """Do what a command would do; its log is the one of the run."""
        if argv[0].endswith("ansible-playbook"):
            self.commands.append(" ".join(argv[1:]))
            if "--check" in argv:
                assert Path(extra["CHAUTARI_EVENTS"]).is_relative_to(memory)
                lines = "".join(json.dumps(item) + "\n" for item in self.records)
                write_file(memory / "managed.jsonl", lines)
                return self.dry_run_code
            write_file(self.archives / ("0" * 64) / "archive.zip", "x" * 500)
            return self.playbook_code
        self.commands.append(argv[-1])
        if argv[-1] == "update":
            return 0
        (place / "log").write_text("E: Failed to fetch\n")
        write_file(self.packages / f"{len(self.commands)}.deb", "x" * self.arriving)
        return self.codes.pop(0) if self.codes else 0

    def download(self, **request: Any) -> bool:
        return runner.try_to_download_for_next_deploy(
            self.place, self.memory, {"run": RUN} | request
        )

    def last_event(self) -> Data:
        lines = (self.place / "events.jsonl").read_text().splitlines()
        found: Data = json.loads(lines[-1])
        return found


@pytest.fixture
def node(node_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    found = Node(node_state, tmp_path / "cache")
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\ncase \"$*\" in *new-*) exit 100;; esac\ncat <<'END'\n{URIS}END\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(runner, "_run_logged", found.run)
    monkeypatch.setattr(download_ahead, "ARCHIVES", found.archives)
    monkeypatch.setattr(download_ahead, "PACKAGES", found.packages)
    monkeypatch.setattr(download_ahead, "PAUSES", (0,))
    return found


def test_download_fetches_archives_then_packages_and_writes_no_receipt(node: Node) -> None:
    node.arriving = 1000
    assert node.download() is True
    assert node.commands == [
        "playbooks/download.yml", "update", "playbooks/run.yml --check", "alpha",
    ]  # fmt: skip
    [play] = json.loads((node.memory / "playbooks" / "download.yml").read_text())
    assert play["tasks"][0]["ansible.builtin.include_role"] == {
        "name": "a", "tasks_from": "download.yml",
    }  # fmt: skip
    assert node.last_event() == FINISHED | {"bytes": 1500}
    assert not list((node.state / "receipts").glob("*.json"))


def test_download_of_an_up_to_date_node_runs_nothing(node: Node) -> None:
    for role in "ab":
        write_receipt(node.state, inputs(role), record())
    assert node.download() is True
    assert node.commands == []
    assert node.last_event() == FINISHED
    assert node.download(full=True) is True
    assert node.commands[0] == "playbooks/download.yml"


def test_download_names_what_only_the_deploy_can_download(node: Node) -> None:
    new = {"role": "b", "item": {"kind": "package", "name": "new-jicofo"}}
    node.records = [ALPHA, new, {"role": "b", "download": "the image x"}]
    assert node.download() is True
    assert node.commands[-1] == "alpha"
    assert node.last_event()["remaining"] == ["the image x", "new-jicofo"]


def test_download_says_that_the_dry_run_stopped_early(node: Node) -> None:
    node.dry_run_code = 2
    assert node.download() is True
    assert node.last_event()["partial"] is True


def test_failed_archive_ends_the_run(node: Node) -> None:
    node.playbook_code = 2
    assert node.download() is False
    assert node.commands == ["playbooks/download.yml"]
    assert node.last_event() == {"event": "playbook_failed", "code": 2, "log": []}


def test_broken_download_of_packages_is_tried_again(node: Node) -> None:
    node.codes = [100, 124, 100]
    assert node.download() is True
    assert node.commands[-4:] == ["alpha"] * 4


def test_packages_without_progress_fail_after_an_hour(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_ahead, "PAUSES", (0, 4000))
    node.codes = [100] * 9
    assert node.download() is False
    assert node.commands[-2:] == ["alpha"] * 2
    failure = node.last_event()
    assert (failure["event"], failure["message"]) == ("failure", "E: Failed to fetch")


def test_packages_that_do_not_fit_are_not_downloaded(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_ahead, "SPARE_BYTES", 10**18)
    assert node.download() is False
    assert "alpha" not in node.commands
    assert node.last_event()["message"].startswith(f"no space left on device: {node.packages}")
