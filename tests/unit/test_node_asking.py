"""How a look at a node asks other programs."""

import time
from pathlib import Path

import pytest
from test_node_fingerprint import State, one, stand_in, tools

from chautari.node import fingerprint
from chautari.node.fingerprint import current_states

__all__ = ["tools"]


def test_probe_that_goes_on_without_a_word_is_ended_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fingerprint, "PROBE_SECONDS", 0.2)
    began = time.monotonic()
    assert one("probe", script="echo a; exec >&-; sleep 20") == {"ok": False, "says": []}
    assert time.monotonic() - began < 5


def test_program_that_cannot_be_run_counts_as_one_that_is_not_there(tools: Path) -> None:
    (tools / "dpkg-query").write_bytes(b"\x7fELF, cut short")
    (tools / "dpkg-query").chmod(0o755)
    assert one("package", "nginx") == {"status": "not-installed"}


def test_answers_come_in_the_order_of_the_questions(tools: Path, tmp_path: Path) -> None:
    stand_in(tools, "dpkg-query", "printf 'nginx\\tinstall\\tinstalled\\t1.2\\n'")
    items: list[State] = [
        {"kind": "package", "name": "nginx"},
        {"kind": "exists", "name": str(tmp_path)},
        {"kind": "probe", "name": "p", "script": "echo a"},
        {"kind": "path", "name": str(tmp_path / "none")},
    ]
    assert current_states(items) == [
        {"status": "installed"}, {"exists": True}, {"ok": True, "says": ["a"]}, {"is": "absent"},
    ]  # fmt: skip
