"""Events of checks: one for each check, with its advice and without secrets."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from chautari.checks.record import CheckRecorder

pytest_plugins = ["pytester"]

PLUGIN = """
import pytest
from chautari.checks.record import CheckRecorder, register_markers
from chautari.node.run_journal import secret_spellings

def pytest_configure(config):
    register_markers(config)
    journal = lambda units: [f"{unit}: a line with canary-secret" for unit in units]
    secrets = secret_spellings(["canary-secret", "", "canary-secret-and-more"])
    config.pluginmanager.register(CheckRecorder("inside", lambda item: "bog1", journal, secrets))
"""
CHECKS = '''
import pytest
pytestmark = pytest.mark.role("nginx")

@pytest.fixture
def broken():
    raise RuntimeError("no canary-secret here")

def test_good():
    """The good title

    More words.
    """

@pytest.mark.advice("Look at the log.", units=["nginx", "php-fpm"])
def test_bad():
    """Names answer"""
    password = "canary-secret-and-more"
    assert password == "other", f"the page said {password}"

@pytest.mark.advice("Install it.", units=["nginx"])
def test_broken(broken):
    """Set-up works"""

@pytest.mark.advice("Nothing to do.", units=["nginx"])
def test_not_here():
    """There is a sink"""
    pytest.skip("only a sandbox has one")

@pytest.mark.parametrize("node", ["a", "b"])
def test_each(node):
    """Each is fine"""
'''


@pytest.fixture
def events(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    results = Path(pytester.path) / "results.jsonl"
    monkeypatch.setenv("CHAUTARI_RESULTS", str(results))
    pytester.makeconftest(PLUGIN)
    pytester.makepyfile(CHECKS)
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--strict-markers")
    done.assert_outcomes(passed=3, failed=1, errors=1, skipped=1)
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(lines) == 6
    return {line["check"]: line for line in lines}


def test_passed_check_is_recorded(events: dict[str, dict[str, Any]]) -> None:
    event = events["test_good"]
    assert event.pop("seconds") >= 0
    assert event == {
        "event": "check", "side": "inside", "node": "bog1", "service": "nginx",
        "check": "test_good", "title": "The good title", "outcome": "passed", "message": "",
        "advice": "", "units": [], "journal": [],
    }  # fmt: skip


def test_failed_check_is_recorded_with_its_advice(events: dict[str, dict[str, Any]]) -> None:
    event = events["test_bad"]
    assert (event["outcome"], event["title"]) == ("failed", "Names answer")
    assert event["advice"] == "Look at the log."
    assert event["units"] == ["nginx", "php-fpm"]
    assert event["journal"] == [f"{unit}: a line with ********" for unit in event["units"]]
    assert "the page said ********" in event["message"]


def test_check_with_a_failed_setup_counts_as_failed(events: dict[str, dict[str, Any]]) -> None:
    event = events["test_broken"]
    assert event["outcome"] == "failed"
    assert event["message"] == "RuntimeError: no ******** here"


def test_skipped_check_has_its_reason_and_no_journal(events: dict[str, dict[str, Any]]) -> None:
    event = events["test_not_here"]
    assert (event["outcome"], event["journal"]) == ("skipped", [])
    assert event["message"] == "Skipped: only a sandbox has one"


def test_check_with_parameters_keeps_its_plain_name(events: dict[str, dict[str, Any]]) -> None:
    assert events["test_each"]["outcome"] == "passed"


def test_plugin_on_the_node_masks_the_secrets_of_the_bundle(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(pytester.path)
    results, settings, known = (folder / name for name in ("r.jsonl", "given.json", "secrets.json"))
    settings.write_text(json.dumps({"node": "bog1", "settings": {}, "since": "@0"}))
    known.write_text(json.dumps(["canary-secret"]))
    journalctl = folder / "bin" / "journalctl"
    journalctl.parent.mkdir()
    journalctl.write_text("#!/bin/sh\necho nginx says canary-secret\n")
    journalctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(journalctl.parent), prepend=":")
    for name, file in (("RESULTS", results), ("SETTINGS", settings), ("SECRETS", known)):
        monkeypatch.setenv(f"CHAUTARI_{name}", str(file))
    pytester.makepyfile(CHECKS)
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "chautari.checks.inside")
    assert "canary" not in results.read_text()
    [bad] = [e for e in map(json.loads, results.read_text().splitlines()) if e["journal"]][:1]
    assert bad["journal"] == ["nginx says ********"]


def test_full_disk_leaves_no_partial_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, limits = tmp_path / "r.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setenv("CHAUTARI_RESULTS", str(results))
    recorder = CheckRecorder("inside", lambda _: "bog1", lambda _: [])
    resource.setrlimit(resource.RLIMIT_FSIZE, (9, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            recorder._append_event({"event": "check", "title": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    recorder._append_event({"event": "check", "title": "y"})
    assert [json.loads(line)["title"] for line in results.read_text().splitlines()] == ["y"]


def test_no_event_holds_a_secret(events: dict[str, dict[str, Any]]) -> None:
    assert "canary" not in json.dumps(events)
