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
from .answers import (
    HTTPAnswer,
    failure_answer,
    message_elements,
    success_answer,
    xml_element,
    xml_parent_element,
)
from .meeting_store import DENY, MODERATOR, VIEWER, WAIT, Meeting, Meetings, Person, parse_boolean

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
    def text_to_checksum(self) -> str:
        """Return the text whose checksum counts."""
        if checksums.checksums_in_query(self.query) or not self.kind.startswith(
            "application/x-www-form"
        ):
            return self.query
        return self.body.decode("utf-8", "replace")


class CallRefused(Exception):
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
        servers: sessions.StunAndTurnServers | None = None,
    ) -> None:
        """Take what the answers depend on."""
        self.settings = settings
        self.release = release
        self.meetings = meetings
        self.home = home
        self.servers = servers or sessions.StunAndTurnServers()
        self.calls: Mapping[str, Callable[[Request, Parameters], HTTPAnswer]] = {
            "create": self.create_meeting,
            "join": self.join_meeting,
            "isMeetingRunning": self.is_meeting_running,
            "end": self.end_meeting,
            "getMeetingInfo": self.meeting_info,
            "getMeetings": self.list_meetings,
            "getRecordings": self.list_recordings,
            "publishRecordings": self.publish_recordings,
            "deleteRecordings": self.delete_recordings,
            "updateRecordings": self.acknowledge_recordings_update,
        }

    def answer_call(self, request: Request) -> HTTPAnswer:
        """Answer one call below /bigbluebutton/api."""
        self.meetings.end_expired()
        call = request.path.removeprefix("/bigbluebutton/api").strip("/")
        if call == "":
            return self.version_answer()
        if call in ("enter", "stuns", "signOut"):
            return self.answer_session_call(call, request)
        if call not in self.calls:
            return failure_answer("unsupportedRequest", "This request is not supported.")
        try:
            self.refuse_wrong_checksum(call, request)
            return self.calls[call](request, request.parameters)
        except CallRefused as refusal:
            if call == "join" and parse_boolean(request.parameters.get("redirect"), default=True):
                return self.redirect_refused_browser(refusal)
            return failure_answer(refusal.key, refusal.text)

    def refuse_wrong_checksum(self, call: str, request: Request) -> None:
        """Refuse a call whose checksum is not right."""
        supported = [
            name.strip() for name in self.settings["supportedChecksumAlgorithms"].split(",")
        ]
        if not checksums.is_checksum_right(
            call, request.text_to_checksum, self.settings["securitySalt"], supported
        ):
            raise CallRefused("checksumError", "Checksums do not match")

    def version_answer(self) -> HTTPAnswer:
        """Say which version this is; the release only where that is allowed."""
        shown = self.release if parse_boolean(self.settings["allowRevealOfBBBVersion"]) else ""
        number = self.settings["apiVersion"]
        return success_answer(
            xml_element("version", number),
            xml_element("apiVersion", number),
            xml_element("bbbVersion", shown),
            xml_element("graphqlWebsocketUrl", self.settings["graphqlWebsocketUrl"]),
            xml_element("graphqlApiUrl", self.settings["graphqlApiUrl"]),
        )

    def create_meeting(self, request: Request, parameters: Parameters) -> HTTPAnswer:
        """Make a meeting."""
        external = self.valid_meeting_id(parameters)
        if not 2 <= len(parameters.get("name", "")) <= 256:
            raise CallRefused("validationError", "You must provide a meeting name")
        for name in ("record", "guest", "autoStartRecording", "allowStartStopRecording"):
            if parameters.get(name, "").lower() not in ("", "true", "false"):
                text = f"{name.capitalize()} must be a boolean value (true or false)"
                raise CallRefused("validationError", text)
        existing = self.meetings.find_meeting(external)
        if existing and not existing.ended:
            words = parameters.get("attendeePW", ""), parameters.get("moderatorPW", "")
            if words not in (("", ""), (existing.attendee, existing.moderator)):
                raise CallRefused("idNotUnique", TAKEN)
            text = "This conference was already in existence and may currently be in progress."
            return answers.create_answer(existing, "duplicateWarning", text)
        bridges = [meeting.bridge for meeting in self.meetings if not meeting.ended]
        if parameters.get("voiceBridge") in bridges:
            raise CallRefused(
                "nonUniqueVoiceBridge", "The selected voice bridge is already in use."
            )
        try:
            documents = _documents_in_body(request)
        except ET.ParseError:
            return HTTPAnswer("", 500)
        meeting = self.meetings.create(parameters)
        meeting.slides = documents or [
            self.settings["beans.presentationService.defaultUploadedPresentation"]
        ]
        return answers.create_answer(meeting)

    def valid_meeting_id(self, parameters: Parameters) -> str:
        """Return the meeting's name in a call, when it can be one."""
        external = parameters.get("meetingID", "").strip()
        if not external:
            raise CallRefused("missingParamMeetingID", "You must provide a meeting ID")
        if not 2 <= len(external) <= 256:
            raise CallRefused("validationError", "Meeting ID must be between 2 and 256 characters")
        if "," in external:
            raise CallRefused("validationError", "Meeting ID cannot contain ','")
        return external

    def meeting_of_call(self, parameters: Parameters, key: str = "notFound") -> Meeting:
        """Return the meeting that a call is about."""
        meeting = self.meetings.find_meeting(self.valid_meeting_id(parameters))
        if meeting is None:
            raise CallRefused(key, NO_MEETING)
        return meeting

    def join_meeting(self, request: Request, parameters: Parameters) -> HTTPAnswer:
        """Let somebody come in."""
        meeting = self.meeting_of_call(parameters, "invalidMeetingIdentifier")
        if meeting.ended:
            raise CallRefused("meetingForciblyEnded", JOIN_FORBIDDEN)
        name = re.sub(r"[\x00-\x1f\x7f]", "", parameters.get("fullName", "")).strip()
        if not name:
            raise CallRefused("missingParamFullName", "You must provide your name")
        if parameters.get("createTime", str(meeting.created)) != str(meeting.created):
            text = "The createTime parameter submitted mismatches with the current meeting."
            raise CallRefused("mismatchCreateTimeParam", text)
        role = _role_or_error(meeting, parameters)
        if role not in (MODERATOR, VIEWER):
            return failure_answer("Params required", role)
        guest = parse_boolean(parameters.get("guest"))
        person = Person(name, role, "", guest, meeting.guest_status(role, guest))
        person.external = parameters.get("userID") or person.internal
        if meeting.max_users and len(meeting.people) >= meeting.max_users:
            text = "The number of participants allowed for this meeting has been reached."
            raise CallRefused("maxParticipantsReached", text)
        if person.status == DENY:
            text = "You have been denied access to this meeting based on the meeting's guest policy"
            raise CallRefused("guestDeniedAccess", text)
        self.end_oldest_session_over_limit(meeting, person.external)
        meeting.people.append(person)
        url = f"{self.settings['defaultHTML5ClientUrl']}?sessionToken={person.session}"
        if parse_boolean(parameters.get("redirect"), default=True):
            return answers.redirect_answer(url, person.cookie)
        return self.join_answer_without_redirect(meeting, person, url)

    def join_answer_without_redirect(
        self, meeting: Meeting, person: Person, url: str
    ) -> HTTPAnswer:
        """Say where to go, for a caller that does not want to be sent."""
        key, text = "successfullyJoined", "You have joined successfully."
        if person.status == WAIT:
            key, text = "guestWait", "Guest waiting for approval to join meeting."
        answer = success_answer(
            *message_elements(key, text),
            xml_element("meeting_id", meeting.internal_id),
            xml_element("user_id", person.internal),
            xml_element("auth_token", person.auth),
            xml_element("session_token", person.session),
            xml_element("guestStatus", person.status),
            xml_element("url", url),
        )
        cookie = f"JSESSIONID={person.cookie}; Path=/bigbluebutton; HttpOnly"
        return HTTPAnswer(answer.body, headers={**answer.headers, "Set-Cookie": cookie})

    def end_oldest_session_over_limit(self, meeting: Meeting, external: str) -> None:
        """End somebody's oldest session when there are too many."""
        most = int(self.settings["maxUserConcurrentAccesses"])
        same = [person for person in meeting.people if person.external == external]
        if 0 < most <= len(same):
            self.meetings.leave(meeting, same[0])

    def redirect_refused_browser(self, refusal: CallRefused) -> HTTPAnswer:
        """Send a browser that may not join to the page for those who leave, with the reason."""
        url = self.settings["bigbluebutton.web.logoutURL"]
        if url in ("", "default"):
            url = self.settings["bigbluebutton.web.serverURL"]
        parts = urlsplit(url)
        reason = json.dumps([{"key": refusal.key, "message": refusal.text}], separators=(",", ":"))
        query = "&".join(filter(None, (parts.query, urlencode({"errors": reason}))))
        return answers.redirect_answer(urlunsplit(parts._replace(query=query)))

    def is_meeting_running(self, request: Request, parameters: Parameters) -> HTTPAnswer:
        """Say whether somebody is in a meeting."""
        meeting = self.meetings.find_meeting(self.valid_meeting_id(parameters))
        return success_answer(xml_element("running", bool(meeting and meeting.is_running)))

    def end_meeting(self, request: Request, parameters: Parameters) -> HTTPAnswer:
        """End a meeting."""
        meeting = self.meeting_of_call(parameters)
        password = parameters.get("password", "")
        if password and meeting.moderator and password != meeting.moderator:
            raise CallRefused("invalidPassword", "The supplied moderator password is incorrect")
        if not meeting.ended:
            self.meetings.end(meeting)
        return success_answer(*message_elements("sentEndMeetingRequest", ENDING))

    def meeting_info(self, request: Request, parameters: Parameters) -> HTTPAnswer:
        """Tell about one meeting."""
        return success_answer(*answers.meeting_elements(self.meeting_of_call(parameters)))

    def list_meetings(self, request: Request, parameters: Parameters) -> HTTPAnswer:
        """Tell about all meetings."""
        found = [
            xml_parent_element("meeting", answers.meeting_elements(meeting))
            for meeting in self.meetings
        ]
        if found:
            return success_answer(xml_parent_element("meetings", found))
        text = "no meetings were found on this server"
        return success_answer(
            xml_parent_element("meetings", ()), *message_elements("noMeetings", text)
        )

    def list_recordings(self, request: Request, parameters: Parameters) -> HTTPAnswer:
        """Tell about recordings."""
        metadata = {
            key.removeprefix("meta_"): text
            for key, text in parameters.items()
            if key.startswith("meta_")
        }
        everything = parse_boolean(self.settings["allowFetchAllRecordings"])
        return recordings.get_recordings_answer(parameters, metadata, everything, self.home)

    def publish_recordings(self, request: Request, parameters: Parameters) -> HTTPAnswer:
        """Show recordings, or show them no longer."""
        if not parameters.get("recordID"):
            raise CallRefused("missingParamRecordID", "You must specify a recordID.")
        if not parameters.get("publish"):
            raise CallRefused(
                "missingParamPublish", "You must specify a publish value true or false."
            )
        shown = parse_boolean(parameters["publish"])
        refused = recordings.move_recordings(
            parameters, "published" if shown else "unpublished", self.home
        )
        return refused or success_answer(xml_element("published", shown))

    def delete_recordings(self, request: Request, parameters: Parameters) -> HTTPAnswer:
        """Take recordings away."""
        if not parameters.get("recordID"):
            raise CallRefused("missingParamRecordID", "You must specify a recordID.")
        return recordings.move_recordings(parameters, "deleted", self.home) or success_answer(
            xml_element("deleted", True)
        )

    def acknowledge_recordings_update(self, request: Request, parameters: Parameters) -> HTTPAnswer:
        """Take a change of metadata; the double keeps none."""
        known = {item.identifier for item in recordings.stored_formats_of_recordings(self.home)}
        if parameters.get("recordID", "") not in known:
            raise CallRefused("notFound", "We could not find recordings")
        return success_answer(xml_element("updated", True))

    def answer_session_call(self, call: str, request: Request) -> HTTPAnswer:
        """Answer the calls that a client makes with its session."""
        found = self.meetings.find_session(request.parameters.get("sessionToken", ""))
        free = parse_boolean(self.settings["allowRequestsWithoutSession"])
        if found is None or not (free or request.cookies.get("JSESSIONID") == found[1].cookie):
            return sessions.missing_session_answer()
        meeting, person = found
        if call == "stuns":
            return sessions.stun_and_turn_answer(self.servers, person)
        if call == "signOut":
            self.meetings.leave(meeting, person)
            return sessions.json_answer({"response": {"returncode": "SUCCESS"}})
        return sessions.participant_answer(meeting, person)


def _role_or_error(meeting: Meeting, parameters: Parameters) -> str:
    """Return a role, or upstream's sentence why there is none."""
    role = parameters.get("role", "").upper()
    if role in (MODERATOR, VIEWER):
        return role
    password = parameters.get("password", "")
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
