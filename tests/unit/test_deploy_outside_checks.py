"""Outside checks as `verify` runs them: a real pytest in a separate process."""

from dataclasses import replace
from pathlib import Path

import pytest
from node_samples import node
from region_samples import SANDBOX

from chautari.deploy import outside_checks
from chautari.report.model import CheckResult

CHECKS = '''
import pytest
pytestmark = pytest.mark.role("ROLE")

@pytest.mark.advice("Make it answer.", units=["nginx"])
def test_settings(settings, node):
    """Settings are there"""
    assert settings["base_hostname"] == node

@pytest.mark.advice("Set it anew.", units=[])
def test_secret(secret):
    """A secret is known"""
    assert secret("mail_relay_password") == "other"

@pytest.mark.advice("Nothing.", units=[])
def test_mail(mailbox, settings):
    """Mail arrives"""

def test_web(web, ca_file, settings):
    """Certificates are verified"""
    assert web.verify == ca_file == "/state/ca.pem"
    assert web.trust_env is False
'''


def outside(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> list[CheckResult]:
    file = folder / "test_outside.py"
    file.write_text(text)
    monkeypatch.setattr(outside_checks, "outside_check_files", lambda _: [file])
    nodes = [node(folder, name, SANDBOX) for name in ("bog1", "med1")]
    return outside_checks.run_outside_checks(nodes, replace(SANDBOX, mail_api=None))


def test_each_check_runs_for_each_node_of_its_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = outside(tmp_path, monkeypatch, CHECKS.replace("ROLE", "base"))
    assert [(item.node, item.check, item.outcome) for item in found] == [
        (name, check, outcome)
        for name in ("bog1", "med1")
        for check, outcome in (
            ("test_settings", "passed"), ("test_secret", "failed"), ("test_mail", "skipped"),
            ("test_web", "passed"),
        )
    ]  # fmt: skip
    assert {(item.service, item.side) for item in found} == {("base", "outside")}


def test_failed_check_shows_its_advice_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = outside(tmp_path, monkeypatch, CHECKS.replace("ROLE", "nginx"))
    assert {item.node for item in found} == {"med1"}
    [failed] = [item for item in found if item.outcome == "failed"]
    assert (failed.title, failed.advice) == ("A secret is known", "Set it anew.")
    assert "canary" not in repr(found)
    assert "********" in failed.message
    [skipped] = [item for item in found if item.outcome == "skipped"]
    assert "only possible in a sandbox" in skipped.message


def test_check_file_with_an_error_does_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [check] = outside(tmp_path, monkeypatch, "def test_x(:\n")
    assert check.outcome == "failed" and "SyntaxError" in check.message
