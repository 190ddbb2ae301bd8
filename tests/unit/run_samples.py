"""Runs for the tests of a node: their ids, their files, their events and their bundles."""

import io
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUN = "20261123T120000-abcdef"
OLD = "20261122T120000-abcdef"
LATER = "20261123T115959-fedcba"
ABOUT = {
    "run": RUN, "operator": "ana", "origin": "laptop", "region": "andes", "node": "bog1",
    "mode": "deploy", "full": False,
}  # fmt: skip
STARTED = {"event": "run_started", "run": RUN}
ENDED = {"event": "run_finished", "ok": True, "seconds": 1}


def write_run(state: Path, run: str = RUN, *events: dict[str, Any]) -> Path:
    folder = state / "runs" / run
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(json.dumps(ABOUT | {"run": run, "sha256": "x"}))
    if events:
        lines = "".join(json.dumps(event) + "\n" for event in events)
        (folder / "events.jsonl").write_text(lines)
    return folder


def packed_bundle(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, kind in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 0
            content = b""
            if kind == tarfile.REGTYPE:
                content = b"content"
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def printed_events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
