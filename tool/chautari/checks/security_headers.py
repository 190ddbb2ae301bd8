"""Security headers of web pages, as checks from outside see them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

MIN_HSTS_SECONDS = 63_072_000
REFERRER_POLICIES = ("no-referrer", "same-origin", "strict-origin")
_HSTS = re.compile(r"max-age=([0-9]+)(; .*)?")


def header_problems(headers: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the security headers of an answer.

    A header that was sent twice has both values here, so it is wrong as well.
    """
    problems = []
    hsts = _HSTS.fullmatch(headers.get("Strict-Transport-Security", ""))
    if not hsts or int(hsts[1]) < MIN_HSTS_SECONDS:
        problems.append("Strict-Transport-Security")
    if headers.get("X-Content-Type-Options") != "nosniff":
        problems.append("X-Content-Type-Options")
    if headers.get("Referrer-Policy") not in REFERRER_POLICIES:
        problems.append("Referrer-Policy")
    if headers.get("Permissions-Policy", "").count("payment=()") != 1:
        problems.append("Permissions-Policy")
    policy = headers.get("Content-Security-Policy", "")
    framed = "frame-ancestors" in policy or headers.get("X-Frame-Options") in ("SAMEORIGIN", "DENY")
    if not policy or not framed:
        problems.append("Content-Security-Policy")
    return problems


def assert_security_headers(web: Any, base: str, paths: Iterable[str]) -> None:
    """Fail if a location of a site lacks a security header, or sends it twice.

    Each path stands for one location of nginx: one that adds a header loses those of its server.
    """
    found = {}
    for path in (*paths, "/.well-known/chautari/backup.json"):
        answer = web.get(f"{base}{path}", allow_redirects=False)
        if problems := header_problems(answer.headers):
            found[path] = problems
    assert not found, f"missing or wrong, by path: {found}"
