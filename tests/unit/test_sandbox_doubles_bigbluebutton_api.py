"""The API of the double of BigBlueButton answers like upstream."""

import hashlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from chautari_sandbox.doubles.bigbluebutton.program import checksums, recordings, settings, web
from chautari_sandbox.doubles.bigbluebutton.program.answers import HTTPAnswer
from chautari_sandbox.doubles.bigbluebutton.program.api import Api, Request
from chautari_sandbox.doubles.bigbluebutton.program.meeting_store import Meeting, Meetings
from chautari_sandbox.doubles.bigbluebutton_packages import SOURCES

DEFAULTS = SOURCES / "bbb-web/root/usr/share/bbb-web/WEB-INF/classes/bigbluebutton.properties"
SECRET = "s3cr3t"
URL = "https://rooms.example.org"


class Server:
    """A server whose clock the test turns."""

    def __init__(self, home: Path, **over: str) -> None:
        entries = settings.read_properties(DEFAULTS.read_text())
        entries |= {"securitySalt": SECRET, "bigbluebutton.web.serverURL": URL, **over}
        self.now = 1_795_527_744_494

        def ended(meeting: Meeting) -> None:
            if meeting.record or meeting.keep_events:
                recordings.write_raw_recording(meeting, home)

        config = settings.resolve_placeholders(entries)
        meetings = Meetings(config, lambda: self.now, ended)
        self.api = Api(config, "3.0.35", meetings, home)

    def call(self, name: str, algorithm: str = "sha256", /, **given: str) -> HTTPAnswer:
        query = urlencode(given)
        digest = hashlib.new(algorithm, f"{name}{query}{SECRET}".encode()).hexdigest()
        query = "&".join(filter(None, (query, f"checksum={digest}")))
        return web.answer_request(self.api, Request(f"/bigbluebutton/api/{name}", query))

    def open(self, url: str) -> HTTPAnswer:
        path = "/bigbluebutton/double/client"
        return web.answer_request(self.api, Request(path, urlsplit(url).query))

    def press(self, url: str, button: str) -> HTTPAnswer:
        path = f"/bigbluebutton/double/{button}"
        return web.answer_request(self.api, Request(path, urlsplit(url).query))


def read(answer: HTTPAnswer) -> dict[str, str]:
    return {item.tag: item.text or "" for item in ET.fromstring(answer.body).iter()}


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


@pytest.fixture
def joined(server: Server) -> Callable[..., str]:
    def join(meeting: str, **given: str) -> str:
        answer = server.call("join", meetingID=meeting, fullName="Ana", **given)
        assert answer.status == 302
        return answer.headers["Location"]

    return join


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_every_supported_algorithm_is_accepted(server: Server, algorithm: str) -> None:
    assert read(server.call("getMeetings", algorithm))["messageKey"] == "noMeetings"
    over = "sha256,sha512" if algorithm in ("sha1", "sha384") else algorithm
    strict = Server(Path("/nowhere"), supportedChecksumAlgorithms=over)
    taken = read(strict.call("getMeetings", algorithm))["returncode"] == "SUCCESS"
    assert taken == (algorithm in over)


def test_checksum_covers_call_query_and_secret() -> None:
    query = "b=1&checksum=x&a=%20"
    assert checksums.without_checksum(query) == "b=1&a=%20"
    right = hashlib.sha1(b"endb=1&a=%20k").hexdigest()
    assert checksums.is_checksum_right("end", f"b=1&checksum={right}&a=%20", "k", ["sha1"])
    assert not checksums.is_checksum_right("end", f"b=1&checksum={right}&a=%20", "k", ["sha256"])
    assert not checksums.is_checksum_right("end", f"a=%20&b=1&checksum={right}", "k", ["sha1"])
    assert not checksums.is_checksum_right("end", "b=1&a=%20", "k", ["sha1"])
    twice = f"b=1&a=%20&checksum={right}&checksum={right}"
    assert not checksums.is_checksum_right("end", twice, "k", ["sha1"])


