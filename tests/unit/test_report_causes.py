"""Causes that the message of a failed task reveals, and the next step of each."""

import pytest
from report_samples import bad_report

from chautari.report import messages, summary
from chautari.report.causes import CAUSES, find_cause_code
from chautari.report.model import TaskFailure


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("OSError: [Errno 28] No space left on device: '/var/x'", "disk_full"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "disk_full"),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)",
         "apt_locked"),
        ("E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another "
         "process using it?", "apt_locked"),
        ("Failed to lock apt for exclusive operation: Failed to lock directory",
         "apt_locked"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the "
         "problem.", "dpkg_interrupted"),
        ("Err:1 http://mirror.example.org/debian bookworm InRelease\n  Temporary failure resolving "
         "'mirror.example.org'", "no_name_resolution"),
        ("Request failed: <urlopen error [Errno -3] Temporary failure in name resolution>",
         "no_name_resolution"),
        ("curl: (6) Could not resolve host: download.nextcloud.com", "no_name_resolution"),
        ("OSError: [Errno 12] Cannot allocate memory", "out_of_memory"),
        ("non-zero return code\nKilled", "out_of_memory"),
        ("Another preparation is running (started by ana from bog at 14:05 UTC). Wait",
         "other_run"),
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", "port_taken"),
        ("OSError: [Errno 98] Address already in use", "port_taken"),
        ("sudo: a password is required", ""),
        ("the job was Killed by its owner", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_cause_is_found_in_the_message_of_the_task(message: str, code: str) -> None:
    assert find_cause_code(TaskFailure("base", "Install", message)) == code


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("bog1 kernel: Out of memory: Killed process 77 (mysqld)", "out_of_memory"),
        ("bog1 rsyslogd: write failed: No space left on device", "disk_full"),
        ("bog1 ntpd: Temporary failure in name resolution", ""),
    ],
)
def test_cause_in_the_journal_counts_only_for_the_whole_machine(line: str, code: str) -> None:
    assert (
        find_cause_code(TaskFailure("nginx", "Start it", "it did not start", ["x", line])) == code
    )


def test_message_of_the_task_comes_before_the_journal() -> None:
    failure = TaskFailure("base", "Install", "E: dpkg was interrupted", ["Out of memory: Killed"])
    assert find_cause_code(failure) == "dpkg_interrupted"


def test_each_step_is_one_line() -> None:
    assert all(messages.cause_text(cause.code).endswith(".") for cause in CAUSES)


def test_next_step_names_the_task_and_its_cause() -> None:
    report = bad_report()
    report.nodes[0].failure = TaskFailure("nginx", "Write it", "[Errno 28] No space left on device")
    assert summary.next_step_texts(report)[0] == (
        "bog1: Task “Write it” failed in role nginx: The disk is full. To see which file "
        "system is full, run `df -h; df -i` on the node. Then free some space."
    )
