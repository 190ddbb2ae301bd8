"""What the tests in containers read from the logs of Lynis and testssl.sh."""

from __future__ import annotations

import json

import pytest
from tests.integration.auditors import parse_lynis, parse_testssl

LOG = """\
2026-12-01 02:20:01 Performing test ID SSH-7408 (Check SSH specific defined options)
2026-12-01 02:20:01 Hardening: assigned maximum number of hardening points for this item (3). \
Currently having 3 points (out of 3)
2026-12-01 02:20:01 Hardening: assigned partial number of hardening points (1 of 3). \
Currently having 4 points (out of 6)
2026-12-01 02:20:01 Hardening: assigned partial number of hardening points (0 of 3). \
Currently having 4 points (out of 9)
2026-12-01 02:20:02 Performing test ID PKGS-7370 (Checking for debsums utility)
2026-12-01 02:20:02 Hardening: assigned partial number of hardening points (0 of 2). \
Currently having 4 points (out of 11)
"""


def test_lynis_names_warnings_and_the_points_lost_in_each_test() -> None:
    report = "hardening_index=36\nwarning[]=DBS-1828|x.conf is world readable|x.conf|-|\n"
    found = parse_lynis(LOG, report)
    assert (found.index, found.total) == (36, 11)
    assert found.lost == {"SSH-7408": 5, "PKGS-7370": 2}
    assert found.warnings == ("DBS-1828|x.conf is world readable",)


def test_lynis_that_was_interrupted_is_no_result() -> None:
    with pytest.raises(AssertionError, match="did not finish"):
        parse_lynis(LOG, "lynis_version=3.0.8\n")


def finding(name: str, severity: str, text: str = "offered") -> dict[str, str]:
    return {"id": name, "ip": "x/198.51.100.91", "severity": severity, "finding": text}


def test_testssl_names_only_serious_findings() -> None:
    found = [
        finding("TLS1", "LOW"), finding("BREACH", "MEDIUM", "gzip used"), finding("FS", "OK"),
        finding("scanTime", "INFO", "31"),
    ]  # fmt: skip
    assert parse_testssl(json.dumps(found)) == {"BREACH": "MEDIUM: gzip used"}


def test_testssl_that_was_interrupted_is_no_result() -> None:
    with pytest.raises(ValueError, match="did not finish"):
        parse_testssl(json.dumps([finding("TLS1", "OK")]))
