"""Space for backups of peers: what may be compacted, copies, and the way back."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from chautari.node.backup_space import compaction_guard, copies, main, maintenance, segments
from chautari.node.backup_space.settings import SpaceForPeerNode, parse_spaces, read_spaces

MB = 1 << 20


def pack(value: Any) -> bytes:
    """Return a value in MessagePack, as borg writes hints."""
    if isinstance(value, dict):
        items = b"".join(pack(part) for pair in value.items() for part in pair)
        return b"\xdf" + struct.pack(">I", len(value)) + items
    if isinstance(value, bytes):
        return b"\xc4" + bytes([len(value)]) + value
    return b"\xcf" + struct.pack(">Q", value) if value > 127 else bytes([value])


@pytest.fixture
def space(tmp_path: Path) -> SpaceForPeerNode:
    """A repository with three segments, the last of which is transaction 2."""
    found = SpaceForPeerNode("andes", "backup-andes", "bog1", tmp_path)
    data = found.repository / "data" / "0"
    data.mkdir(parents=True)
    for number in range(3):
        (data / str(number)).write_bytes(b"x" * 1000)
    (found.repository / "config").write_text("[repository]")
    (found.repository / "transactions").write_text("transaction 2, UTC time 2026-11-30\n")
    (found.repository / "index.2").write_text("index")
    hints = {b"version": 2, b"segments": {0: 3}, b"compact": {0: 400, 1: 100}}
    (found.repository / "hints.2").write_bytes(pack(hints))
    return found


def test_freeable_bytes_are_read_from_the_hints(space: SpaceForPeerNode) -> None:
    assert segments.freeable_bytes(space.repository) == 500
    assert segments.size_of_segments(space.repository) == 3000


@pytest.mark.parametrize(
    "content", [b"", b"\x81", b"\xc1", b"\x05", b"\xdf\xff\xff\xff\xff", b"\x91" * 99]
)
def test_damaged_hints_are_refused(space: SpaceForPeerNode, content: bytes) -> None:
    (space.repository / "hints.2").write_bytes(content)
    with pytest.raises(segments.UnknownHints):
        segments.freeable_bytes(space.repository)


def test_hints_of_another_transaction_are_refused(space: SpaceForPeerNode) -> None:
    (space.repository / "index.2").rename(space.repository / "index.3")
    with pytest.raises(segments.UnknownHints):
        segments.freeable_bytes(space.repository)


@pytest.mark.parametrize(
    ("freeable", "size", "deleted", "copy", "action"),
    [
        (100 * MB, 1000 * MB, 0, 1000 * MB, "compact"),
        (501 * MB, 1000 * MB, 0, 1000 * MB, "refuse"),
        (1000 * MB, 1000 * MB, 0, 0, "refuse"),
        (200 * MB, 700 * MB, 310 * MB, 1000 * MB, "refuse"),
        (200 * MB, 700 * MB, 290 * MB, 1000 * MB, "compact"),
        (100 * MB, 1000 * MB, 0, 0, "compact"),
        (10 * MB, 12 * MB, 0, 12 * MB, "wait"),
        (65 * MB, 9000 * MB, 0, 9000 * MB, "wait"),
    ],
)
def test_compaction_is_refused_when_half_would_be_freed(
    freeable: int, size: int, deleted: int, copy: int, action: str
) -> None:
    assert (
        compaction_guard.decide_whether_to_compact(freeable, size, deleted, copy).action == action
    )


def test_copy_keeps_what_the_repository_loses(space: SpaceForPeerNode) -> None:
    copies.replace_copy(space, 1000.0)
    assert copies.time_of_copy(space) == 1000.0
    segment = space.repository / "data" / "0" / "1"
    assert segment.stat().st_nlink == 2 and copies.size_deleted_since_copy(space) == 0
    segment.unlink()
    (space.repository / "config").write_text("forged")
    assert (space.copy / "data" / "0" / "1").read_bytes() == b"x" * 1000
    assert (space.copy / "config").read_text() == "[repository]"
    assert copies.size_deleted_since_copy(space) == 1000
    assert copies.is_copy_due(space, 1000.0 + 36 * 86_400)
    assert not copies.is_copy_due(space, 1000.0 + 34 * 86_400)
    copies.replace_copy(space, 2000.0)
    assert not (space.copy / "data" / "0" / "1").exists()
    assert [path.name for path in space.copy.parent.iterdir()] == ["bog1"]


def arguments(space: SpaceForPeerNode, *rest: str) -> list[str]:
    peer = {"name": space.peer, "account": space.account, "nodes": [space.node]}
    file = space.folder / "settings.json"
    file.write_text(json.dumps({"format": 1, "folder": str(space.folder), "peers": [peer]}))
    return ["--settings", str(file), *rest]


def test_rollback_makes_a_copy_of_an_earlier_transaction(
    space: SpaceForPeerNode, capsys: Any
) -> None:
    target = space.folder / "earlier"
    assert main.main(arguments(space, "list", "andes/bog1")) == 0
    assert "transaction 2" in capsys.readouterr().out
    assert main.main(arguments(space, "rollback", "andes/bog1", "1", str(target))) == 0
    assert sorted(path.name for path in (target / "data" / "0").iterdir()) == ["0", "1"]
    assert (target / "config").exists() and not list(target.glob("index.*"))
    assert (space.repository / "data" / "0" / "2").exists()
    assert main.main(arguments(space, "rollback", "andes/bog1", "1", str(target))) == 2
    assert main.main(arguments(space, "list", "andes/other")) == 2


@pytest.mark.parametrize("wrong", [{"name": "../x"}, {"account": "a/b"}, {"nodes": ["bog1", "."]}])
def test_settings_refuse_names_that_are_paths(tmp_path: Path, wrong: dict[str, Any]) -> None:
    peer = {"name": "andes", "account": "backup-andes", "nodes": ["bog1"]} | wrong
    with pytest.raises(ValueError, match="invalid name"):
        list(parse_spaces({"format": 1, "folder": str(tmp_path), "peers": [peer]}))


def tend_with(
    space: SpaceForPeerNode, monkeypatch: pytest.MonkeyPatch, reason: str = ""
) -> dict[str, Any]:
    calls: list[str] = []

    def run_as(account: str, command: list[str], limit: float) -> str:
        calls.append(command[0])
        return reason if command[0] == "check" else ""

    monkeypatch.setattr(maintenance, "run_as_and_return_error", run_as)
    return maintenance.maintain_repository(space, 1e9) | {"calls": calls}


def test_healthy_repository_is_copied(
    space: SpaceForPeerNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tend_with(space, monkeypatch)
    assert found["check_ok"] is True and found["error"] is None and found["copied"] == 10**9


def test_damaged_repository_is_not_copied(
    space: SpaceForPeerNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tend_with(space, monkeypatch, "Segment entry checksum mismatch")
    assert found["check_ok"] is False and not space.copy.exists()
    assert "checksum mismatch" in maintenance.problem_and_fix_text(space, found["error"])
    locked = tend_with(space, monkeypatch, "Failed to create/acquire the lock")
    assert locked["check_ok"] is None and locked["error"]["code"] == "unfinished"


def test_emptied_repository_is_neither_compacted_nor_copied(
    space: SpaceForPeerNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction_guard, "MIN_BYTES", 100)
    hints = {b"version": 2, b"compact": {0: 1000, 1: 900}}
    (space.repository / "hints.2").write_bytes(pack(hints))
    found = tend_with(space, monkeypatch)
    assert found["error"] == {"code": "compaction_refused", "data": {"share": 63}}
    assert found["calls"] == ["check"] and not space.copy.exists()


def test_problems_are_mailed_and_remembered(
    space: SpaceForPeerNode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mails: list[Any] = []
    monkeypatch.setattr(maintenance, "_mail_problems_to_root", mails.append)
    monkeypatch.setattr(
        maintenance, "run_as_and_return_error", lambda account, command, limit: "\x1b damaged"
    )
    spaces = [space, SpaceForPeerNode("delta", "backup-delta", "n1", tmp_path)]
    assert [maintenance.maintain_all_repositories(spaces, tmp_path) for _ in range(2)] == [1, 1]
    assert len(mails) == 1 and "andes/bog1" in mails[0][0] and "\x1b" not in mails[0][0]
    state = json.loads((tmp_path / "state.json").read_text())["spaces"]
    assert state["andes/bog1"]["check_ok"] is False and state["delta/n1"]["error"] is None


def test_settings_of_the_role_are_read(space: SpaceForPeerNode) -> None:
    arguments(space)
    assert read_spaces(space.folder / "settings.json") == [space]
    assert space.exists
