"""Nextcloud as people reach it."""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import pytest

from chautari.checks import security_headers
from chautari.checks.outside import Web

pytestmark = pytest.mark.role("nextcloud")

# One path for each kind of location in nginx's settings.
LOCATIONS = (
    "/",
    "/login",
    "/status.php",
    "/remote.php/dav/",
    "/robots.txt",
    "/core/img/favicon.ico",
    "/.well-known/caldav",
    "/config/",
    "/remote",
    "/no-such-file.woff2",
)

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


def nobody(request: Any) -> Any:
    """The login of a request that goes to another server than Nextcloud: none."""
    return request


def address(settings: dict[str, Any], path: str) -> str:
    """The public address of a path."""
    return f"https://{settings['nextcloud_domain']}{path}"


@pytest.mark.advice(
    "Open the address in a browser. If the page does not load, check DNS and nginx.", units=UNITS
)
def test_status_page_says_ready(settings: dict[str, Any], web: Any) -> None:
    """Nextcloud's status page reports that it is ready"""
    answer = web.get(address(settings, "/status.php"))
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}"
    status = answer.json()
    assert status["installed"] is True
    assert status["maintenance"] is False, "maintenance mode is on"
    assert status["needsDbUpgrade"] is False, "an upgrade has not finished"
    assert status["versionstring"] == settings["nextcloud_version"]


@pytest.mark.advice("Read the journal of PHP-FPM and /var/log/nextcloud on the node.", units=UNITS)
def test_login_page_is_served(settings: dict[str, Any], web: Any) -> None:
    """The login page loads"""
    answer = web.get(address(settings, "/login"))
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}"
    assert "data-requesttoken=" in answer.text, "the page has no login form"


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_security_headers_are_sent(settings: dict[str, Any], web: Any) -> None:
    """Each security header is sent once"""
    for path in ("/login", "/core/img/favicon.ico"):
        headers = web.get(address(settings, path)).headers
        sent = {name: headers.get(name) for name in HEADERS}
        assert sent == HEADERS, f"{path}: {sent}"
        hsts = re.fullmatch(r"max-age=(\d+).*", headers.get("Strict-Transport-Security", ""))
        assert hsts, f"{path}: no Strict-Transport-Security"
        assert int(hsts[1]) >= 63072000, f"{path}: {hsts[0]}"
        assert "X-Powered-By" not in headers, f"{path}: X-Powered-By is sent"


@pytest.mark.advice(
    "Deploy again, because trusted_domains or nginx's default server is wrong.", units=UNITS
)
def test_forged_host_is_refused(settings: dict[str, Any], web: Any) -> None:
    """A request with a forged host name is refused"""
    answer = web.get(
        address(settings, "/login"), headers={"Host": "forged.invalid"}, allow_redirects=False
    )
    assert answer.status_code in (400, 404, 421), f"the response has status {answer.status_code}"


@pytest.mark.advice("Deploy again, because nginx serves private files.", units=["nginx"])
def test_private_paths_are_not_found(settings: dict[str, Any], web: Any) -> None:
    """Private paths are not served"""
    found = {}
    for path in PRIVATE:
        answer = web.get(address(settings, path), allow_redirects=False)
        if answer.status_code != 404:
            found[path] = answer.status_code
    assert not found, f"private paths that are served: {found}"


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_peers_cannot_read_the_list_of_people(settings: dict[str, Any], web: Any) -> None:
    """Without `address_books`, nginx does not let peers search for people in Nextcloud"""
    if not settings["nextcloud_peers"]:
        pytest.skip("the region has no peers")
    if settings["nextcloud_address_books"]:
        pytest.skip("the region shares its list of people with its peers")
    forms = ("Basic c3lzdGVtOmd1ZXNz", "basic  c3lzdGVtOmd1ZXNz", "Basic .c3lzdGVtOmd1ZXNz")
    for form in forms:
        answer = web.request(
            "PROPFIND", address(settings, "/remote.php/dav/principals/users/admin"),
            headers={"Authorization": form, "Depth": "0"},
        )  # fmt: skip
        assert answer.status_code == 403, f"{form}: the response has status {answer.status_code}"


@pytest.mark.advice("Deploy again to write the redirects for phones.", units=UNITS)
def test_calendars_are_discovered(settings: dict[str, Any], web: Any) -> None:
    """Phones find calendars and contacts automatically"""
    for service in ("caldav", "carddav"):
        answer = web.get(address(settings, f"/.well-known/{service}"), allow_redirects=False)
        assert answer.status_code == 301
        assert answer.headers["Location"].endswith("/remote.php/dav/"), answer.headers["Location"]


