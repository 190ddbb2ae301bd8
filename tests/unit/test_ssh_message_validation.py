"""The validation of what a node sends."""

import json
from typing import Any, get_args

import pytest

from chautari.node import events
from chautari.node.events import DriftAnswer, StatusAnswer
from chautari.ssh.message_validation import MalformedMessage, parse_answer, parse_known_event


def test_parse_event_returns_the_event_without_fields_of_a_newer_version() -> None:
    line = '{"event": "busy", "holder": {"operator": "luz", "mood": "good"}, "tea": 1}'
    assert parse_known_event(line) == {"event": "busy", "holder": {"operator": "luz"}}


def test_parse_event_returns_none_for_an_unknown_name() -> None:
    assert parse_known_event('{"event": "from_the_future", "x": 1}') is None


@pytest.mark.parametrize(
    "line",
    ["", "x", "[]", "null", "7", '"busy"', "{}", '{"event": 3}', '{"event": null}',
     '{"event": ["busy"]}', '{"event": "busy"}', '{"event": "busy", "holder": 1}',
     '{"event": "role_started", "role": {}}', '{"event": "difference", "role": "a"',
     '{"event": "run_finished", "ok": "perhaps"}', "[" * 100_000, '{"a":' * 100_000],
    ids=lambda line: line[:30],
)  # fmt: skip
def test_parse_event_rejects_a_malformed_line(line: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_known_event(line)


def test_every_event_has_a_unique_name() -> None:
    names = [kind.__annotations__["event"].__forward_arg__ for kind in get_args(events.RunEvent)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("line", ["Welcome to bog1", "{}", '{"event": "busy"}', '{"x": 1}'])
def test_parse_answer_skips_other_output(line: str) -> None:
    assert parse_answer(line, "status", StatusAnswer) is None


def test_parse_answer_rejects_an_answer_without_its_fields() -> None:
    answer: dict[str, Any] = {"event": "status", "busy": None, "run": None, "runs": []}
    assert parse_answer(json.dumps(answer), "status", StatusAnswer) == answer
    with pytest.raises(MalformedMessage):
        parse_answer(json.dumps(answer | {"runs": 3}), "status", StatusAnswer)


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "1e18", "9" * 4000, "9" * 9000]
)
def test_numbers_that_no_report_can_show_are_malformed(number: str) -> None:
    """Sums of them overflow, times of them have no date, and some have no form in JSON."""
    for line in (
        f'{{"event": "role_finished", "role": "base", "seconds": {number}}}',
        f'{{"event": "role_finished", "role": "base", "seconds": 1, "changed": {number}}}',
        f'{{"event": "busy", "holder": {{"since": {number}}}}}',
        f'{{"event": "refused", "reason": {{"code": "x", "data": {{"a": [{number}]}}}}}}',
    ):
        with pytest.raises(MalformedMessage):
            parse_known_event(line)


def test_answer_with_a_number_that_no_report_can_show_is_malformed() -> None:
    line = '{"event": "drift", "roles": {}, "deployed": 1e18, "known": 1, "busy": {}}'
    with pytest.raises(MalformedMessage):
        parse_answer(line, "drift", DriftAnswer)


@pytest.mark.parametrize("value", ['"5"', "true", "null", "[]", "{}"])
def test_values_are_not_converted(value: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_known_event(f'{{"event": "role_finished", "role": "base", "seconds": {value}}}')


@pytest.mark.parametrize("run", ["x; reboot", "$(id)", "a b", "`id`", "x\n", "x" * 65, "\x1b[2J"])
def test_run_id_that_no_command_may_contain_is_malformed(run: str) -> None:
    for event in (
        {"event": "run_started", "run": run},
        {"event": "busy", "holder": {"run": run}},
        {"event": "refused", "reason": {"code": "x", "data": {"run": run}}},
    ):
        with pytest.raises(MalformedMessage):
            parse_known_event(json.dumps(event))