def test_wrong_checksum_is_refused_with_the_key_of_upstream(server: Server) -> None:
    answer = web.answer_request(
        server.api, Request("/bigbluebutton/api/getMeetings", "checksum=00")
    )
    assert read(answer)["messageKey"] == "checksumError"
    answer = web.answer_request(server.api, Request("/bigbluebutton/api/join", "checksum=00"))
    assert answer.status == 302
    errors = parse_qs(urlsplit(answer.headers["Location"]).query)["errors"][0]
    assert json.loads(errors)[0]["key"] == "checksumError"


def test_version_shows_the_release_only_when_allowed(server: Server) -> None:
    found = read(web.answer_request(server.api, Request("/bigbluebutton/api")))
    assert (found["returncode"], found["version"], found["bbbVersion"]) == ("SUCCESS", "2.0", "")
    open_server = Server(Path("/nowhere"), allowRevealOfBBBVersion="true")
    found = read(web.answer_request(open_server.api, Request("/bigbluebutton/api")))
    assert found["bbbVersion"] == "3.0.35"
    assert read(server.call("nonsense"))["messageKey"] == "unsupportedRequest"


def test_meeting_is_created_once(server: Server) -> None:
    first = read(_create(server, meetingID="room", moderatorPW="mp", attendeePW="ap"))
    digest = hashlib.sha1(b"room").hexdigest()
    assert first["internalMeetingID"] == f"{digest}-{server.now}"
    again = {"meetingID": "room", "moderatorPW": "mp", "attendeePW": "ap"}
    assert read(_create(server, **again))["messageKey"] == "duplicateWarning"
    assert read(_create(server, **again | {"attendeePW": "x"}))["messageKey"] == "idNotUnique"
    assert read(_create(server, meetingID=""))["messageKey"] == "missingParamMeetingID"
    assert read(_create(server, meetingID="a,b"))["messageKey"] == "validationError"
    bad = _create(server, meetingID="other", record="yes")
    assert read(bad)["messageKey"] == "validationError"


def _create(server: Server, **given: str) -> HTTPAnswer:
    return server.call("create", **{"name": "A room", **given})


def test_attendee_counts_after_opening_the_client(
    server: Server, joined: Callable[..., str]
) -> None:
    _create(server, meetingID="room", moderatorPW="mp", attendeePW="ap")
    url = joined("room", password="mp")
    assert url.startswith(f"{URL}/html5client/?sessionToken=")
    assert read(server.call("getMeetingInfo", meetingID="room"))["participantCount"] == "0"
    page = server.open(url)
    assert "Double of BigBlueButton" in page.body
    found = read(server.call("getMeetingInfo", meetingID="room"))
    assert (found["participantCount"], found["moderatorCount"]) == ("1", "1")
    assert (found["running"], found["role"]) == ("true", "MODERATOR")
    server.open(joined("room", role="VIEWER", userID="beto"))
    listed = read(server.call("getMeetings"))
    assert (listed["participantCount"], listed["moderatorCount"]) == ("2", "1")
    assert read(server.call("isMeetingRunning", meetingID="room"))["running"] == "true"
    server.press(url, "leave")
    assert read(server.call("getMeetings"))["participantCount"] == "1"
    assert server.open(url).status == 401


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"meetingID": "none", "role": "VIEWER"}, "invalidMeetingIdentifier"),
        ({"fullName": " ", "role": "VIEWER"}, "missingParamFullName"),
        ({"createTime": "1", "role": "VIEWER"}, "mismatchCreateTimeParam"),
        ({"password": "bad"}, "Params required"),
        ({}, "Params required"),
    ],
)
def test_join_is_refused_with_the_keys_of_upstream(
    server: Server, given: dict[str, str], key: str
) -> None:
    _create(server, meetingID="room", moderatorPW="mp", attendeePW="ap")
    query = {"meetingID": "room", "fullName": "Ana", "redirect": "false"} | given
    found = read(server.call("join", **query))
    assert (found["returncode"], found["messageKey"]) == ("FAILED", key)


