"""BigBlueButton's API: what a call may say, and what is answered."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from . import answers, checksums, recordings, sessions
from .answers import Answer, element, failure, message, success, wrap
from .rooms import DENY, MODERATOR, VIEWER, WAIT, Meeting, Meetings, Person, truth

Parameters = Mapping[str, str]
JOIN_FORBIDDEN = "You can not join a meeting that has already been forcibly ended"
TAKEN = "A meeting already exists with that meeting ID.  Please use a different meeting ID."
NO_MEETING = "A meeting with that ID does not exist"
ENDING = (
    "A request to end the meeting was sent.  Please wait a few seconds, and then use the"
    " getMeetingInfo or isMeetingRunning API calls to verify that it was ended."
)


@dataclass(frozen=True)
class Request:
    """What came in."""

    path: str
    query: str = ""
    body: bytes = b""
    kind: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, str]:
        """Return the parameters; of one that is given twice the first counts."""
        query = self.query
        if self.kind.startswith("application/x-www-form-urlencoded"):
            query = "&".join(filter(None, (query, self.body.decode("utf-8", "replace"))))
        found: dict[str, str] = {}
        for name, text in parse_qsl(query, keep_blank_values=True):
            found.setdefault(name, text)
        return found

    @property
    def signed(self) -> str:
        """Return the text whose checksum counts."""
        if checksums.given(self.query) or not self.kind.startswith("application/x-www-form"):
            return self.query
        return self.body.decode("utf-8", "replace")


class Refused(Exception):
    """A call is refused with one of upstream's keys."""

    def __init__(self, key: str, text: str) -> None:
        """Take the key and the sentence that goes with it."""
        super().__init__(key)
        self.key, self.text = key, text


