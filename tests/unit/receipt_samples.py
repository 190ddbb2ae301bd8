"""Receipts for the tests: inputs, records and a node's state folder, all in real files."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chautari.node import converge, receipt_writer
from chautari.node.differences import Reason
from chautari.node.receipt_writer import Record
from chautari.node.receipts import Inputs

RUN = "20261124T120000-abcdef"
Data = dict[str, Any]


def inputs(role: str = "web", **changed: Any) -> Inputs:
    """Return what a role is given."""
    found: Inputs = {
        "role": role, "files": "f1", "ansible": "a1", "variables": {"web_name": "d1"},
        "needs": [], "items": [], "tracked_by": {},
    }  # fmt: skip
    return found | changed


def path_item(file: Path, **more: Any) -> Data:
    return {"kind": "path", "name": str(file)} | more


def record(*items: Data, **changed: Any) -> Record:
    """Return what a role's tasks told that came to its end."""
    found = {f"{item['kind']} {item['name']}": item for item in items}
    return Record(**({"items": found, "done": True} | changed))


def written(file: Path, text: str = "one\n", mode: int = 0o644) -> Path:
    """Write a file as a role would, whatever the umask."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def sealed(state: Path, given: Inputs, told: Record) -> str:
    """Seal one role and return why it stays open."""
    return receipt_writer.seal(state, RUN, [given], {given["role"]: told}).get(given["role"], "")


def kinds(reasons: list[Reason]) -> list[str]:
    return [reason["kind"] for reason in reasons]


class FakeAnsible:
    """Stands in for Ansible: each play does what its role is told to do, and notes it.

    `does` maps a role to a function; what it returns is noted, False fails the play.
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
            notes = self.does.get(role, list)()
            if notes is False:
                return 2
            with (self.memory / "managed.jsonl").open("a") as stream:
                for note in [*(notes or []), {"done": True}]:
                    stream.write(json.dumps({"role": role} | note) + "\n")
        return 0


def node(folder: Path, roles: list[Inputs], ansible: Callable[[str], int]) -> converge.Node:
    """Return a node whose bundle is unpacked under `folder`; what it tells is in `told`."""
    memory, state = folder / "memory", folder / "state"
    for place in (memory, state):
        place.mkdir(exist_ok=True)
    (memory / "roles.json").write_text(json.dumps(roles))
    plays = {item["role"]: {"hosts": item["role"], "roles": [item["role"]]} for item in roles}
    (memory / "plays.json").write_text(json.dumps(plays))

    def tell(event: str, **values: Any) -> None:
        with (folder / "told.jsonl").open("a") as stream:
            stream.write(json.dumps({"event": event} | values) + "\n")

    return converge.Node(state, memory, RUN, ansible, tell)


def told(folder: Path, event: str) -> list[Data]:
    """Return the events of a kind that the node of `folder` told."""
    file = folder / "told.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [item for item in found if item["event"] == event]


def mode(file: Path) -> str:
    return oct(os.stat(file).st_mode & 0o777)
