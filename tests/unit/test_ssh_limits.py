"""A faulty or hostile node cannot fill the memory or disk of this machine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chautari.deploy import node_events
from chautari.deploy.node_events import NodeReportBuilder
from chautari.process import STDERR_BYTES, OutputLimits, RunningCommand
from chautari.report.model import NodeReport
from chautari.ssh import runner_client
from chautari.ssh.target import SSHTarget

SMALL = OutputLimits(line_bytes=100, total_bytes=1_000)
MAX_RSS_MB = 150


def stream(script: str, limits: OutputLimits = SMALL) -> RunningCommand:
    return RunningCommand([sys.executable, "-c", script], limits=limits)


def test_stream_yields_output_within_its_limits() -> None:
    running = stream("for n in range(10): print('x' * 99)")
    assert [len(line) for line in running] == [99] * 10
    assert (running.flooded, running.code) == (False, 0)


def test_stream_kills_a_command_that_prints_too_many_lines() -> None:
    running = stream("while True: print()", OutputLimits(100, 1 << 20, lines=7))
    assert (len(list(running)), running.flooded) == (7, True)


@pytest.mark.parametrize(
    "script",
    ["while True: print('x' * 98)", "while True: print('x', end='')", "print('x' * 200)",
     "import sys; sys.stdout.write('x' * 101); sys.stdout.flush(); import time; time.sleep(60)"],
    ids=["many lines", "endless line", "long line", "long line without its end"],
)  # fmt: skip
def test_stream_kills_a_command_that_prints_too_much(script: str) -> None:
    running = stream(script)
    lines = list(running)
    assert running.flooded
    assert running.code != 0 or script.startswith("print")
    assert sum(len(line) + 1 for line in lines) <= SMALL.total_bytes


def test_stream_keeps_only_the_end_of_standard_error() -> None:
    running = stream("import sys\nfor _ in range(100): sys.stderr.write('x' * 65536)\n"
                     "sys.stderr.write('\\nthe end')")  # fmt: skip
    assert list(running) == []
    assert len(running.stderr) <= STDERR_BYTES and running.stderr.endswith("\nthe end")


def builder() -> tuple[NodeReportBuilder, NodeReport]:
    report = NodeReport("bog1", "192.0.2.1", "failed")
    return NodeReportBuilder(report, lambda _, __: None), report


def events() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield json.dumps({"event": "role_message", "role": "a", "text": f"message {number}"})


def test_builder_reports_a_node_that_sends_too_many_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(node_events, "MAX_EVENTS", 50)
    taken, report = builder()
    for line in events():
        if taken.ended:
            break
        taken.feed_line(line)
    assert (taken.event_count, report.state) == (51, "failed")
    assert [refusal.code for refusal in report.refusals] == ["too_much_output"]


def test_builder_limits_the_notices_of_a_report() -> None:
    taken, report = builder()
    for _, line in zip(range(node_events.MAX_NOTICES + 9), events(), strict=False):
        taken.feed_line(line)
    assert len(report.notices) == node_events.MAX_NOTICES
    assert report.notices[-1].code == "too_many_notices"


def test_call_runner_rejects_an_answer_that_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def flood(_: Any, __: Any, limits: OutputLimits) -> RunningCommand:
        return stream("while True: print('{}')", OutputLimits(100, 10_000))

    monkeypatch.setattr(runner_client, "RunningCommand", flood)
    monkeypatch.setattr(runner_client, "ssh_argv", lambda *_: ())
    target = SSHTarget("bog1", "203.0.113.10", 22, "root", Path("known_hosts"))
    reply = runner_client.call_runner(target, {"action": "status"}, dict)
    assert (reply.answer, reply.error) == (None, runner_client.TOO_MUCH)


# What a hostile node may print: the program that reads it runs as a child of its own.
FLOODS = {
    "messages": """n = 0
while True:
    n += 1
    print('{"event": "role_message", "role": "a", "text": "%d"}' % n)""",
    "nested data": """line = '[],' * 60_000
n = 0
while True:
    n += 1
    print('{"event": "roles_selected", "roles": {"r%d": [{"code": "x", "data": {"a": [%s1]}}]}}'
          % (n, line))""",
    "differences": """while True:
    print('{"event": "difference", "role": "a", "task": "t", "diff": "%s"}' % ('x' * 2000))""",
    "endless line": "while True: print('[' * 65536, end='')",
    "standard error": """import sys
for _ in range(5_000): sys.stderr.write('x' * 65536)""",
}
READER = """
import sys
from chautari.deploy import remote_run
from chautari.report.model import NodeReport
from chautari.ssh import runner_client
from chautari.ssh.target import SSHTarget
runner_client.ssh_argv = lambda *_: (sys.executable, "-c", sys.argv[1])
remote_run.PAUSES, remote_run.MAX_OUTAGE_SECONDS = (0,), 0
report = NodeReport("bog1", "192.0.2.1", "failed")
target = SSHTarget("bog1", "192.0.2.1", 22, "root", None)
remote_run.follow_existing_run(target, "r", report, lambda *_: None)
print(report.state, ",".join(item.code for item in report.refusals))
# The kernel's ru_maxrss includes the process that started this one.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) // 1024)
"""


@pytest.mark.parametrize("flood", FLOODS)
def test_flood_of_a_node_uses_little_memory(flood: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READER, FLOODS[flood]], capture_output=True, text=True, check=True,
        timeout=120,
    )  # fmt: skip
    ending, memory = done.stdout.splitlines()
    assert ending.startswith("failed")
    assert "too_much_output" in ending or flood == "standard error"
    assert int(memory) < MAX_RSS_MB, f"{memory} MB"
    assert int(memory) > 0
