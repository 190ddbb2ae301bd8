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

from .answers import NO_CACHE, HTTPAnswer
from .meeting_store import ALLOW, Meeting, Meetings, Person
from .settings import WrongSettings

BEANS = "{http://www.springframework.org/schema/beans}"
CLASS = "org.bigbluebutton.web.services.turn.StunTurnService"


@dataclass(frozen=True)
class TurnServer:
    """One TURN server."""

    secret: str
    url: str
    seconds: int

    def with_credentials(self, user: str, now: int) -> dict[str, object]:
        """Return an entry with credentials that last a while."""
        name = f"{now + self.seconds}:{user}"
        digest = hmac.new(self.secret.encode(), name.encode(), hashlib.sha1).digest()
        password = base64.b64encode(digest).decode()
        return {"username": name, "password": password, "url": self.url, "ttl": self.seconds}


@dataclass(frozen=True)
class StunAndTurnServers:
    """The STUN and TURN servers that clients are told."""

    stun: tuple[str, ...] = ()
    turn: tuple[TurnServer, ...] = ()


def read_stun_and_turn_servers(defaults: Path, overrides: Path) -> StunAndTurnServers:
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
        return StunAndTurnServers(
            tuple(stun), tuple(TurnServer(item[0], item[1], int(item[2])) for item in turn)
        )
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


def stun_and_turn_answer(servers: StunAndTurnServers, person: Person) -> HTTPAnswer:
    """Tell a client by which servers its media may pass."""
    now = int(time.time())
    return json_answer(
        {
            "stunServers": [{"url": url} for url in servers.stun],
            "turnServers": [relay.with_credentials(person.internal, now) for relay in servers.turn],
            "remoteIceCandidates": [],
        }
    )


def participant_answer(meeting: Meeting, person: Person) -> HTTPAnswer:
    """Tell a client who it is."""
    content = {
        "returncode": "SUCCESS",
        "fullname": person.name,
        "confname": meeting.name,
        "meetingID": meeting.internal_id,
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
    return json_answer({"response": content})


def missing_session_answer() -> HTTPAnswer:
    """Say that there is no such session."""
    content = {"returncode": "FAILED", "message": "Session not found."}
    return json_answer({"response": {**content, "messageKey": "missingSession"}})


def authorization_answer(meetings: Meetings, session: str) -> HTTPAnswer:
    """Say to nginx whether a client's request may pass."""
    found = meetings.find_session(session)
    if found is None or found[1].status != ALLOW:
        return HTTPAnswer("unauthorized", 401, "text/plain")
    meeting, person = found
    names = {"User-Id": person.internal, "Meeting-Id": meeting.internal_id}
    return HTTPAnswer("authorized", 200, "text/plain", {**NO_CACHE, **names})


def json_answer(content: object) -> HTTPAnswer:
    """Return an answer in JSON."""
    return HTTPAnswer(json.dumps(content) + "\n", kind="application/json;charset=utf-8")