@pytest.mark.advice("Read /var/log/nextcloud/nextcloud.log on the node.", units=UNITS)
def test_wrong_password_is_refused(settings: dict[str, Any], web: Any) -> None:
    """A wrong password is refused"""
    answer = web.request(
        "PROPFIND",
        address(settings, f"/remote.php/dav/files/{ACCOUNT}/"),
        auth=(ACCOUNT, secrets.token_hex(8)),
        timeout=60,
    )
    assert answer.status_code == 401, f"the response has status {answer.status_code}"


@pytest.mark.advice(
    "Read /var/log/nextcloud/nextcloud.log on the node, and check the free space on its disk.",
    units=[*UNITS, "redis-server", "postgresql@*"],
)
def test_file_is_written_read_and_deleted(
    settings: dict[str, Any], web: Any, secret: Callable[[str], str]
) -> None:
    """A file can be written, read and deleted with WebDAV"""
    auth = (ACCOUNT, secret("nextcloud_check_password"))
    file = address(settings, f"/remote.php/dav/files/{ACCOUNT}/check-{secrets.token_hex(4)}.bin")
    content = secrets.token_bytes(100_000)
    written = web.put(file, data=content, auth=auth, timeout=60)
    assert written.status_code == 201, f"PUT: {written.status_code} {written.text[:300]}"
    read = web.get(file, auth=auth, timeout=60)
    assert read.content == content, (
        f"GET: {read.status_code}, {len(read.content)} bytes, other content"
    )
    deleted = web.delete(file, auth=auth, timeout=60)
    assert deleted.status_code == 204, f"DELETE: {deleted.status_code} {deleted.text[:300]}"
    assert web.get(file, auth=auth, timeout=60).status_code == 404, "the file is still there"


@pytest.mark.advice(
    "Check the node's mail queue (mailq), and read Nextcloud's log.",
    units=["postfix@-", *UNITS],
)
def test_password_mail_arrives(settings: dict[str, Any], web: Any, mailbox: Any) -> None:
    """The email to reset a forgotten password arrives

    Nextcloud sends an account at most five such mails in 30 minutes, and drops the sixth silently.
    If four have arrived in that time, the newest of them is the proof.
    """
    to = settings["nextcloud_check_email"]
    earlier = mailbox.recent_mails(to, minutes=30)
    mail = earlier[-1] if len(earlier) >= 4 else _ask_for_mail(settings, web, mailbox, to)
    body = mail["body"].replace("=\r\n", "").replace("=\n", "")
    assert f"{settings['nextcloud_domain']}/lostpassword/reset/form/" in body, body[:300]


def _ask_for_mail(settings: dict[str, Any], web: Any, mailbox: Any, to: str) -> dict[str, Any]:
    page = web.get(address(settings, "/login"))
    token = re.search(r'data-requesttoken="([^"]+)"', page.text)
    assert token, "the login page has no token"
    answer = web.post(
        address(settings, "/lostpassword/email"),
        data={"user": ACCOUNT},
        headers={"requesttoken": token[1]},
        timeout=60,
    )
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}"
    assert answer.json()["status"] == "success", answer.text[:200]
    found: dict[str, Any] = mailbox.wait_for_mail(to=to)
    return found


@pytest.fixture
def member(web: Any, secret: Callable[[str], str]) -> Any:
    """A session of the checks' account, as a program of its own has it."""
    web.auth = (ACCOUNT, secret("nextcloud_check_password"))
    web.headers.update({"OCS-APIRequest": "true", "Accept": "application/json"})
    return web


@pytest.fixture
def room(settings: dict[str, Any], member: Any) -> Iterator[dict[str, Any]]:
    """A room of the checks' account, which is gone afterwards."""
    if not settings["nextcloud_bigbluebutton_url"]:
        pytest.skip("in this region, rooms are not opened from Nextcloud")
    rooms = address(settings, "/apps/bbb/rooms")
    wanted = {
        "name": f"chautari-check-{secrets.token_hex(4)}",
        "welcome": "",
        "maxParticipants": 2,
        "record": False,
        "access": "internal",
    }
    made = member.post(rooms, json=wanted)
    assert made.status_code == 200, (
        f"no room could be created: {made.status_code} {made.text[:300]}"
    )
    yield made.json()
    gone = member.delete(f"{rooms}/{made.json()['id']}")
    assert gone.status_code == 200, (
        f"the room was not deleted: {gone.status_code} {gone.text[:300]}"
    )
    left = [each["uid"] for each in member.get(rooms).json()]
    assert made.json()["uid"] not in left, "the room is still there"


