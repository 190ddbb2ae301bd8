"""Serves bbb-web: the API, the client's page, and nginx's questions."""

from __future__ import annotations

import http.cookies
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from . import pages, recordings, sessions, settings
from .answers import HTTPAnswer, failure_answer
from .api import Api, Request
from .meeting_store import Meeting, Meetings, parse_boolean

MOST = 60_000_000


def read_settings_and_make_api() -> Api:
    """Read the settings and return the API; what upstream would not start with ends here."""
    config = settings.bbb_web_settings()
    for key in NUMBERS:
        if not config.get(key, "").lstrip("-").isdigit():
            raise settings.WrongSettings(f"{key}={config.get(key)!r} is not a number")
    if not parse_boolean(config.get("serviceEnabled", "true")):
        raise settings.WrongSettings("serviceEnabled=false")
    servers = sessions.read_stun_and_turn_servers(settings.TURN, settings.TURN_OVER)

    def ended(meeting: Meeting) -> None:
        if meeting.record or meeting.keep_events:
            recordings.write_raw_recording(meeting)

    meetings = Meetings(config, lambda: int(time.time() * 1000), ended)
    return Api(config, settings.installed_release(), meetings, servers=servers)


NUMBERS = (
    "defaultMaxUsers",
    "defaultMeetingDuration",
    "maxUserConcurrentAccesses",
    "meetingExpireIfNoUserJoinedInMinutes",
    "meetingExpireWhenLastUserLeftInMinutes",
    "meetingCameraCap",
    "userCameraCap",
)


# nginx asks these before it forwards a request of a session.
CONNECTIONS = (
    "/bigbluebutton/connection/checkAuthorization",
    "/bigbluebutton/connection/checkGraphqlAuthorization",
)


def answer_request(api: Api, request: Request) -> HTTPAnswer:
    """Answer one request to bbb-web."""
    path, session = request.path, request.parameters.get("sessionToken", "")
    if path == "/bigbluebutton/api" or path.startswith("/bigbluebutton/api/"):
        return api.answer_call(request)
    if path == "/bigbluebutton/double/client":
        return pages.client_page(api.meetings, session)
    if path.startswith("/bigbluebutton/double/"):
        return pages.handle_button(api.meetings, session, path.rpartition("/")[2])
    if path in CONNECTIONS:
        return sessions.authorization_answer(api.meetings, session)
    return failure_answer("unsupportedRequest", "This request is not supported.")


class Handler(BaseHTTPRequestHandler):
    """Takes requests one after the other: the state is one."""

    api: ClassVar[Api]
    lock: ClassVar[threading.Lock] = threading.Lock()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        self.send_answer(b"")

    def do_POST(self) -> None:
        """Answer."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST:
            self.send_error(413)
            return
        self.send_answer(self.rfile.read(length))

    def send_answer(self, body: bytes) -> None:
        """Send the answer to one request."""
        parts = urlsplit(self.path)
        query = parts.query
        if parts.path in CONNECTIONS:
            query = urlsplit(self.headers.get("X-Original-URI", "")).query
        cookies = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        request = Request(
            parts.path.rstrip("/"),
            query,
            body,
            self.headers.get("Content-Type", ""),
            {name: item.value for name, item in cookies.items()},
        )
        with self.lock:
            answer = answer_request(self.api, request)
        content = answer.body.encode()
        self.send_response(answer.status)
        for name, text in {**answer.headers, "Content-Type": answer.kind}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent about each request."""


def serve_bbb_web(ready: Any) -> None:
    """Serve until the end."""
    Handler.api = read_settings_and_make_api()
    address = os.environ.get("LISTEN_ADDRESS", "127.0.0.1")
    server = ThreadingHTTPServer((address, int(os.environ.get("LISTEN_PORT", "8090"))), Handler)
    threading.Thread(target=_sweep_meetings_periodically, daemon=True).start()
    ready(f"double of bbb-web on {address}:{server.server_port}")
    server.serve_forever()


def _sweep_meetings_periodically() -> None:
    while True:
        time.sleep(5)
        with Handler.lock:
            Handler.api.meetings.end_expired()