class Api:
    """Answers calls."""

    def __init__(
        self,
        settings: Mapping[str, str],
        release: str,
        meetings: Meetings,
        home: Path = recordings.HOME,
        servers: sessions.Servers | None = None,
    ) -> None:
        """Take what the answers depend on."""
        self.settings = settings
        self.release = release
        self.meetings = meetings
        self.home = home
        self.servers = servers or sessions.Servers()
        self.calls: Mapping[str, Callable[[Request, Parameters], Answer]] = {
            "create": self.create,
            "join": self.join,
            "isMeetingRunning": self.is_running,
            "end": self.end,
            "getMeetingInfo": self.info,
            "getMeetings": self.list_meetings,
            "getRecordings": self.list_recordings,
            "publishRecordings": self.publish,
            "deleteRecordings": self.delete,
            "updateRecordings": self.update,
        }

    def answer(self, request: Request) -> Answer:
        """Answer one call below /bigbluebutton/api."""
        self.meetings.sweep()
        call = request.path.removeprefix("/bigbluebutton/api").strip("/")
        if call == "":
            return self.version()
        if call in ("enter", "stuns", "signOut"):
            return self.of_session(call, request)
        if call not in self.calls:
            return failure("unsupportedRequest", "This request is not supported.")
        try:
            self.check(call, request)
            return self.calls[call](request, request.parameters)
        except Refused as refusal:
            if call == "join" and truth(request.parameters.get("redirect"), default=True):
                return self.away(refusal)
            return failure(refusal.key, refusal.text)

    def check(self, call: str, request: Request) -> None:
        """Refuse a call whose checksum is not right."""
        supported = [
            name.strip() for name in self.settings["supportedChecksumAlgorithms"].split(",")
        ]
        if not checksums.agrees(call, request.signed, self.settings["securitySalt"], supported):
            raise Refused("checksumError", "Checksums do not match")

    def version(self) -> Answer:
        """Say which version this is; the release only where that is allowed."""
        shown = self.release if truth(self.settings["allowRevealOfBBBVersion"]) else ""
        number = self.settings["apiVersion"]
        return success(
            element("version", number),
            element("apiVersion", number),
            element("bbbVersion", shown),
            element("graphqlWebsocketUrl", self.settings["graphqlWebsocketUrl"]),
            element("graphqlApiUrl", self.settings["graphqlApiUrl"]),
        )

    def create(self, request: Request, given: Parameters) -> Answer:
        """Make a meeting."""
        external = self.meeting_id(given)
        if not 2 <= len(given.get("name", "")) <= 256:
            raise Refused("validationError", "You must provide a meeting name")
        for name in ("record", "guest", "autoStartRecording", "allowStartStopRecording"):
            if given.get(name, "").lower() not in ("", "true", "false"):
                text = f"{name.capitalize()} must be a boolean value (true or false)"
                raise Refused("validationError", text)
        existing = self.meetings.find(external)
        if existing and not existing.ended:
            words = given.get("attendeePW", ""), given.get("moderatorPW", "")
            if words not in (("", ""), (existing.attendee, existing.moderator)):
                raise Refused("idNotUnique", TAKEN)
            text = "This conference was already in existence and may currently be in progress."
            return answers.created(existing, "duplicateWarning", text)
        bridges = [meeting.bridge for meeting in self.meetings if not meeting.ended]
        if given.get("voiceBridge") in bridges:
            raise Refused("nonUniqueVoiceBridge", "The selected voice bridge is already in use.")
        try:
            documents = _documents_in_body(request)
        except ET.ParseError:
            return Answer("", 500)
        meeting = self.meetings.create(given)
        meeting.slides = documents or [
            self.settings["beans.presentationService.defaultUploadedPresentation"]
        ]
        return answers.created(meeting)

    def meeting_id(self, given: Parameters) -> str:
        """Return the meeting's name in a call, when it can be one."""
        external = given.get("meetingID", "").strip()
        if not external:
            raise Refused("missingParamMeetingID", "You must provide a meeting ID")
        if not 2 <= len(external) <= 256:
            raise Refused("validationError", "Meeting ID must be between 2 and 256 characters")
        if "," in external:
            raise Refused("validationError", "Meeting ID cannot contain ','")
        return external

    def meeting(self, given: Parameters, key: str = "notFound") -> Meeting:
        """Return the meeting that a call is about."""
        meeting = self.meetings.find(self.meeting_id(given))
        if meeting is None:
            raise Refused(key, NO_MEETING)
        return meeting

    def join(self, request: Request, given: Parameters) -> Answer:
        """Let somebody come in."""
        meeting = self.meeting(given, "invalidMeetingIdentifier")
        if meeting.ended:
            raise Refused("meetingForciblyEnded", JOIN_FORBIDDEN)
        name = re.sub(r"[\x00-\x1f\x7f]", "", given.get("fullName", "")).strip()
        if not name:
            raise Refused("missingParamFullName", "You must provide your name")
        if given.get("createTime", str(meeting.created)) != str(meeting.created):
            text = "The createTime parameter submitted mismatches with the current meeting."
            raise Refused("mismatchCreateTimeParam", text)
        role = _role_or_error(meeting, given)
        if role not in (MODERATOR, VIEWER):
            return failure("Params required", role)
        guest = truth(given.get("guest"))
        person = Person(name, role, "", guest, meeting.status_of(role, guest))
        person.external = given.get("userID") or person.internal
        if meeting.max_users and len(meeting.people) >= meeting.max_users:
            text = "The number of participants allowed for this meeting has been reached."
            raise Refused("maxParticipantsReached", text)
        if person.status == DENY:
            text = "You have been denied access to this meeting based on the meeting's guest policy"
            raise Refused("guestDeniedAccess", text)
        self.limit(meeting, person.external)
        meeting.people.append(person)
        url = f"{self.settings['defaultHTML5ClientUrl']}?sessionToken={person.session}"
        if truth(given.get("redirect"), default=True):
            return answers.redirect(url, person.cookie)
        return self.joined(meeting, person, url)

    def joined(self, meeting: Meeting, person: Person, url: str) -> Answer:
        """Say where to go, for a caller that does not want to be sent."""
        key, text = "successfullyJoined", "You have joined successfully."
        if person.status == WAIT:
            key, text = "guestWait", "Guest waiting for approval to join meeting."
        answer = success(
            *message(key, text),
            element("meeting_id", meeting.internal),
            element("user_id", person.internal),
            element("auth_token", person.auth),
            element("session_token", person.session),
            element("guestStatus", person.status),
            element("url", url),
        )
        cookie = f"JSESSIONID={person.cookie}; Path=/bigbluebutton; HttpOnly"
        return Answer(answer.body, headers={**answer.headers, "Set-Cookie": cookie})

    def limit(self, meeting: Meeting, external: str) -> None:
        """End somebody's oldest session when there are too many."""
        most = int(self.settings["maxUserConcurrentAccesses"])
        same = [person for person in meeting.people if person.external == external]
        if 0 < most <= len(same):
            self.meetings.leave(meeting, same[0])

    def away(self, refusal: Refused) -> Answer:
        """Send a browser that may not join to the page for those who leave, with the reason."""
        url = self.settings["bigbluebutton.web.logoutURL"]
        if url in ("", "default"):
            url = self.settings["bigbluebutton.web.serverURL"]
        parts = urlsplit(url)
        reason = json.dumps([{"key": refusal.key, "message": refusal.text}], separators=(",", ":"))
        query = "&".join(filter(None, (parts.query, urlencode({"errors": reason}))))
        return answers.redirect(urlunsplit(parts._replace(query=query)))

    def is_running(self, request: Request, given: Parameters) -> Answer:
        """Say whether somebody is in a meeting."""
        meeting = self.meetings.find(self.meeting_id(given))
        return success(element("running", bool(meeting and meeting.running)))

    def end(self, request: Request, given: Parameters) -> Answer:
        """End a meeting."""
        meeting = self.meeting(given)
        password = given.get("password", "")
        if password and meeting.moderator and password != meeting.moderator:
            raise Refused("invalidPassword", "The supplied moderator password is incorrect")
        if not meeting.ended:
            self.meetings.end(meeting)
        return success(*message("sentEndMeetingRequest", ENDING))

    def info(self, request: Request, given: Parameters) -> Answer:
        """Tell about one meeting."""
        return success(*answers.details(self.meeting(given)))

    def list_meetings(self, request: Request, given: Parameters) -> Answer:
        """Tell about all meetings."""
        found = [wrap("meeting", answers.details(meeting)) for meeting in self.meetings]
        if found:
            return success(wrap("meetings", found))
        text = "no meetings were found on this server"
        return success(wrap("meetings", ()), *message("noMeetings", text))

    def list_recordings(self, request: Request, given: Parameters) -> Answer:
        """Tell about recordings."""
        metadata = {
            key.removeprefix("meta_"): text
            for key, text in given.items()
            if key.startswith("meta_")
        }
        everything = truth(self.settings["allowFetchAllRecordings"])
        return recordings.listing(given, metadata, everything, self.home)

    def publish(self, request: Request, given: Parameters) -> Answer:
        """Show recordings, or show them no longer."""
        if not given.get("recordID"):
            raise Refused("missingParamRecordID", "You must specify a recordID.")
        if not given.get("publish"):
            raise Refused("missingParamPublish", "You must specify a publish value true or false.")
        shown = truth(given["publish"])
        refused = recordings.move(given, "published" if shown else "unpublished", self.home)
        return refused or success(element("published", shown))

    def delete(self, request: Request, given: Parameters) -> Answer:
        """Take recordings away."""
        if not given.get("recordID"):
            raise Refused("missingParamRecordID", "You must specify a recordID.")
        return recordings.move(given, "deleted", self.home) or success(element("deleted", True))

    def update(self, request: Request, given: Parameters) -> Answer:
        """Take a change of metadata; the double keeps none."""
        known = {item.identifier for item in recordings.stored(self.home)}
        if given.get("recordID", "") not in known:
            raise Refused("notFound", "We could not find recordings")
        return success(element("updated", True))

    def of_session(self, call: str, request: Request) -> Answer:
        """Answer the calls that a client makes with its session."""
        found = self.meetings.person(request.parameters.get("sessionToken", ""))
        free = truth(self.settings["allowRequestsWithoutSession"])
        if found is None or not (free or request.cookies.get("JSESSIONID") == found[1].cookie):
            return sessions.missing()
        meeting, person = found
        if call == "stuns":
            return sessions.stuns(self.servers, person)
        if call == "signOut":
            self.meetings.leave(meeting, person)
            return sessions.as_json({"response": {"returncode": "SUCCESS"}})
        return sessions.entered(meeting, person)


def _role_or_error(meeting: Meeting, given: Parameters) -> str:
    """Return a role, or upstream's sentence why there is none."""
    role = given.get("role", "").upper()
    if role in (MODERATOR, VIEWER):
        return role
    password = given.get("password", "")
    if not password:
        return (
            "You must either send the valid role of the user, or the password, sould the meeting"
            " has one."
        )
    if not (meeting.moderator and meeting.attendee):
        return "You must send the 'role' parameter, since this meeting doesn't have any password."
    if password == meeting.moderator:
        return MODERATOR
    return VIEWER if password == meeting.attendee else "You must enter a valid password"


def _documents_in_body(request: Request) -> list[str]:
    """Return the documents that a call brings in its body."""
    if not request.body or "xml" not in request.kind:
        return []
    return [
        item.get("url") or item.get("name") or item.get("filename") or "document"
        for item in ET.fromstring(request.body).iter("document")
    ]
