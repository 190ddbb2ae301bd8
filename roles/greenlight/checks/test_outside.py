"""Greenlight as people reach it."""

from __future__ import annotations

from typing import Any

import pytest

from chautari.checks import security_headers

pytestmark = pytest.mark.role("greenlight")

# One path for each kind of location in nginx's settings.
LOCATIONS = (
    "/",
    "/health_check",
    "/cable",
)


@pytest.mark.advice("Check nginx and Greenlight on the node.", units=["nginx", "greenlight"])
def test_page_is_served(settings: dict[str, Any], web: Any) -> None:
    """Greenlight's page loads, with its security headers"""
    answer = web.get(f"https://{settings['greenlight_domain']}/")
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}"
    assert "BigBlueButton" in answer.text, answer.text[:200]
    assert "max-age=63072000" in answer.headers.get("Strict-Transport-Security", "")


@pytest.mark.advice("Read 'journalctl -u greenlight' on the node.", units=["greenlight"])
def test_it_says_that_it_is_well(settings: dict[str, Any], web: Any) -> None:
    """Greenlight's health page reports success"""
    answer = web.get(f"https://{settings['greenlight_domain']}/health_check", timeout=60)
    assert (answer.status_code, answer.text.strip()) == (200, "success"), answer.text[:300]


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_every_location_has_security_headers(settings: dict[str, Any], web: Any) -> None:
    """Security headers are sent by each location of the site, once"""
    security_headers.assert_security_headers(
        web, f"https://{settings['greenlight_domain']}", LOCATIONS
    )
