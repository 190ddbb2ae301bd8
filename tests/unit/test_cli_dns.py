"""`deploy dns`: table, zone file, JSON and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cli_samples import inventories
from dns_samples import name_server, resolver_of
from test_dns_zone import RIGHT

from chautari.cli import main
from chautari.dns_zone import name_servers, states

__all__ = ["inventories"]
Serve = Callable[[str], None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Serve:
    """Return a function that lets the command ask a name server with these records."""
    monkeypatch.setattr(name_servers, "SECONDS", 1.0)

    def start(zone: str) -> None:
        context = name_server(zone)
        server = context.__enter__()
        request.addfinalizer(lambda: context.__exit__(None, None, None))
        monkeypatch.setattr(states, "system_resolver", lambda _: resolver_of(server))

    return start


def test_table_says_that_all_is_right(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    serve(RIGHT)
    assert main.run(["dns", "andes"]) == 0
    text = capsys.readouterr().out
    assert "All required records are right (asked: ns1.example.org)." in text


def test_missing_record_is_code_1_with_the_line_to_make(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(RIGHT.replace("cloud.andes.example.org A 203.0.113.11\n", ""))
    assert main.run(["dns", "andes"]) == 1
    text = capsys.readouterr().out
    assert "Create this record: cloud.andes.example.org A 203.0.113.11" in text
    assert "deploy dns andes --wait" in text


def test_json_has_each_record_with_its_state(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(RIGHT.replace("AAAA 2001:db8::11", "AAAA 2001:db8::12"))
    assert main.run(["dns", "andes", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    wrong = next(r for r in found["records"] if r["state"] == "wrong")
    assert wrong == {
        "name": "cloud.andes.example.org", "kind": "AAAA", "value": "2001:db8::11",
        "purpose": "nextcloud", "required": True, "state": "wrong", "found": ["2001:db8::12"],
        "differing_server": "",
    }  # fmt: skip
    assert (found["ok"], found["zone"], found["problem"]) == (False, "example.org", None)


def test_zone_format_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(states, "compare_zone_with_desired_records", None)
    assert main.run(["dns", "andes", "--format", "zone"]) == 0
    assert "cloud.andes.example.org. 3600 IN AAAA 2001:db8::11\n" in capsys.readouterr().out
    assert main.run(["dns", "andes", "--format", "zone", "--json"]) == 2


def test_without_network_a_sentence_says_so(
    serve: Serve, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "find_zone", lambda *_: name_servers.Zone("", (), "no_network"))
    monkeypatch.setattr(states, "ask_resolver", lambda *_: None)
    assert main.run(["dns", "andes"]) == 1
    captured = capsys.readouterr()
    assert "cloud.andes.example.org" in captured.out
    assert "this machine has no network.\n  Fix: connect this machine" in captured.err


def test_wait_says_what_is_missing(
    serve: Serve, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(RIGHT.replace("cloud.andes.example.org A 203.0.113.11\n", ""))
    monkeypatch.setattr(states, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(states.wait_until_records_are_right, "__defaults__", (0.05,))
    monkeypatch.setattr("chautari.cli.dns.SECONDS_PER_MINUTE", 2)
    assert main.run(["dns", "andes", "--wait", "1"]) == 1
    assert "Waiting for: cloud.andes.example.org A\n" in capsys.readouterr().err


def test_narrow_terminal_gets_a_list(
    serve: Serve,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    serve(RIGHT)
    assert main.run(["dns", "andes"]) == 0
    assert "cloud.andes.example.org\n    type: A\n    value: 203.0.113.11\n    state: right\n" in (
        capsys.readouterr().out
    )
