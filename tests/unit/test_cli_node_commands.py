"""Commands that ask nodes: their output in the terminal, and their progress."""

from pathlib import Path
from typing import Any

import pytest
from region_samples import region_file

from chautari.cli import main, node_commands
from chautari.deploy import drift, status


@pytest.fixture(autouse=True)
def inventories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    region_file(tmp_path)
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))


def test_text_of_a_node_is_cleaned_for_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change: Any = {"code": "path_missing", "data": {"path": "/x\x1b]0;title\x07 \x9b31mred\u202e"}}
    answer: Any = {"event": "drift", "roles": {"web": [change]}, "deployed": 1.0, "known": 3,
                   "busy": {"operator": "lu\x1b[2Jz"}}  # fmt: skip
    monkeypatch.setattr(drift, "drift_of_nodes", lambda _: [drift.NodeDrift("bog1", answer)])
    main.run(["drift", "andes"])
    state = {"node": "bog1", "reachable": False, "message": "no\x1b[2J\nbog2  all is well"}
    monkeypatch.setattr(status, "node_states", lambda _: [state])
    main.run(["status", "andes"])
    output = capsys.readouterr().out
    assert "\x1b" not in output and "\x07" not in output
    assert r"/x\x1b]0;title\x07 \x9b31mred\u202e: is missing" in output
    assert r"lu\x1b[2Jz is deploying" in output
    assert output.splitlines()[-1].startswith("bog1 ")


class Shown:
    """A fake screen that records the lines of nodes and their ends."""

    def __init__(self) -> None:
        self.progress, self.lines, self.ended = self, list[tuple[str, str]](), list[Any]()

    def show_phase(self, node: str, doing: str) -> None:
        self.lines.append((node, doing))

    def finish_node(self, node: str, state: str) -> None:
        self.ended.append((node, state))


def test_attach_names_the_holder_of_the_lock() -> None:
    shown: Any = Shown()
    tell = node_commands.progress_listener(shown)
    tell("bog1", {"event": "busy", "holder": {"operator": "luz\x1b[2J", "run": "q"}})
    tell("med1", {"event": "busy"})
    named = ("bog1", r"luz\x1b[2J is deploying to this node (run q)")
    assert (shown.ended, shown.lines) == ([named, ("med1", "busy")], [])


def test_wait_names_the_holder_of_the_lock() -> None:
    shown: Any = Shown()
    tell = node_commands.progress_listener(shown)
    holder = {"operator": "luz\x1b[2J", "origin": "lima", "run": "q", "role": "php"}
    tell("bog1", {"event": "waiting", "holder": holder})
    tell("bog1", {"event": "waiting", "holder": {}})
    assert shown.lines == [
        ("bog1", r"luz\x1b[2J is deploying to this node (from lima, run q), role php; waiting"),
        ("bog1", "another operator is deploying to this node; waiting"),
    ]
