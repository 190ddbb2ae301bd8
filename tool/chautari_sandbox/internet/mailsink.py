"""The sandbox's mail relay: takes mail with STARTTLS and a password, keeps it, and tells.

Runs in the internet container on Debian's own Python; needs nothing of Chautari.
"""

from __future__ import annotations

import hmac
import json
import ssl
import sys
import threading
import urllib.parse
from collections import deque
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

KEPT = 500
Message = dict[str, Any]


class MailStore:
    """The last messages, in memory and in a file that survives a restart."""

    def __init__(self, file: Path) -> None:
        """Read the messages that an earlier run kept."""
        self._file, self._lock = file, threading.Lock()
        known = json.loads(file.read_text()) if file.is_file() else []
        self._messages: deque[Message] = deque(known, maxlen=KEPT)

    def add(self, message: Message) -> None:
        """Keep one message and let the oldest go."""
        with self._lock:
            self._messages.append(message)
            self._save_messages()

    def clear(self) -> None:
        """Forget all messages."""
        with self._lock:
            self._messages.clear()
            self._save_messages()

    def find(self, to: str) -> list[Message]:
        """Return the messages to an address, or all, the oldest first."""
        with self._lock:
            return [m for m in self._messages if not to or to.lower() in map(str.lower, m["to"])]

    def _save_messages(self) -> None:
        aside = self._file.with_suffix(".new")
        aside.write_text(json.dumps(list(self._messages)))
        aside.replace(self._file)


def text_of(message: EmailMessage, kind: str) -> str:
    """The text of a message's plain or HTML part, empty when it has none."""
    body = message.get_body((kind,))
    return str(body.get_content()) if body else ""


def summarize_message(sender: str, recipients: list[str], content: bytes) -> Message:
    """What a check wants to know of a message."""
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(content)
    plain, html = text_of(message, "plain"), text_of(message, "html")
    headers = {name.lower(): str(value) for name, value in message.items()}
    return {
        "from": sender, "to": recipients, "subject": headers.get("subject", ""),
        "received": formatdate(), "headers": headers, "body": plain or html, "html": html,
    }  # fmt: skip


class SMTPSink:
    """Keeps every message that an authenticated sender hands in."""

    def __init__(self, store: MailStore) -> None:
        """Keep messages in `store`."""
        self._store = store

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take one message; aiosmtpd calls this after authentication."""
        content = envelope.content
        data = content.encode() if isinstance(content, str) else content or b""
        self._store.add(summarize_message(envelope.mail_from or "", list(envelope.rcpt_tos), data))
        return "250 Message accepted"


class SMTPAuthenticator:
    """Knows the one account that may send."""

    def __init__(self, user: str, password: str) -> None:
        """Let in this user with this password."""
        self._user, self._password = user.encode(), password.encode()

    def __call__(
        self, server: Any, session: Any, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Say whether these are the right name and password."""
        known = isinstance(data, LoginPassword) and (
            hmac.compare_digest(data.login, self._user)
            and hmac.compare_digest(data.password, self._password)
        )
        return AuthResult(success=known, handled=False)


class MailListAPI(BaseHTTPRequestHandler):
    """GET /messages?to=ADDRESS and DELETE /messages."""

    store: MailStore

    def do_GET(self) -> None:
        """List messages."""
        target = urllib.parse.urlsplit(self.path)
        to = urllib.parse.parse_qs(target.query).get("to", [""])[0]
        self._answer(target.path, lambda: self.store.find(to))

    def do_DELETE(self) -> None:
        """Forget all messages."""
        self._answer(urllib.parse.urlsplit(self.path).path, self.store.clear)

    def _answer(self, path: str, action: Any) -> None:
        found = path == "/messages"
        body = json.dumps(
            action() if found else {"error": "this server has only the path /messages"}
        ).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(settings_file: str) -> None:
    """Serve mail and the list of messages until stopped."""
    settings = json.loads(Path(settings_file).read_text())
    store = MailStore(Path(settings["spool"]) / "messages.json")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings["certificate"], settings["key"])
    relay = Controller(
        SMTPSink(store), hostname=settings["listen"], port=587,
        server_hostname=settings["hostname"], tls_context=context,
        require_starttls=True, auth_required=True,
        authenticator=SMTPAuthenticator(settings["user"], settings["password"]),
    )  # fmt: skip
    relay.start()
    MailListAPI.store = store
    ThreadingHTTPServer((settings["listen"], 8025), MailListAPI).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
