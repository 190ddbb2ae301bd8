"""The pool as programs ask it: its API under the common name."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from chautari.checks import security_headers

pytestmark = pytest.mark.role("scalelite")

# One path for each kind of location in nginx's settings.
LOCATIONS = (
    "/",
    "/health_check",
    "/bigbluebutton/api",
)

UNITS = ["nginx", "scalelite-api"]
Ask = Callable[..., ElementTree.Element]


@pytest.fixture
def ask(settings: dict[str, Any], web: Any, secret: Callable[[str], str]) -> Ask:
    """A function that asks the pool, signed with its secret or another."""

    def call(name: str, /, key: str = "", **query: str) -> ElementTree.Element:
        text = urlencode(query)
        signed = f"{name}{text}{key or secret('scalelite_secret')}".encode()
        checksum = hashlib.sha256(signed).hexdigest()
        url = f"https://{settings['scalelite_domain']}/bigbluebutton/api/{name}"
        answer = web.get(f"{url}?{text}&checksum={checksum}", timeout=60)
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}"
        return ElementTree.fromstring(answer.text)

    return call


@pytest.mark.advice("Run 'journalctl -u scalelite-api' on the node.", units=UNITS)
def test_it_says_that_it_is_well(settings: dict[str, Any], web: Any) -> None:
    """Scalelite's health page reports success"""
    answer = web.get(f"https://{settings['scalelite_domain']}/health_check", timeout=60)
    assert answer.text.strip() == "success", answer.text[:300]


@pytest.mark.advice("Deploy again to write the secret to Scalelite's settings.", units=UNITS)
def test_wrong_secret_is_refused(ask: Ask) -> None:
    """Requests signed with another secret are refused"""
    answer = ask("getMeetings", key=secrets.token_hex(24))
    assert answer.findtext("returncode") == "FAILED"
    assert answer.findtext("messageKey") == "checksumError", answer.findtext("messageKey")


@pytest.mark.advice(
    "Run chautari-pool on the node. At least one server must be enabled and online.", units=UNITS
)
def test_meeting_is_made_on_one_of_the_servers(ask: Ask) -> None:
    """A meeting can be created on one of the servers, found and ended"""
    meeting = f"chautari-check-{secrets.token_hex(6)}"
    words = {"attendeePW": secrets.token_hex(8), "moderatorPW": secrets.token_hex(8)}
    for _ in range(30):  # a server that has just been set up is seen at the poller's next look
        made = ask("create", name=meeting, meetingID=meeting, record="false", **words)
        if made.findtext("returncode") == "SUCCESS":
            break
        time.sleep(3)
    assert made.findtext("returncode") == "SUCCESS", made.findtext("message")
    found = ask("getMeetingInfo", meetingID=meeting)
    ended = ask("end", meetingID=meeting, password=words["moderatorPW"])
    assert found.findtext("meetingID") == meeting, found.findtext("message")
    assert ended.findtext("returncode") == "SUCCESS", ended.findtext("message")


@pytest.mark.advice("Deploy again, because nginx forwards private requests.", units=["nginx"])
def test_management_is_not_reachable(settings: dict[str, Any], web: Any) -> None:
    """The management API for servers and tenants is not reachable"""
    for path in ("/scalelite/api/getServers", "/scalelite/api/getTenants"):
        answer = web.get(f"https://{settings['scalelite_domain']}{path}")
        assert answer.status_code == 404, f"{path}: {answer.status_code}"


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_every_location_has_security_headers(settings: dict[str, Any], web: Any) -> None:
    """Security headers are sent by each location of the site, once"""
    security_headers.assert_security_headers(
        web, f"https://{settings['scalelite_domain']}", LOCATIONS
    )
