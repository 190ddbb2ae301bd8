"""Writes answers with upstream's elements."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from .meeting_store import Meeting

NO_CACHE = {"Cache-Control": "no-cache"}


@dataclass(frozen=True)
class HTTPAnswer:
    """What goes back to the caller."""

    body: str
    status: int = 200
    kind: str = "text/xml;charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=lambda: dict(NO_CACHE))


def xml_element(name: str, content: object = "") -> str:
    """Return one element; what is in it is escaped."""
    text = str(content).lower() if isinstance(content, bool) else str(content)
    return f"<{name}>{escape(text)}</{name}>"


def xml_parent_element(name: str, parts: Iterable[str]) -> str:
    """Return an element around others; an empty one is short, as upstream's lists are."""
    inner = "".join(parts)
    return f"<{name}>{inner}</{name}>" if inner else f"<{name}/>"


def success_answer(*parts: str) -> HTTPAnswer:
    """Return a good answer."""
    return HTTPAnswer(
        xml_parent_element("response", (xml_element("returncode", "SUCCESS"), *parts)) + "\n"
    )


def failure_answer(key: str, message: str) -> HTTPAnswer:
    """Return upstream's form of an error."""
    parts = (
        xml_element("returncode", "FAILED"),
        xml_element("messageKey", key),
        xml_element("message", message),
    )
    return HTTPAnswer(xml_parent_element("response", parts) + "\n")


def message_elements(key: str, text: str) -> tuple[str, str]:
    """Return the two elements that say something to a caller."""
    return xml_element("messageKey", key), xml_element("message", text)


def redirect_answer(url: str, cookie: str = "") -> HTTPAnswer:
    """Send the caller on."""
    headers = {**NO_CACHE, "Location": url}
    if cookie:
        headers["Set-Cookie"] = f"JSESSIONID={cookie}; Path=/bigbluebutton; HttpOnly"
    return HTTPAnswer("", 302, headers=headers)


def java_date_text(milliseconds: int) -> str:
    """Return a date as Java prints it."""
    return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(milliseconds / 1000))


def create_answer(meeting: Meeting, key: str = "", text: str = "") -> HTTPAnswer:
    """Return the answer of `create`."""
    return success_answer(
        xml_element("meetingID", meeting.external),
        xml_element("internalMeetingID", meeting.internal_id),
        xml_element("parentMeetingID", "bbb-none"),
        *_password_elements(meeting),
        xml_element("createTime", meeting.created),
        xml_element("voiceBridge", meeting.bridge),
        xml_element("dialNumber", meeting.dial),
        xml_element("createDate", java_date_text(meeting.created)),
        xml_element("hasUserJoined", meeting.ever_joined),
        xml_element("duration", meeting.duration),
        xml_element("hasBeenForciblyEnded", meeting.forced),
        *message_elements(key, text),
    )


def meeting_elements(meeting: Meeting) -> list[str]:
    """Return what `getMeetingInfo` and `getMeetings` say of a meeting."""
    moderators = [person for person in meeting.people_inside if person.role == "MODERATOR"]
    return [
        xml_element("meetingName", meeting.name),
        xml_element("meetingID", meeting.external),
        xml_element("internalMeetingID", meeting.internal_id),
        xml_element("createTime", meeting.created),
        xml_element("createDate", java_date_text(meeting.created)),
        xml_element("voiceBridge", meeting.bridge),
        xml_element("dialNumber", meeting.dial),
        *_password_elements(meeting),
        xml_element("running", meeting.is_running),
        xml_element("duration", meeting.duration),
        xml_element("hasUserJoined", meeting.ever_joined),
        xml_element("recording", meeting.record),
        xml_element("hasBeenForciblyEnded", meeting.forced),
        xml_element("startTime", meeting.started or meeting.created),
        xml_element("endTime", meeting.ended),
        xml_element("participantCount", len(meeting.people_inside)),
        xml_element("listenerCount", 0),
        xml_element("voiceParticipantCount", 0),
        xml_element("videoCount", 0),
        xml_element("maxUsers", meeting.max_users),
        xml_element("moderatorCount", len(moderators)),
        xml_parent_element(
            "attendees",
            (_attendee_element(meeting, number) for number in range(len(meeting.people_inside))),
        ),
        xml_parent_element(
            "metadata", (xml_element(name, text) for name, text in meeting.metadata.items())
        ),
        xml_element("isBreakout", meeting.breakout),
    ]


def _password_elements(meeting: Meeting) -> list[str]:
    found = {"attendeePW": meeting.attendee, "moderatorPW": meeting.moderator}
    return [xml_element(name, text) for name, text in found.items() if text]


def _attendee_element(meeting: Meeting, number: int) -> str:
    person = meeting.people_inside[number]
    parts = (
        xml_element("userID", person.external),
        xml_element("fullName", person.name),
        xml_element("role", person.role),
        xml_element("isPresenter", number == 0),
        xml_element("isListeningOnly", False),
        xml_element("hasJoinedVoice", False),
        xml_element("hasVideo", False),
        xml_element("clientType", "HTML5"),
    )
    return xml_parent_element("attendee", parts)