def test_meeting_without_passwords_requires_a_role(server: Server) -> None:
    _create(server, meetingID="room")
    given = {"meetingID": "room", "fullName": "Ana", "password": "x", "redirect": "false"}
    assert "'role' parameter" in read(server.call("join", **given))["message"]
    answer = server.call("join", **given | {"role": "moderator"})
    found = read(answer)
    assert (found["messageKey"], found["guestStatus"]) == ("successfullyJoined", "ALLOW")
    cookie = answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    path, query = "/bigbluebutton/api/enter", f"sessionToken={found['session_token']}"
    answer = web.answer_request(server.api, Request(path, query, cookies={"JSESSIONID": cookie}))
    assert json.loads(answer.body)["response"]["role"] == "MODERATOR"
    answer = web.answer_request(server.api, Request(path, query))
    assert json.loads(answer.body)["response"]["messageKey"] == "missingSession"
    check = Request("/bigbluebutton/connection/checkAuthorization", query)
    assert web.answer_request(server.api, check).status == 200


def test_guests_wait_when_the_region_requires_it(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path, defaultGuestPolicy="ASK_MODERATOR")
    _create(server, meetingID="room")
    given = {"meetingID": "room", "fullName": "Eva", "role": "VIEWER", "guest": "true"}
    guest = server.call("join", **given).headers["Location"]
    assert "is waiting" in server.open(guest).body
    host = server.call("join", meetingID="room", fullName="Ana", role="MODERATOR")
    server.open(host.headers["Location"])
    server.press(host.headers["Location"], "admit")
    assert "is in" in server.open(guest).body
    _create(server, meetingID="closed", guestPolicy="ALWAYS_DENY")
    found = server.call("join", **given | {"meetingID": "closed", "redirect": "false"})
    assert read(found)["messageKey"] == "guestDeniedAccess"


def test_ended_meeting_cannot_be_joined_and_is_deleted(server: Server) -> None:
    _create(server, meetingID="room", moderatorPW="mp", attendeePW="ap")
    assert read(server.call("end", meetingID="none"))["messageKey"] == "notFound"
    assert (
        read(server.call("end", meetingID="room", password="x"))["messageKey"] == "invalidPassword"
    )
    assert read(server.call("end", meetingID="room"))["messageKey"] == "sentEndMeetingRequest"
    given = {"meetingID": "room", "fullName": "Ana", "role": "VIEWER", "redirect": "false"}
    assert read(server.call("join", **given))["messageKey"] == "meetingForciblyEnded"
    assert read(server.call("getMeetingInfo", meetingID="room"))["hasBeenForciblyEnded"] == "true"
    server.now += 61_000
    assert read(server.call("getMeetingInfo", meetingID="room"))["messageKey"] == "notFound"


def test_meetings_expire_as_configured(server: Server, joined: Callable[..., str]) -> None:
    _create(server, meetingID="unused")
    _create(server, meetingID="left")
    _create(server, meetingID="short", duration="2")
    url = joined("left", role="VIEWER")
    server.open(url)
    server.open(joined("short", role="VIEWER"))
    server.now += 2 * 60_000
    assert read(server.call("isMeetingRunning", meetingID="left"))["running"] == "true"
    assert read(server.call("isMeetingRunning", meetingID="short"))["running"] == "false"
    server.press(url, "leave")
    server.now += 60_000
    server.call("getMeetings")
    left, unused = (server.api.meetings.find_meeting(name) for name in ("left", "unused"))
    assert left and left.ended and not left.forced
    assert unused and not unused.ended
    server.now += 2 * 60_000
    server.call("getMeetings")
    assert unused.ended


@pytest.mark.parametrize(
    ("over", "given", "raw_files_stay"),
    [
        ({}, {"record": "true"}, True),
        ({}, {"record": "false"}, False),
        ({"disableRecordingDefault": "true"}, {"record": "true"}, False),
        ({}, {"record": "true", "isBreakout": "true"}, False),
        ({"defaultKeepEvents": "true"}, {}, True),
    ],
)
def test_raw_files_stay_only_when_recording_is_allowed(
    tmp_path: Path, over: dict[str, str], given: dict[str, str], raw_files_stay: bool
) -> None:
    server = Server(tmp_path, **over)
    _create(server, meetingID="room", **given)
    server.call("end", meetingID="room")
    assert bool(list(tmp_path.glob("recording/raw/*/events.xml"))) == raw_files_stay
    recorded = bool(list(tmp_path.glob("recording/status/recorded/*.done")))
    assert recorded == (raw_files_stay and "record" in given)


