"""The end of a report in the terminal: where to go, what to do next, and the counts.

Addresses and commands are on lines of their own, and no line is broken within them: they can be
copied as they are, also from a narrow terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from chautari.language import N_, _
from chautari.report import summary
from chautari.report.model import RegionReport, ServiceAccess
from chautari.report.text_format import count_with_noun, to_one_line

# What services call the command that shows a password.
PASSWORD_LABELS = (N_("password"), N_("passwords"), N_("initial password"))
MOST_NOTICES = 12  # that are shown in one line each
_NOTE_WITH_COMMAND = re.compile(r"(?P<label>[a-z ]{1,20}): (?P<command>deploy [a-z0-9_ -]{1,120})")
_STEP_WITH_COMMAND = re.compile(r"(?P<text>.+:) (?P<command>deploy [a-z][A-Za-z0-9_ ./-]{1,120})")
_COPYABLE = re.compile(r"deploy [a-z][A-Za-z0-9_ ./-]{1,120}|[\x21-\x7e]{1,300}")
# States of nodes after a command that prepares a deploy.
_BEFORE_A_DEPLOY = frozenset({"planned", "downloaded", "prepared"})
# States of nodes on which nothing was done.
_NOT_BEGUN = frozenset({"refused", "unreachable", "busy"})
_HOSTS_LINE = re.compile(r"[0-9a-fA-F:.]{3,45}( [a-z0-9.-]{1,253})+")


class LoginLine(NamedTuple):
    """One line about a login: what it is, and what a person copies."""

    label: str
    value: str


def is_copyable(text: str) -> bool:
    """Return whether a text is one word or a command of ours, so that it may fill several lines."""
    return bool(_COPYABLE.fullmatch(text))


def did_nothing(report: RegionReport) -> bool:
    """Return whether no node was changed or checked; then the cause must fit on one screen."""
    stopped = all(node.state in _NOT_BEGUN for node in report.nodes)
    return bool(report.nodes) and stopped and not report.checks


def services_to_open(report: RegionReport) -> list[ServiceAccess]:
    """Return the services of the nodes on which nothing failed: a failure comes first."""
    failed = {node.name for node in report.nodes if not node.ok}
    return [service for service in report.services if service.node not in failed]


def repeats_refusals(report: RegionReport) -> bool:
    """Return whether the next steps at the end contain what each refused node needs."""
    steps = {refusal.fix for node in report.nodes for refusal in node.refusals}
    return did_nothing(report) and len(steps) < summary.MOST_STEPS


def login_lines(service: ServiceAccess) -> list[LoginLine]:
    """Return how to log in: the name, and the command that shows the password."""
    found = [LoginLine(_("Login"), service.login)] if service.login else []
    note = service.note_text
    if match := _NOTE_WITH_COMMAND.fullmatch(note):
        return [*found, LoginLine(match["label"].capitalize(), match["command"])]
    return [*found, LoginLine(_("Note"), note)] if note else found


def hosts_entries_command(report: RegionReport) -> list[str]:
    """Return lines that a shell takes as a whole to add a sandbox's hosts entries.

    Only lines that are hosts entries are in it: nothing else reaches the shell.
    """
    entries = [
        line
        for hint in report.hints
        if hint.code == "add_hosts"
        for line in hint.data.get("entries", ())
        if isinstance(line, str) and _HOSTS_LINE.fullmatch(line)
    ]
    return ["sudo tee -a /etc/hosts <<'END'", *entries, "END"] if entries else []


def first_next_steps(report: RegionReport) -> list[str]:
    """Return at most three steps; a report without problems ends with the next command."""
    steps = summary.next_step_texts(report, without=("add_hosts",))
    if report.ok and report.services:
        region = to_one_line(report.region)
        if {node.state for node in report.nodes} <= _BEFORE_A_DEPLOY:
            steps.append(_("Deploy the region: deploy region {region}", region=region))
        else:
            steps.append(
                _("See the state of the region at any time: deploy status {region}", region=region)
            )
    return steps[: summary.MOST_STEPS]


def split_command(step: str) -> tuple[str, str]:
    """Return a step without the command that it ends with, and the command; empty without one."""
    match = _STEP_WITH_COMMAND.fullmatch(step)
    return (match["text"], match["command"]) if match else (step, "")


def first_notices_as_lines(report: RegionReport) -> list[str]:
    """Return each notice as one line that names its node, the first of them."""
    notices = [
        to_one_line(f"{node.name}: {notice.text}")
        for node in report.nodes
        for notice in node.notices
    ]
    more = len(notices) - MOST_NOTICES
    return notices[:MOST_NOTICES] + ([_("and {more} more", more=more)] if more > 0 else [])


def node_and_check_counts(report: RegionReport) -> Iterable[str]:
    """Yield the counts of nodes by their state, and of checks by their result."""
    if len(report.nodes) == 1 and did_nothing(report):
        return  # the result below says the same
    states: dict[str, int] = {}
    for node in report.nodes:
        word = summary.describe_node_state(node).word
        states[word] = states.get(word, 0) + 1
    if states:
        yield _("Nodes: ") + ", ".join(f"{number} {word}" for word, number in states.items())
    if report.checks:
        outcomes = {
            "passed": report.count_checks("passed"),
            "failed": report.count_checks("failed"),
            "skipped": report.count_checks("skipped"),
        }
        counts = ", ".join(f"{number} {_(word)}" for word, number in outcomes.items())
        yield _("Checks: {counts}", counts=counts)
    if changed := sum(node.changed for node in report.nodes):
        yield _("Changed on the nodes: {items}", items=count_with_noun(changed, "item"))
