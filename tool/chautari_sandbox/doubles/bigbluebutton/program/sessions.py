"""Answers what a client asks with its session: who it is, and by which servers media may pass."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from .answers import NO_CACHE, Answer
from .rooms import ALLOW, Meeting, Meetings, Person
from .settings import WrongSettings

BEANS = "{http://www.springframework.org/schema/beans}"
CLASS = "org.bigbluebutton.web.services.turn.StunTurnService"


@dataclass(frozen=True)
class Relay:
    """One TURN server."""

    secret: str
    url: str
    seconds: int

    def entry(self, user: str, now: int) -> dict[str, object]:
        """Return an entry with credentials that last a while."""
        name = f"{now + self.seconds}:{user}"
        digest = hmac.new(self.secret.encode(), name.encode(), hashlib.sha1).digest()
        password = base64.b64encode(digest).decode()
        return {"username": name, "password": password, "url": self.url, "ttl": self.seconds}


@dataclass(frozen=True)
class Servers:
    """The STUN and TURN servers that clients are told."""

    stun: tuple[str, ...] = ()
    turn: tuple[Relay, ...] = ()


def read_servers(defaults: Path, overrides: Path) -> Servers:
    """Read upstream's file of servers; an operator's file stands in its place."""
    file = overrides if overrides.exists() else defaults
    try:
        root = ET.parse(file).getroot()
        beans = {bean.get("id", ""): bean for bean in root.iter(f"{BEANS}bean")}
        service = next(bean for bean in beans.values() if bean.get("class") == CLASS)
        stun = [
            _constructor_arguments(beans[name], 1)[0]
            for name in _referenced_beans(service, "stunServers")
        ]
        turn = [
            _constructor_arguments(beans[name], 3)
            for name in _referenced_beans(service, "turnServers")
        ]
        return Servers(tuple(stun), tuple(Relay(item[0], item[1], int(item[2])) for item in turn))
    except (ET.ParseError, OSError, StopIteration, KeyError, ValueError, IndexError) as error:
        raise WrongSettings(f"{file}: {type(error).__name__} {error}") from error


def _referenced_beans(service: ET.Element, name: str) -> list[str]:
    path = f"{BEANS}property[@name='{name}']/{BEANS}set/{BEANS}ref"
    return [item.get("bean", "") for item in service.findall(path)]


def _constructor_arguments(bean: ET.Element, count: int) -> list[str]:
    found = {
        item.get("index", ""): item.get("value", "")
        for item in bean.iter(f"{BEANS}constructor-arg")
    }
    return [found[str(number)] for number in range(count)]


def stuns(servers: Servers, person: Person) -> Answer:
    """Tell a client by which servers its media may pass."""
    now = int(time.time())
    return as_json(
        {
            "stunServers": [{"url": url} for url in servers.stun],
            "turnServers": [relay.entry(person.internal, now) for relay in servers.turn],
            "remoteIceCandidates": [],
        }
    )


def entered(meeting: Meeting, person: Person) -> Answer:
    """Tell a client who it is."""
    content = {
        "returncode": "SUCCESS",
        "fullname": person.name,
        "confname": meeting.name,
        "meetingID": meeting.internal,
        "externMeetingID": meeting.external,
        "externUserID": person.external,
        "internalUserID": person.internal,
        "authToken": person.auth,
        "role": person.role,
        "guest": person.guest,
        "guestStatus": person.status,
        "voicebridge": meeting.bridge,
        "record": str(meeting.record).lower(),
        "welcome": meeting.welcome,
        "logoutUrl": meeting.logout,
    }
    return as_json({"response": content})


def missing() -> Answer:
    """Say that there is no such session."""
    content = {"returncode": "FAILED", "message": "Session not found."}
    return as_json({"response": {**content, "messageKey": "missingSession"}})


def authorized(meetings: Meetings, session: str) -> Answer:
    """Say to nginx whether a client's request may pass."""
    found = meetings.person(session)
    if found is None or found[1].status != ALLOW:
        return Answer("unauthorized", 401, "text/plain")
    meeting, person = found
    names = {"User-Id": person.internal, "Meeting-Id": meeting.internal}
    return Answer("authorized", 200, "text/plain", {**NO_CACHE, **names})


def as_json(content: object) -> Answer:
    """Return an answer in JSON."""
    return Answer(json.dumps(content) + "\n", kind="application/json;charset=utf-8")