def test_recordings_are_listed_hidden_and_moved_away(server: Server, tmp_path: Path) -> None:
    _create(server, meetingID="room", record="true", autoStartRecording="true", meta_origin="cloud")
    server.call("end", meetingID="room")
    [raw] = tmp_path.glob("recording/raw/*")
    recordings.write_published_recording(raw.name, "presentation", URL, tmp_path)
    found = read(server.call("getRecordings", meetingID="room"))
    assert (found["recordID"], found["state"], found["origin"]) == (raw.name, "published", "cloud")
    assert found["url"] == f"{URL}/playback/presentation/2.3/{raw.name}"
    nothing = read(server.call("getRecordings", meta_origin="other"))
    assert nothing["messageKey"] == "noRecordings"
    server.call("publishRecordings", recordID=raw.name, publish="false")
    assert read(server.call("getRecordings"))["published"] == "false"
    assert read(server.call("deleteRecordings", recordID=raw.name))["deleted"] == "true"
    assert (tmp_path / f"deleted/presentation/{raw.name}/metadata.xml").exists()
    assert read(server.call("getRecordings"))["messageKey"] == "noRecordings"
    assert read(server.call("deleteRecordings", recordID=raw.name))["messageKey"] == "notFound"
    assert read(server.call("deleteRecordings"))["messageKey"] == "missingParamRecordID"


def test_all_recordings_are_listed_only_when_allowed(tmp_path: Path) -> None:
    server = Server(tmp_path, allowFetchAllRecordings="false")
    _create(server, meetingID="room", record="true")
    server.call("end", meetingID="room")
    [raw] = tmp_path.glob("recording/raw/*")
    recordings.write_published_recording(raw.name, "presentation", URL, tmp_path)
    assert read(server.call("getRecordings"))["messageKey"] == "noRecordings"
    assert read(server.call("getRecordings", recordID=raw.name))["recordID"] == raw.name


def test_broken_document_creates_no_meeting(server: Server) -> None:
    query = urlencode({"meetingID": "room", "name": "A room"})
    digest = hashlib.sha256(f"create{query}{SECRET}".encode()).hexdigest()
    request = Request(
        "/bigbluebutton/api/create", f"{query}&checksum={digest}", b"<modules>", "application/xml"
    )
    assert server.api.answer_call(request).status == 500
    assert server.api.meetings.find_meeting("room") is None


@pytest.mark.parametrize(
    ("path", "status"), [("checkAuthorization", 401), ("checkGraphqlAuthorization", 401)]
)
def test_session_is_checked_where_upstream_checks_it(
    server: Server, path: str, status: int
) -> None:
    def status_of(name: str) -> int:
        return web.answer_request(server.api, Request(f"/bigbluebutton/connection/{name}")).status

    assert status_of(path) == status
    assert (
        "unsupportedRequest"
        in web.answer_request(server.api, Request("/bigbluebutton/connection/other")).body
    )


def test_documents_are_read_from_the_body(server: Server) -> None:
    body = b'<modules><module name="presentation"><document url="https://x.example.org/a.pdf"/>'
    body += b"</module></modules>"
    query = urlencode({"meetingID": "room", "name": "A room"})
    digest = hashlib.sha256(f"create{query}{SECRET}".encode()).hexdigest()
    path = "/bigbluebutton/api/create"
    server.api.answer_call(Request(path, f"{query}&checksum={digest}", body, "application/xml"))
    meeting = server.api.meetings.find_meeting("room")
    assert meeting and meeting.slides == ["https://x.example.org/a.pdf"]
    form = urlencode({"meetingID": "room"})
    digest = hashlib.sha256(f"isMeetingRunning{form}{SECRET}".encode()).hexdigest()
    request = Request(
        "/bigbluebutton/api/isMeetingRunning", "", f"{form}&checksum={digest}".encode(),
        "application/x-www-form-urlencoded",
    )  # fmt: skip
    assert read(server.api.answer_call(request))["running"] == "false"
