"""Causes that a failed task's own words give away, and the next step of each."""

import pytest
from report_samples import bad_report

from chautari.report import summary
from chautari.report.causes import CAUSES, next_step
from chautari.report.model import Failure


@pytest.mark.parametrize(
    ("message", "step"),
    [
        ("OSError: [Errno 28] No space left on device: '/var/x'", "its disk is full"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "its disk is full"),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)",
         "another program holds apt's lock"),
        ("E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another "
         "process using it?", "another program holds apt's lock"),
        ("Failed to lock apt for exclusive operation: Failed to lock directory",
         "another program holds apt's lock"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the "
         "problem.", "an installation was cut off"),
        ("Err:1 http://mirror.example.org/debian bookworm InRelease\n  Temporary failure resolving "
         "'mirror.example.org'", "it could not look up a name"),
        ("Request failed: <urlopen error [Errno -3] Temporary failure in name resolution>",
         "it could not look up a name"),
        ("curl: (6) Could not resolve host: download.nextcloud.com", "it could not look up a name"),
        ("OSError: [Errno 12] Cannot allocate memory", "it ran out of memory"),
        ("non-zero return code\nKilled", "it ran out of memory"),
        ("another preparation is still at work here, of ana from bog since 14:05 UTC: wait",
         "somebody is at work there already"),
        ("sudo: a password is required", ""),
        ("the job was Killed by its owner", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_cause_is_known_by_what_the_task_says(message: str, step: str) -> None:
    found = next_step(Failure("base", "Install", message))
    assert found.startswith(step) and bool(found) == bool(step)


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("bog1 kernel: Out of memory: Killed process 77 (mysqld)", "it ran out of memory"),
        ("bog1 rsyslogd: write failed: No space left on device", "its disk is full"),
        ("bog1 ntpd: Temporary failure in name resolution", ""),
    ],
)
def test_journal_tells_only_of_what_harms_the_whole_machine(line: str, step: str) -> None:
    found = next_step(Failure("nginx", "Start it", "it did not start", ["x", line]))
    assert found.startswith(step) and bool(found) == bool(step)


def test_the_task_s_own_words_come_first() -> None:
    failure = Failure("base", "Install", "E: dpkg was interrupted", ["Out of memory: Killed"])
    assert next_step(failure).startswith("an installation was cut off")


def test_each_step_is_one_line() -> None:
    assert all("\n" not in cause.step and cause.step.endswith(".") for cause in CAUSES)


def test_next_step_names_the_task_and_its_cause() -> None:
    report = bad_report()
    report.nodes[0].failure = Failure("nginx", "Write it", "[Errno 28] No space left on device")
    assert summary.next_steps(report)[0] == (
        "bog1: “Write it” failed in role nginx: its disk is full: `df -h; df -i` there shows "
        "which; make room on it."
    )
