"""The demo's calls of `deploy`: results are JSON, and failures give the command's own reasons."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chautari.errors import RunFailed
from chautari_sandbox.demo_federation import deploy_command


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace Python by a program that prints this file and exits with the code in `code`."""
    file, program = tmp_path / "stdout", tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat {file}\nexit $(cat {tmp_path / 'code'})\n")
    program.chmod(0o755)
    (tmp_path / "code").write_text("0")
    monkeypatch.setattr(sys, "executable", str(program))
    return file


def test_result_is_the_object(printed: Path) -> None:
    printed.write_text('{"ok": true}')
    assert deploy_command.run_deploy_and_parse_json("region", "andes") == {"ok": True}


def test_code_that_is_expected_is_no_failure(printed: Path) -> None:
    printed.write_text('{"peers": {}}')
    printed.with_name("code").write_text("1")
    found = deploy_command.run_deploy_and_parse_json(
        "federation", "status", "andes", good_codes=(0, 1)
    )
    assert found == {"peers": {}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            '{"ok": false, "error": {"exit_code": 2, "message": "no region", "fix": "write it"}}',
            "no region",
        ),
        (
            '{"nodes": [{"name": "bog1", "refusals": [{"reason": "the disk is full"}], '
            '"failure": null}]}',
            "bog1: the disk is full",
        ),
        (
            '{"nodes": [{"name": "bog1", "refusals": [], '
            '"failure": {"role": "tls", "message": "no certificate"}}]}',
            "bog1: role tls: no certificate",
        ),
        (
            '{"nodes": [], "checks": {"results": [{"node": "bog1", "check": "test_page", '
            '"outcome": "failed", "message": "404"}]}}',
            "bog1: test_page: 404",
        ),
        ("no JSON", "exited with code 1"),
    ],
)
def test_failure_names_the_command_and_its_reasons(printed: Path, text: str, reason: str) -> None:
    printed.write_text(text)
    printed.with_name("code").write_text("1")
    with pytest.raises(RunFailed) as failed:
        deploy_command.run_deploy_and_parse_json("region", "andes")
    assert "`deploy region andes` exited with code 1" in failed.value.message
    assert reason in failed.value.message
    assert failed.value.fix == "deploy region andes; then run the demo again"


def test_secret_is_printed_without_its_line_end(printed: Path) -> None:
    printed.write_text("canary\n")
    assert deploy_command.read_secret("andes", "nextcloud_admin_password") == "canary"
    printed.with_name("code").write_text("2")
    with pytest.raises(RunFailed, match="secrets show andes nextcloud_admin_password"):
        deploy_command.read_secret("andes", "nextcloud_admin_password")
