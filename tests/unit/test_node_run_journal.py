"""The journal of a run: limited, free of secrets, read line by line."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from chautari.node import run_journal

HARD = 'it\'s "quoted" \\ ñ\tsecret'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def secrets(folder: Path, *values: str) -> list[str]:
    (folder / "secrets.json").write_text(json.dumps(values))
    return run_journal.read_secret_spellings(folder / "secrets.json")


def test_append_event_writes_whole_lines_in_order(file: Path) -> None:
    for number in range(3):
        run_journal.append_event(file, {"event": "task", "n": number, "text": "a\nb"})
    assert [json.loads(line)["n"] for line in run_journal.read_lines_from(file)] == [0, 1, 2]


def test_read_lines_continues_at_a_position(file: Path) -> None:
    run_journal.append_event(file, {"event": "a"})
    position = sum(map(len, run_journal.read_lines_from(file)))
    run_journal.append_event(file, {"event": "b"})
    assert [json.loads(line)["event"] for line in run_journal.read_lines_from(file, position)] == [
        "b"
    ]


def test_read_lines_leaves_out_a_partial_line(file: Path) -> None:
    assert run_journal.read_lines_from(file) == []
    run_journal.append_event(file, {"event": "a"})
    with file.open("a") as stream:
        stream.write('{"event": "ha')
    assert len(run_journal.read_lines_from(file)) == 1


@pytest.mark.parametrize("kind", ["task", "difference"])
def test_long_journal_keeps_only_important_events(
    kind: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_journal, "MAX_BYTES", 200)
    for _ in range(50):
        run_journal.append_event(file, {"event": kind, "text": "x" * 30})
    assert file.stat().st_size < 300
    for name in ("failure", "role_finished", "check", "run_finished"):
        run_journal.append_event(file, {"event": name})
    assert [json.loads(line)["event"] for line in run_journal.read_lines_from(file)[-4:]] == [
        "failure", "role_finished", "check", "run_finished",
    ]  # fmt: skip


@pytest.mark.parametrize("secret", ["canary", HARD, "x" * 500])
def test_append_event_masks_secrets_everywhere(secret: str, file: Path, tmp_path: Path) -> None:
    known = secrets(tmp_path, secret)
    event: dict[str, Any] = {"event": "failure", "message": f"a{secret}b", "log": [secret, secret]}
    run_journal.append_event(file, event, known)
    [line] = map(json.loads, run_journal.read_lines_from(file))
    assert line["message"] == f"a{run_journal.MASK}b"
    assert line["log"] == [run_journal.MASK] * 2


@pytest.mark.parametrize("secret", ["canary", HARD])
def test_mask_secrets_masks_plain_text(secret: str, tmp_path: Path) -> None:
    assert (
        run_journal.mask_secrets(f"a{secret}b", secrets(tmp_path, secret))
        == f"a{run_journal.MASK}b"
    )


def test_mask_secrets_masks_longer_secrets_first(tmp_path: Path) -> None:
    known = secrets(tmp_path, "canary", "canary-and-more", "tiny")
    assert [known.index("canary-and-more") < known.index("canary"), "tiny" in known] == [
        True,
        False,
    ]
    assert run_journal.mask_secrets("canary-and-more", known) == run_journal.MASK


KEY = "-----BEGIN KEY-----\nMIIcanaryMIIcanaryMII\nshort\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"password": HARD}),
        json.dumps({"password": HARD}, ensure_ascii=False),
        json.dumps(json.dumps([KEY])[1:-1]),
        repr([HARD]),
        "https://ana:it%27s%20%22quoted%22%20%5C%20%C3%B1%09secret@example.org/",
        "aXQncyAicXVvdGVkIiBcIMOxCXNlY3JldA==",
        f"+ {KEY.splitlines()[1]}",
        f"  {KEY.splitlines()[1]}  ",
    ],
)
def test_append_event_masks_secrets_in_each_encoding(text: str, file: Path, tmp_path: Path) -> None:
    known = secrets(tmp_path, HARD, KEY)
    run_journal.append_event(file, {"event": "failure", "deep": [{"message": text}]}, known)
    [line] = map(json.loads, run_journal.read_lines_from(file))
    [found] = line["deep"]
    assert run_journal.MASK in found["message"]
    for part in ("canary", "quoted", "XVvdGVk"):
        assert part not in found["message"]


def test_mask_secrets_ignores_short_lines_of_a_key(tmp_path: Path) -> None:
    assert run_journal.mask_secrets("a short word", secrets(tmp_path, KEY)) == "a short word"


def test_append_event_keeps_values_that_are_no_text(file: Path, tmp_path: Path) -> None:
    event = {"event": "a", "n": 7, "none": None, "yes": True, "list": [1.5, ["x"]]}
    run_journal.append_event(file, event, secrets(tmp_path, "canary"))
    assert [json.loads(line) for line in run_journal.read_lines_from(file)] == [event]


def test_full_disk_leaves_no_partial_line(file: Path) -> None:
    run_journal.append_event(file, {"event": "a"})
    before, limits = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 9, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            run_journal.append_event(file, {"event": "b", "message": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    run_journal.append_event(file, {"event": "c"})
    assert [json.loads(line)["event"] for line in run_journal.read_lines_from(file)] == ["a", "c"]


def test_bundle_without_secrets_masks_nothing(tmp_path: Path) -> None:
    assert run_journal.read_secret_spellings(tmp_path / "gone") == []


def test_trim_keeps_beginning_and_end_of_a_long_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_journal, "LOG_BYTES", 100)
    log = tmp_path / "log"
    log.write_bytes(b"a" * 500 + b"z" * 500)
    run_journal.shorten_log_file(log)
    assert log.read_bytes() == b"a" * 50 + b"\n[cut]\n" + b"z" * 50


@pytest.mark.parametrize("size", [0, 100])
def test_trim_leaves_a_short_log_unchanged(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_journal, "LOG_BYTES", 100)
    log = tmp_path / "log"
    run_journal.shorten_log_file(log)
    assert not log.exists()
    log.write_bytes(b"x" * size)
    run_journal.shorten_log_file(log)
    assert log.read_bytes() == b"x" * size
