"""Which mails the node sends for a history of looks: one for one change, and never a flood."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from chautari.node.health import alerts
from chautari.node.health.alerts import AlertHistory, DueMail
from chautari.node.health.mails import compose_mail
from chautari.node.health.problems import BROKEN, WARNING, Problem

STEP = 300  # seconds between two looks
NOW = 1_796_000_000
BOOTED = NOW - 30 * 86_400


def problem(letter: str, level: int) -> Problem:
    return Problem(f"unit {letter}.service", "unit_failed", level, {"unit": f"{letter}.service"})


class Watch:
    """A node that is looked at every five minutes."""

    def __init__(self) -> None:
        self.memory, self.now, self.booted = AlertHistory(), NOW, BOOTED
        self.mails: list[tuple[int, DueMail]] = []
        self.accepted = True
        self.looks = 0

    def look(self, seen: str, unsettled: tuple[str, ...] = ()) -> None:
        """Look once: `a` is a warning about a, `A` something broken, `.` nothing."""
        found = [problem(letter.lower(), BROKEN if letter.isupper() else WARNING)
                 for letter in seen if letter.isalpha()]  # fmt: skip
        alerts.record_look(self.memory, found, unsettled, self.now, self.booted)
        mail = alerts.next_due_mail(self.memory, self.now)
        if mail is not None and self.accepted:
            alerts.record_mail(self.memory, mail, self.now)
            self.mails.append((self.looks, mail))
        # Nothing is only in memory: the program ends after each look.
        stored = json.loads(json.dumps(alerts.alert_history_object(self.memory)))
        self.memory = alerts.parse_alert_history(stored)
        self.now += STEP
        self.looks += 1

    def texts(self) -> list[str]:
        """Return each mail as the look it came with, what got worse, and what was solved."""

        def letters(keys: Any) -> str:
            return "".join(key.removeprefix("unit ")[0] for key in keys)

        return [f"{look}:{letters(mail.worse)}/{letters(mail.solved)}" for look, mail in self.mails]


# A history has one word for each look; "x5" repeats the word before it.
HISTORIES = {
    "one bad look is no alarm": ("a . . . . .", []),
    "two bad looks in a row are one": ("a a x20", ["1:a/"]),
    "two of three are one": (". a . a x20", ["3:a/"]),
    "one of three is none, for hours": ("a . . x1 a . . a . . a . . a . .", []),
    "one mail for one change, for a week": ("a x2016", ["1:a/"]),
    "a solved problem is mailed once": ("a x5 . x10", ["1:a/", "7:/a"]),
    "a short gap is not solved": ("a x10 . . a x10", ["1:a/"]),
    "worse is a change": ("a x10 A x10", ["1:a/", "11:a/"]),
    "better is none": ("A x10 a x10", ["1:a/"]),
    "two at the same time are one mail": ("ab x10", ["1:ab/"]),
    "a second one waits for the pause": ("a a ab x10", ["1:a/", "7:b/"]),
    "solved ones are in the next mail": (
        "ab x8 b x8 bc x8",
        ["1:ab/", "17:c/a"],
    ),
    "solved ones wait a day for it": ("ab x8 b x300", ["1:ab/", "298:/a"]),
    "one that comes back is mailed once more": (
        "a x8 . x8 a x8 . x8 a x8 . x8 a x200",
        ["1:a/", "10:/a", "17:a/"],
    ),
}


def words(history: str) -> list[str]:
    found: list[str] = []
    for word in history.split():
        if word.startswith("x") and word[1:].isdigit():
            found += [found[-1]] * (int(word[1:]) - 1)
        else:
            found.append(word)
    return found


@pytest.mark.parametrize("name", HISTORIES)
def test_histories_give_these_mails(name: str) -> None:
    history, expected = HISTORIES[name]
    watch = Watch()
    for word in words(history):
        watch.look(word)
    assert watch.texts() == expected


def test_problem_that_flaps_for_a_week_is_mailed_twice() -> None:
    watch = Watch()
    for number in range(2016):
        watch.look("a" if number // 8 % 2 else ".")
    assert [text for text in watch.texts() if not text.endswith("/a")] == ["9:a/", "25:a/"]
    assert len(watch.mails) == 3


def test_returned_problem_is_solved_after_a_day_without_it() -> None:
    watch = Watch()
    for word in words("a x8 . x8 a x8 . x280"):
        watch.look(word)
    assert watch.texts() == ["1:a/", "10:/a", "17:a/"]
    for _ in range(100):
        watch.look(".")
    # It was last seen at the 24th look, a day before.
    assert watch.texts()[3:] == ["311:/a"]


def test_hundred_problems_are_no_flood() -> None:
    watch = Watch()
    letters = "bcdefghijklmnopqrstuvwxyz"
    for number in range(288):
        watch.look("a" + letters[: number // 8])
    assert len(watch.mails) <= alerts.MAX_MAILS
    looks = [look for look, _ in watch.mails]
    gaps = [later - earlier for earlier, later in pairwise(looks)]
    assert min(gaps) * STEP >= alerts.PAUSE_SECONDS
    for _ in range(288):
        watch.look("a" + letters)
    reported = {key for _, mail in watch.mails for key in mail.worse}
    assert len(reported) == len(letters) + 1


def test_restart_of_the_machine_gives_no_alarm() -> None:
    watch = Watch()
    watch.look("ab")  # while services stop
    watch.booted = watch.now
    for _ in range(3):
        watch.look("abc", unsettled=("unit",))
    for _ in range(10):
        watch.look("")
    assert watch.mails == []


def test_restart_of_the_machine_solves_nothing_that_was_not_looked_at() -> None:
    watch = Watch()
    for _ in range(5):
        watch.look("a")
    watch.booted = watch.now
    for _ in range(300):
        watch.look("", unsettled=("unit",))
    for _ in range(20):
        watch.look("a")
    assert watch.texts() == ["1:a/"]


def test_mail_that_was_not_accepted_is_sent_later() -> None:
    watch = Watch()
    watch.accepted = False
    for _ in range(20):
        watch.look("a")
    watch.accepted = True
    for _ in range(20):
        watch.look("a")
    assert watch.texts() == ["20:a/"]


def test_clock_that_was_ahead_does_not_silence_the_node() -> None:
    watch = Watch()
    watch.now += 400 * 86_400
    for _ in range(5):
        watch.look("a")
    watch.now -= 400 * 86_400
    for _ in range(20):
        watch.look("ab")
    assert [mail.worse for _, mail in watch.mails] == [["unit a.service"], ["unit b.service"]]


def test_memory_is_bounded() -> None:
    memory = AlertHistory()
    for look in range(5):
        found = [Problem(f"unit {look}-{n}", "unit_failed", BROKEN, {}) for n in range(500)]
        alerts.record_look(memory, found, (), NOW + look * STEP, BOOTED)
    assert len(memory.items) <= alerts.MAX_ITEMS


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"format": 2},
        {"format": 1, "booted": 0, "mails": [], "items": {"a": 1}},
        {"format": 1, "booted": 0, "mails": [float("inf")], "items": {}},
        {"format": 1, "booted": "x", "mails": [], "items": []},
    ],
)
def test_damaged_memory_counts_as_empty(content: dict[str, Any]) -> None:
    assert alerts.parse_alert_history(content) == AlertHistory()


def mail_of(*problems: Problem, solved: tuple[str, ...] = ()) -> Any:
    memory = AlertHistory()
    for moment in (NOW, NOW + STEP):
        alerts.record_look(memory, problems, (), moment, BOOTED)
    mail = DueMail([item.key for item in problems if item.key not in solved], list(solved), [])
    return compose_mail(memory, mail, "andes", "bog1", NOW + STEP)


def test_mail_says_what_is_wrong_and_what_to_do() -> None:
    message = mail_of(Problem("disk /", "disk_low", WARNING,
                              {"mount": "/", "percent": 9, "free": 2_000_000_000, "days": 4.2}),
                      problem("a", BROKEN), solved=("unit a.service",))  # fmt: skip
    assert message["To"] == "root"
    assert message["Subject"] == ("bog1 (andes): / has 9 % free space (2 GB); full in about 4 days")
    text = message.get_content()
    assert "  Next: delete files, or use a larger disk\n" in text
    assert "Solved since the last mail:\n- the unit a.service has failed\n" in text
    assert text.endswith("run: deploy status andes\n")


def test_mail_about_solved_problems_is_short() -> None:
    message = mail_of(problem("a", BROKEN), solved=("unit a.service",))
    assert message["Subject"] == "bog1 (andes): solved"
    assert len(message.get_content().splitlines()) <= 8


def test_hostile_names_add_no_lines_and_no_headers() -> None:
    name = "x\r\nBcc: all@example.org\x1b[2J\u202e.service"
    message = mail_of(Problem(f"unit {name}", "unit_failed", BROKEN, {"unit": name}))
    assert message["Bcc"] is None
    assert "\x1b" not in str(message) and len(message["Subject"].splitlines()) == 1
    assert not any(line.startswith("Bcc") for line in message.get_content().splitlines())