@pytest.fixture
def ask_meetings(
    settings: dict[str, Any], web: Any, secret: Callable[[str], str]
) -> Callable[..., ElementTree.Element]:
    """A function that asks the meeting server itself, with the secret of the rooms."""

    def ask(call: str, /, **query: str) -> ElementTree.Element:
        text = urlencode(query)
        key = secret("nextcloud_bigbluebutton_secret")
        checksum = hashlib.sha256(f"{call}{text}{key}".encode()).hexdigest()
        api = f"{settings['nextcloud_bigbluebutton_url']}api/{call}"
        answer = web.get(f"{api}?{text}&checksum={checksum}", auth=nobody)
        return ElementTree.fromstring(answer.text)

    return ask


@pytest.mark.advice(
    "Open a room in Nextcloud. If it fails, read /var/log/nextcloud/nextcloud.log, and run "
    "'bbb-conf --check' on the meeting server.",
    units=UNITS,
)
def test_room_opens_a_meeting(
    settings: dict[str, Any],
    member: Any,
    room: dict[str, Any],
    ask_meetings: Callable[..., ElementTree.Element],
) -> None:
    """A room in Nextcloud opens a meeting on the region's meeting server"""
    said = ask_meetings("getMeetings")
    refusal = f"{said.findtext('messageKey')}: {said.findtext('message')}"
    assert said.findtext("returncode") == "SUCCESS", (
        f"the meeting server refuses the request: {refusal}"
    )
    link = address(settings, f"/apps/bbb/b/{room['uid']}")
    page = member.get(link, headers={"Accept": "text/html"}, timeout=60)
    api = settings["nextcloud_bigbluebutton_url"]
    found = re.search(rf'href="({re.escape(api)}api/join\?[^"]+)"', page.text)
    assert found, f"{page.status_code}: the room does not open: {page.text[:300]}"
    info = ask_meetings("getMeetingInfo", meetingID=room["uid"])
    try:
        assert info.findtext("returncode") == "SUCCESS", f"no meeting: {info.findtext('message')}"
        assert info.findtext("meetingName") == room["name"]
        assert info.findtext("recording") == "false", "the meeting is recorded"
        where = urlsplit(_way_in(member, found[1].replace("&amp;", "&")))
        assert "sessionToken=" in where.query, f"the meeting cannot be joined: {where.geturl()}"
        home = settings["nextcloud_domain"].split(".", 1)[1]
        assert str(where.hostname).endswith(f".{home}"), (
            f"not a server of this region: {where.hostname}"
        )
        running = member.get(address(settings, f"/apps/bbb/server/{room['uid']}/isRunning"))
        assert running.json() in (True, False), running.text[:200]
    finally:
        password = info.findtext("moderatorPW") or ""
        ended = ask_meetings("end", meetingID=room["uid"], password=password)
    assert ended.findtext("returncode") == "SUCCESS", (
        f"the meeting is still running: {ended.findtext('message')}"
    )


def _way_in(web: Any, link: str) -> str:
    """Where a browser ends up that follows an invitation; a pool sends it on to one server."""
    for _ in range(3):
        answer = web.get(link, auth=nobody, allow_redirects=False)
        link = answer.headers.get("Location", "")
        assert answer.status_code in (302, 303), f"{answer.status_code}: {answer.text[:300]}"
        if "/html5client/" in link:
            return link
    return link


@pytest.mark.advice("Deploy again to configure the app bbb.", units=UNITS)
def test_room_is_closed_to_strangers(
    settings: dict[str, Any], room: dict[str, Any], check_context: dict[str, Any]
) -> None:
    """A room for members redirects strangers to the login page"""
    link = address(settings, f"/apps/bbb/b/{room['uid']}")
    answer = Web(check_context["ca_file"]).get(link, allow_redirects=False, timeout=60)
    assert answer.status_code == 303, f"{answer.status_code}: {answer.text[:200]}"
    assert "/login?" in answer.headers["Location"], answer.headers["Location"]


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_every_location_has_security_headers(settings: dict[str, Any], web: Any) -> None:
    """Security headers are sent by each location of the site, once"""
    security_headers.assert_security_headers(web, address(settings, ""), LOCATIONS)
