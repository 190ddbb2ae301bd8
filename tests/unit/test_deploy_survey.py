"""A survey whose connection drops."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploy_samples import Silent, answer, fake_call_runner

from chautari.deploy import survey
from chautari.process import RunningCommand
from chautari.ssh.target import SSHTarget

CUTS = [
    "",
    "Connection closed by 203.0.113.10 port 22",
    "Connection to 203.0.113.10 closed by remote host.",
    "kex_exchange_identification: read: Connection reset by peer",
    "client_loop: send disconnect: Broken pipe",
    "Timeout, server 203.0.113.10 not responding.",
]


@pytest.fixture
def node(tmp_path: Path) -> SSHTarget:
    (tmp_path / "known_hosts").write_text("203.0.113.10 key\n")
    return SSHTarget("bog1", "203.0.113.10", 22, "root", tmp_path / "known_hosts")


def survey_node(
    node: SSHTarget, monkeypatch: pytest.MonkeyPatch, answers: Iterator[tuple[list[Any], Any]]
) -> tuple[survey.NodeSurvey, int]:
    """Return the result, and how often the node was asked."""
    times: list[str] = []

    def ask(target: SSHTarget, *_: Any) -> tuple[list[Any], Any]:
        times.append(target.name)
        return next(answers)

    monkeypatch.setattr(survey, "call_runner", fake_call_runner(ask))
    found = survey.survey_node(node, lambda _: [])
    return found, len(times)


@pytest.mark.parametrize("error", CUTS)
def test_survey_is_repeated_after_a_disconnection(
    error: str, node: SSHTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [([], Silent(error)), ([], Silent(error)), ([answer("debian-12")], Silent("", 0))]
    found, times = survey_node(node, monkeypatch, iter(answers))
    assert (found.answered, found.nothing_to_do, times) == (True, True, 3)


@pytest.mark.parametrize("error", CUTS)
def test_survey_gives_up_a_connection_that_always_drops(
    error: str, node: SSHTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, times = survey_node(node, monkeypatch, iter([([], Silent(error))] * 9))
    assert (found.answered, times) == (False, survey.TRIES)


@pytest.mark.parametrize(
    "ending",
    [
        Silent("Permission denied (publickey)."),
        Silent("Host key verification failed."),
        Silent("ssh: connect to host 203.0.113.10 port 22: Connection timed out"),
        Silent("python3: not found", 127),
        Silent("", 255, stopped=True),
    ],
    ids=["no account", "another key", "no machine", "no python", "a person ended it"],
)
def test_survey_is_not_repeated_after_a_permanent_error(
    ending: Silent, node: SSHTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert survey_node(node, monkeypatch, iter([([], ending)] * 9))[1] == 1


def test_survey_reports_an_interruption_by_the_user() -> None:
    stream = RunningCommand(["sleep", "60"])
    stream.stop()
    assert (list(stream), stream.stopped) == ([], True)
