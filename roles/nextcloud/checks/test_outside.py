"""Nextcloud as people reach it."""

import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.role("nextcloud")

ACCOUNT = "chautari-check"
PRIVATE = (
    "/config/config.php",
    "/data/",
    "/data/nextcloud.log",
    "/lib/base.php",
    "/3rdparty/autoload.php",
    "/occ",
    "/console.php",
    "/cron.php",
    "/.htaccess",
    "/.user.ini",
    "/updater/index.php",
)
HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-Robots-Tag": "noindex, nofollow",
}
UNITS = ["nginx", "php*-fpm"]


def address(settings: dict[str, Any], path: str) -> str:
    """The public address of a path."""
    return f"https://{settings['nextcloud_domain']}{path}"


@pytest.mark.advice(
    "Open the address in a browser. If it does not answer, look at DNS and at nginx.", units=UNITS
)
def test_status_page_says_ready(settings: dict[str, Any], web: Any) -> None:
    """Nextcloud says that it is ready"""
    answer = web.get(address(settings, "/status.php"))
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}"
    status = answer.json()
    assert status["installed"] is True
    assert status["maintenance"] is False, "maintenance mode is on"
    assert status["needsDbUpgrade"] is False, "an upgrade is not finished"
    assert status["versionstring"] == settings["nextcloud_version"]


@pytest.mark.advice("Look at the journal of PHP-FPM and at /var/log/nextcloud.", units=UNITS)
def test_login_page_is_served(settings: dict[str, Any], web: Any) -> None:
    """The login page is served"""
    answer = web.get(address(settings, "/login"))
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}"
    assert "data-requesttoken=" in answer.text, "the page holds no login form"


@pytest.mark.advice("Deploy again: it writes the headers into nginx's settings.", units=["nginx"])
def test_security_headers_are_sent(settings: dict[str, Any], web: Any) -> None:
    """Security headers are sent, once each"""
    for path in ("/login", "/core/img/favicon.ico"):
        headers = web.get(address(settings, path)).headers
        sent = {name: headers.get(name) for name in HEADERS}
        assert sent == HEADERS, f"{path}: {sent}"
        hsts = re.fullmatch(r"max-age=(\d+).*", headers.get("Strict-Transport-Security", ""))
        assert hsts, f"{path}: no Strict-Transport-Security"
        assert int(hsts[1]) >= 63072000, f"{path}: {hsts[0]}"
        assert "X-Powered-By" not in headers, f"{path}: X-Powered-By is sent"


@pytest.mark.advice(
    "Deploy again: trusted_domains or nginx's default server is wrong.", units=UNITS
)
def test_forged_host_is_refused(settings: dict[str, Any], web: Any) -> None:
    """A request with a forged host name is refused"""
    answer = web.get(
        address(settings, "/login"), headers={"Host": "forged.invalid"}, allow_redirects=False
    )
    assert answer.status_code in (400, 404, 421), f"answered with {answer.status_code}"


@pytest.mark.advice("Deploy again: nginx serves what it should not.", units=["nginx"])
def test_private_paths_are_not_found(settings: dict[str, Any], web: Any) -> None:
    """Private paths are not found"""
    found = {}
    for path in PRIVATE:
        answer = web.get(address(settings, path), allow_redirects=False)
        if answer.status_code != 404:
            found[path] = answer.status_code
    assert not found, f"answered: {found}"


@pytest.mark.advice("Deploy again: the addresses that phones ask first are wrong.", units=UNITS)
def test_calendars_are_discovered(settings: dict[str, Any], web: Any) -> None:
    """Phones find calendars and contacts by themselves"""
    for service in ("caldav", "carddav"):
        answer = web.get(address(settings, f"/.well-known/{service}"), allow_redirects=False)
        assert answer.status_code == 301
        assert answer.headers["Location"].endswith("/remote.php/dav/"), answer.headers["Location"]


@pytest.mark.advice("Look at /var/log/nextcloud/nextcloud.log on the node.", units=UNITS)
def test_wrong_password_is_refused(settings: dict[str, Any], web: Any) -> None:
    """A wrong password is refused"""
    answer = web.request(
        "PROPFIND",
        address(settings, f"/remote.php/dav/files/{ACCOUNT}/"),
        auth=(ACCOUNT, secrets.token_hex(8)),
        timeout=60,
    )
    assert answer.status_code == 401, f"answered with {answer.status_code}"


@pytest.mark.advice(
    "Look at /var/log/nextcloud/nextcloud.log on the node, and whether its disk is full.",
    units=[*UNITS, "redis-server", "postgresql@*"],
)
def test_file_is_written_read_and_deleted(
    settings: dict[str, Any], web: Any, secret: Callable[[str], str]
) -> None:
    """A file is written, read back and deleted by WebDAV"""
    auth = (ACCOUNT, secret("nextcloud_check_password"))
    file = address(settings, f"/remote.php/dav/files/{ACCOUNT}/check-{secrets.token_hex(4)}.bin")
    content = secrets.token_bytes(100_000)
    written = web.put(file, data=content, auth=auth, timeout=60)
    assert written.status_code == 201, f"PUT: {written.status_code} {written.text[:300]}"
    read = web.get(file, auth=auth, timeout=60)
    assert read.content == content, f"GET: {read.status_code}, {len(read.content)} other bytes"
    deleted = web.delete(file, auth=auth, timeout=60)
    assert deleted.status_code == 204, f"DELETE: {deleted.status_code} {deleted.text[:300]}"
    assert web.get(file, auth=auth, timeout=60).status_code == 404, "the file is still there"


@pytest.mark.advice(
    "Look whether the node's mail queue is stuck (mailq), and at the log of Nextcloud.",
    units=["postfix@-", *UNITS],
)
def test_password_mail_arrives(settings: dict[str, Any], web: Any, mailbox: Any) -> None:
    """The mail for a forgotten password arrives

    Nextcloud sends an account at most five such mails in 30 minutes and says nothing of the sixth.
    Where four arrived in that time already, the newest of them is the proof.
    """
    to = settings["nextcloud_check_email"]
    earlier = mailbox.recent(to, minutes=30)
    mail = earlier[-1] if len(earlier) >= 4 else _ask_for_mail(settings, web, mailbox, to)
    body = mail["body"].replace("=\r\n", "").replace("=\n", "")
    assert f"{settings['nextcloud_domain']}/lostpassword/reset/form/" in body, body[:300]


def _ask_for_mail(settings: dict[str, Any], web: Any, mailbox: Any, to: str) -> dict[str, Any]:
    page = web.get(address(settings, "/login"))
    token = re.search(r'data-requesttoken="([^"]+)"', page.text)
    assert token, "the login page holds no token"
    answer = web.post(
        address(settings, "/lostpassword/email"),
        data={"user": ACCOUNT},
        headers={"requesttoken": token[1]},
        timeout=60,
    )
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}"
    assert answer.json()["status"] == "success", answer.text[:200]
    found: dict[str, Any] = mailbox.wait(to=to)
    return found
