"""Whether containers run is told by their first processes, or else by podman."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chautari_sandbox import alive, paths

MEMBERS = {"internet": "198.51.100.2", "lima": "198.51.100.12"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def remember(pid: int) -> None:
    alive.remember("demo", MEMBERS, {"internet": os.getpid(), "lima": pid})


def test_containers_whose_processes_live_run() -> None:
    remember(os.getpid())
    assert alive.members("demo") == MEMBERS


def test_one_that_ended_makes_podman_say_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    remember(child.pid)
    assert alive.members("demo") == MEMBERS
    child.communicate(b"\n")
    assert alive.members("demo") is None


def test_dead_process_that_nobody_waited_for_does_not_count() -> None:
    child = subprocess.Popen([sys.executable, "-c", "print()"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    remember(child.pid)
    assert alive.members("demo") is None
    child.wait()


@pytest.mark.parametrize("change", [{"boot": "another"}, {"lives": {}}, {"lives": None}])
def test_what_another_start_of_the_machine_left_does_not_count(change: dict[str, object]) -> None:
    remember(os.getpid())
    file = paths.state_dir("demo") / "alive.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert alive.members("demo") is None


def test_process_with_the_number_of_a_container_s_old_one_does_not_count() -> None:
    remember(os.getpid())
    file = paths.state_dir("demo") / "alive.json"
    known = json.loads(file.read_text())
    known["lives"]["lima"][2] = "1"
    file.write_text(json.dumps(known))
    assert alive.members("demo") is None


def test_nothing_known_is_none() -> None:
    assert alive.members("demo") is None
    remember(os.getpid())
    alive.forget("demo")
    alive.forget("demo")
    assert alive.members("demo") is None
    remember(0)
    assert alive.members("demo") is None, "a container without a process is not remembered"
