"""Writes answers with upstream's elements."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from .rooms import Meeting

NO_CACHE = {"Cache-Control": "no-cache"}


@dataclass(frozen=True)
class Answer:
    """What goes back to the caller."""

    body: str
    status: int = 200
    kind: str = "text/xml;charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=lambda: dict(NO_CACHE))


def element(name: str, content: object = "") -> str:
    """Return one element; what is in it is escaped."""
    text = str(content).lower() if isinstance(content, bool) else str(content)
    return f"<{name}>{escape(text)}</{name}>"


def wrap(name: str, parts: Iterable[str]) -> str:
    """Return an element around others; an empty one is short, as upstream's lists are."""
    inner = "".join(parts)
    return f"<{name}>{inner}</{name}>" if inner else f"<{name}/>"


def success(*parts: str) -> Answer:
    """Return a good answer."""
    return Answer(wrap("response", (element("returncode", "SUCCESS"), *parts)) + "\n")


def failure(key: str, message: str) -> Answer:
    """Return upstream's form of an error."""
    parts = (
        element("returncode", "FAILED"),
        element("messageKey", key),
        element("message", message),
    )
    return Answer(wrap("response", parts) + "\n")


def message(key: str, text: str) -> tuple[str, str]:
    """Return the two elements that say something to a caller."""
    return element("messageKey", key), element("message", text)


def redirect(url: str, cookie: str = "") -> Answer:
    """Send the caller on."""
    headers = {**NO_CACHE, "Location": url}
    if cookie:
        headers["Set-Cookie"] = f"JSESSIONID={cookie}; Path=/bigbluebutton; HttpOnly"
    return Answer("", 302, headers=headers)


def date(milliseconds: int) -> str:
    """Return a date as Java prints it."""
    return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(milliseconds / 1000))


def created(meeting: Meeting, key: str = "", text: str = "") -> Answer:
    """Return the answer of `create`."""
    return success(
        element("meetingID", meeting.external),
        element("internalMeetingID", meeting.internal),
        element("parentMeetingID", "bbb-none"),
        *_password_elements(meeting),
        element("createTime", meeting.created),
        element("voiceBridge", meeting.bridge),
        element("dialNumber", meeting.dial),
        element("createDate", date(meeting.created)),
        element("hasUserJoined", meeting.ever_joined),
        element("duration", meeting.duration),
        element("hasBeenForciblyEnded", meeting.forced),
        *message(key, text),
    )


def details(meeting: Meeting) -> list[str]:
    """Return what `getMeetingInfo` and `getMeetings` say of a meeting."""
    moderators = [person for person in meeting.inside if person.role == "MODERATOR"]
    return [
        element("meetingName", meeting.name),
        element("meetingID", meeting.external),
        element("internalMeetingID", meeting.internal),
        element("createTime", meeting.created),
        element("createDate", date(meeting.created)),
        element("voiceBridge", meeting.bridge),
        element("dialNumber", meeting.dial),
        *_password_elements(meeting),
        element("running", meeting.running),
        element("duration", meeting.duration),
        element("hasUserJoined", meeting.ever_joined),
        element("recording", meeting.record),
        element("hasBeenForciblyEnded", meeting.forced),
        element("startTime", meeting.started or meeting.created),
        element("endTime", meeting.ended),
        element("participantCount", len(meeting.inside)),
        element("listenerCount", 0),
        element("voiceParticipantCount", 0),
        element("videoCount", 0),
        element("maxUsers", meeting.max_users),
        element("moderatorCount", len(moderators)),
        wrap(
            "attendees",
            (_attendee_element(meeting, number) for number in range(len(meeting.inside))),
        ),
        wrap("metadata", (element(name, text) for name, text in meeting.metadata.items())),
        element("isBreakout", meeting.breakout),
    ]


def _password_elements(meeting: Meeting) -> list[str]:
    found = {"attendeePW": meeting.attendee, "moderatorPW": meeting.moderator}
    return [element(name, text) for name, text in found.items() if text]


def _attendee_element(meeting: Meeting, number: int) -> str:
    person = meeting.inside[number]
    parts = (
        element("userID", person.external),
        element("fullName", person.name),
        element("role", person.role),
        element("isPresenter", number == 0),
        element("isListeningOnly", False),
        element("hasJoinedVoice", False),
        element("hasVideo", False),
        element("clientType", "HTML5"),
    )
    return wrap("attendee", parts)
