"""Security headers, as the checks from outside judge them."""

from types import SimpleNamespace

import pytest

from chautari.checks.security_headers import assert_security_headers, header_problems

GOOD = {
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), payment=(), usb=()",
    "Content-Security-Policy": "frame-ancestors 'self'",
}


def test_complete_headers_have_no_problem() -> None:
    assert header_problems(GOOD) == []
    longer = GOOD | {"Strict-Transport-Security": "max-age=99999999; includeSubDomains"}
    assert header_problems(longer) == []


@pytest.mark.parametrize("name", GOOD)
def test_missing_header_is_a_problem(name: str) -> None:
    assert header_problems({key: value for key, value in GOOD.items() if key != name}) == [name]


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"Content-Security-Policy"}))
def test_header_that_is_sent_twice_is_a_problem(name: str) -> None:
    assert header_problems(GOOD | {name: f"{GOOD[name]}, {GOOD[name]}"}) == [name]


def test_short_hsts_and_open_frames_are_problems() -> None:
    assert header_problems(GOOD | {"Strict-Transport-Security": "max-age=1"}) == [
        "Strict-Transport-Security"
    ]
    policy = {"Content-Security-Policy": "default-src 'none'"}
    assert header_problems(GOOD | policy) == ["Content-Security-Policy"]
    assert header_problems(GOOD | policy | {"X-Frame-Options": "SAMEORIGIN"}) == []


def test_one_location_without_headers_fails() -> None:
    def get(url: str, **_: object) -> SimpleNamespace:
        return SimpleNamespace(headers={} if url.endswith("/css") else GOOD)

    web = SimpleNamespace(get=get)
    assert_security_headers(web, "https://x.example.org", ["/"])
    with pytest.raises(AssertionError, match=r"'/css': \['Strict-Transport-Security'"):
        assert_security_headers(web, "https://x.example.org", ["/", "/css"])
