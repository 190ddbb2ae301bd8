"""Receipts for the tests: inputs, records and a node's state folder, all in real files."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from chautari.node import converge, current_resources, reason_texts, receipt_writer, receipts
from chautari.node.events import Reason, RunEvent
from chautari.node.receipt_writer import RoleRecord
from chautari.node.receipts import RoleInputs

RUN = "20261124T120000-abcdef"
Data = dict[str, Any]


def inputs(role: str = "web", **changed: Any) -> RoleInputs:
    """Return the inputs of a role."""
    found: Data = {
        "role": role, "files": "f1", "ansible": "a1", "variables": {"web_name": "d1"},
        "needs": [], "items": [], "tracked_by": {},
    }  # fmt: skip
    return cast("RoleInputs", found | changed)


def path_item(file: Path, **more: Any) -> Data:
    return {"kind": "path", "name": str(file)} | more


def record(*items: Data, **changed: Any) -> RoleRecord:
    """Return the record of a role whose tasks all ran."""
    found = {f"{item['kind']} {item['name']}": item for item in items}
    return RoleRecord(**({"items": found, "completed": True} | changed))


def write_file(file: Path, text: str = "one\n", mode: int = 0o644) -> Path:
    """Write a file with an exact mode, as a role does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def write_receipt(state: Path, given: RoleInputs, recorded: RoleRecord) -> str:
    """Write the receipt of one role and return why it is incomplete."""
    incomplete = receipt_writer.write_receipts(state, RUN, [given], {given["role"]: recorded})
    return reason_text(incomplete.get(given["role"]))


def codes(reasons: list[Reason]) -> list[str]:
    return [reason["code"] for reason in reasons]


def reason_text(reason: Reason | None) -> str:
    """Return the text of a reason; empty for none."""
    return reason_texts.reason_text(reason["code"], reason["data"]) if reason else ""


class FakeAnsible:
    """A fake Ansible: each play calls the function of its role and records the result.

    `does` maps a role to a function; it returns records, and False to fail the play.
    """

    def __init__(self, memory: Path, does: dict[str, Callable[[], Any]]) -> None:
        self.memory, self.does = memory, does
        self.ran: list[list[str]] = []
        self.plays: list[list[Data]] = []

    def __call__(self, playbook: str) -> int:
        plays = json.loads((self.memory / playbook).read_text())
        self.plays.append(plays)
        self.ran.append([])
        for play in plays:
            role = play["hosts"]
            self.ran[-1].append(role)
            records = self.does.get(role, list)()
            if records is False:
                return 2
            with (self.memory / "managed.jsonl").open("a") as stream:
                for entry in [*(records or []), {"completed": True}]:
                    stream.write(json.dumps({"role": role} | entry) + "\n")
        return 0


def run_context(
    folder: Path, roles: list[RoleInputs], ansible: Callable[[str], int]
) -> converge.RunContext:
    """Return a node whose bundle is unpacked in `folder`; `events_of` returns its events."""
    memory, state = folder / "memory", folder / "state"
    for place in (memory, state):
        place.mkdir(exist_ok=True)
    (memory / "roles.json").write_text(json.dumps(roles))
    plays = {item["role"]: {"hosts": item["role"], "roles": [item["role"]]} for item in roles}
    (memory / "plays.json").write_text(json.dumps(plays))

    def emit(event: RunEvent) -> None:
        with (folder / "events.jsonl").open("a") as stream:
            stream.write(json.dumps(event) + "\n")

    return converge.RunContext(state, memory, RUN, ansible, emit)


def events_of(folder: Path, event: str) -> list[Data]:
    """Return the events of a kind that the node of `folder` emitted."""
    file = folder / "events.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [item for item in found if item["event"] == event]


def mode(file: Path) -> str:
    return oct(os.stat(file).st_mode & 0o777)


def fail_reads(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Let every read of a file's content fail with an error of the system."""

    def hashed(name: str, algorithm: str) -> str:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(current_resources, "_hash_file", hashed)


def make_link_loop(folder: Path) -> None:
    """Replace a folder by a link to itself."""
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}.before"))
    folder.symlink_to(folder.name)


def write_web_receipt(state: Path, file: Path, **changed: Any) -> str:
    """Write the receipt of a role `web` that manages `file`; return why it is incomplete."""
    return write_receipt(state, inputs(**changed), record(path_item(file)))


def reason_codes(state: Path, **changed: Any) -> list[str]:
    """Return why the role `web` would run, as codes."""
    return codes(receipts.roles_to_run(state, [inputs(**changed)]).get("web", []))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return the folder of a node's receipts."""
    return tmp_path / "state"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file that a role manages."""
    return write_file(tmp_path / "etc" / "web.conf")
