"""The holder of the lock of a node, and the current role of its run."""

import io
from pathlib import Path

import pytest
from run_samples import (
    OLD,
    RUN,
    STARTED,
    printed_events,
    write_run,
)

from chautari.node import lock, main

pytestmark = pytest.mark.usefixtures("node_state")


def test_activity_names_the_holder_and_the_current_role(
    node_state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    roles = [{"event": "role_started", "role": role} for role in ("base", "php")]
    write_run(node_state, RUN, STARTED, *roles, {"event": "task", "task": "t"})
    assert main.main({"action": "activity"}, io.BytesIO()) == 0
    assert printed_events(capsys) == [{"event": "activity", "busy": None}]
    monkeypatch.setattr(lock, "lock_holder", lambda: {"operator": "luz", "run": RUN})
    main.main({"action": "activity"}, io.BytesIO())
    [answer] = printed_events(capsys)
    assert answer["busy"] == {"operator": "luz", "run": RUN, "role": "php"}
    monkeypatch.setattr(lock, "lock_holder", lambda: {"operator": "luz", "run": OLD})
    main.main({"action": "activity"}, io.BytesIO())
    assert printed_events(capsys)[0]["busy"]["role"] == ""
