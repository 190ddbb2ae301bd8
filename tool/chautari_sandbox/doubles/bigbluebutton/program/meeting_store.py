"""Meetings and the people in them; they live in memory, as upstream's do."""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape

MODERATOR, VIEWER = "MODERATOR", "VIEWER"
ALLOW, WAIT, DENY = "ALLOW", "WAIT", "DENY"
POLICIES = ("ALWAYS_ACCEPT", "ALWAYS_DENY", "ASK_MODERATOR")
REMEMBERED = 60_000
Clock = Callable[[], int]


def random_token(length: int) -> str:
    """Return random small letters and digits."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


def parse_boolean(text: str | None, default: bool = False) -> bool:
    """Read a boolean as Java does."""
    return default if text is None or text == "" else text.lower() == "true"


@dataclass
class Person:
    """Someone who may come in: `inside` since the client's page was opened."""

    name: str
    role: str
    external: str
    guest: bool
    status: str
    session: str = field(default_factory=lambda: random_token(16))
    internal: str = field(default_factory=lambda: f"w_{random_token(12)}")
    auth: str = field(default_factory=lambda: random_token(12))
    cookie: str = field(default_factory=lambda: secrets.token_hex(16).upper())
    inside: bool = False


@dataclass
class Meeting:
    """One meeting."""

    external: str
    name: str
    created: int
    attendee: str
    moderator: str
    record: bool
    keep_events: bool
    duration: int
    max_users: int
    bridge: str
    dial: str
    policy: str
    welcome: str
    logout: str
    breakout: bool
    marked: bool
    metadata: Mapping[str, str]
    slides: list[str] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    started: int = 0
    ended: int = 0
    seen: int = 0
    emptied: int = 0
    forced: bool = False
    ever_joined: bool = False

    @property
    def internal_id(self) -> str:
        """Return upstream's name for it inside, which names its recording too."""
        digest = hashlib.sha1(self.external.encode(), usedforsecurity=False).hexdigest()
        return f"{digest}-{self.created}"

    @property
    def people_inside(self) -> list[Person]:
        """Return who is in it."""
        return [person for person in self.people if person.inside]

    @property
    def is_running(self) -> bool:
        """Say whether someone is in it."""
        return not self.ended and bool(self.people_inside)

    def guest_status(self, role: str, guest: bool) -> str:
        """Say whether somebody may come in at once."""
        if role == MODERATOR or not guest or self.policy == "ALWAYS_ACCEPT":
            return ALLOW
        return DENY if self.policy == "ALWAYS_DENY" else WAIT


class Meetings:
    """All meetings of this server."""

    def __init__(
        self, settings: Mapping[str, str], clock: Clock, ended: Callable[[Meeting], None]
    ) -> None:
        """Take the settings, a clock in milliseconds, and what is done with a meeting that ends."""
        self.settings = settings
        self.clock = clock
        self.ended = ended
        self.meetings: list[Meeting] = []

    def __iter__(self) -> Iterator[Meeting]:
        """Return each meeting."""
        return iter(self.meetings)

    def find_meeting(self, external: str) -> Meeting | None:
        """Return the meeting of a name, one that runs before one that ended."""
        named = [meeting for meeting in self.meetings if meeting.external == external]
        return min(named, key=lambda meeting: bool(meeting.ended), default=None)

    def create(self, parameters: Mapping[str, str]) -> Meeting:
        """Make a meeting out of the parameters of `create`."""
        config = self.settings
        breakout = parse_boolean(parameters.get("isBreakout"))
        record = parse_boolean(parameters.get("record")) and not parse_boolean(
            config["disableRecordingDefault"]
        )
        if breakout:
            record = record and parse_boolean(config["breakoutRoomsRecord"])
        policy = parameters.get("guestPolicy", "")
        name = parameters["name"]
        bridge = parameters.get("voiceBridge") or str(10_000 + secrets.randbelow(90_000))
        logout = config["bigbluebutton.web.logoutURL"]
        if logout in ("", "default"):
            logout = config["bigbluebutton.web.serverURL"]
        welcome = parameters.get("welcome") or config["defaultWelcomeMessage"]
        meeting = Meeting(
            external=parameters["meetingID"],
            name=name,
            created=self.clock(),
            attendee=parameters.get("attendeePW", ""),
            moderator=parameters.get("moderatorPW", ""),
            record=record,
            keep_events=parse_boolean(
                parameters.get("meetingKeepEvents"), parse_boolean(config["defaultKeepEvents"])
            ),
            duration=int(parameters.get("duration") or config["defaultMeetingDuration"]),
            max_users=int(parameters.get("maxParticipants") or config["defaultMaxUsers"]),
            bridge=bridge,
            dial=parameters.get("dialNumber") or config["defaultDialAccessNumber"],
            policy=policy if policy in POLICIES else config["defaultGuestPolicy"],
            welcome=welcome.replace("%%CONFNAME%%", escape(name))
            .replace("%%DIALNUM%%", config["defaultDialAccessNumber"])
            .replace("%%CONFNUM%%", bridge),
            logout=parameters.get("logoutURL") or logout,
            breakout=breakout,
            marked=parse_boolean(
                parameters.get("autoStartRecording"), parse_boolean(config["autoStartRecording"])
            ),
            metadata={
                key.removeprefix("meta_").lower(): value
                for key, value in parameters.items()
                if key.startswith("meta_")
            },
        )
        self.meetings.append(meeting)
        return meeting

    def find_session(self, session: str) -> tuple[Meeting, Person] | None:
        """Return whose session this is."""
        for meeting in self.meetings:
            for person in meeting.people:
                if person.session == session and not meeting.ended:
                    return meeting, person
        return None

    def enter(self, meeting: Meeting, person: Person) -> None:
        """Let somebody in."""
        person.inside = True
        meeting.ever_joined = True
        meeting.emptied = 0
        meeting.seen += 1
        meeting.started = meeting.started or self.clock()

    def leave(self, meeting: Meeting, person: Person) -> None:
        """Take somebody out, for good."""
        meeting.people.remove(person)
        if meeting.ever_joined and not meeting.people_inside:
            meeting.emptied = self.clock()

    def end(self, meeting: Meeting, forced: bool = True) -> None:
        """End a meeting."""
        meeting.ended, meeting.forced = self.clock(), forced
        meeting.people.clear()
        self.ended(meeting)

    def end_expired(self) -> None:
        """End what has expired, forget what ended a while ago."""
        now = self.clock()
        unused = 60_000 * int(self.settings["meetingExpireIfNoUserJoinedInMinutes"])
        left = 60_000 * int(self.settings["meetingExpireWhenLastUserLeftInMinutes"])
        for meeting in list(self.meetings):
            if meeting.ended:
                if now - meeting.ended >= REMEMBERED:
                    self.meetings.remove(meeting)
            elif (
                (not meeting.ever_joined and 0 < unused <= now - meeting.created)
                or (meeting.emptied and 0 < left <= now - meeting.emptied)
                or (meeting.duration and now - meeting.created >= 60_000 * meeting.duration)
            ):
                self.end(meeting, forced=False)
