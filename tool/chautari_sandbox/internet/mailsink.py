"""The sandbox's mail relay: takes mail of nodes and neighbours, keeps it, and shows it.

Nodes send with STARTTLS and a password, from where mail to neighbours is forwarded. Neighbours
deliver to port 25, as mail servers do.

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
from collections.abc import Callable
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from chautari_sandbox.internet import mail_forwarding
from chautari_sandbox.internet.mail_forwarding import KeepMail, MailForwarder

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


def message_text(message: EmailMessage, kind: str) -> str:
    """The text of a message's plain or HTML part, empty when it has none."""
    body = message.get_body((kind,))
    return str(body.get_content()) if body else ""


def summarize_message(sender: str, recipients: list[str], content: bytes) -> Message:
    """What a check wants to know of a message."""
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(content)
    plain, html = message_text(message, "plain"), message_text(message, "html")
    headers = {name.lower(): str(value) for name, value in message.items()}
    return {
        "from": sender, "to": recipients, "subject": headers.get("subject", ""),
        "received": formatdate(), "headers": headers, "body": plain or html, "html": html,
    }  # fmt: skip


class SMTPSink:
    """Takes every message that an authenticated sender hands in."""

    def __init__(self, take: KeepMail) -> None:
        """Hand messages to `take`."""
        self._take = take

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take one message; aiosmtpd calls this after the message arrived."""
        content = envelope.content
        data = content.encode() if isinstance(content, str) else content or b""
        self._take(envelope.mail_from or "", list(envelope.rcpt_tos), data)
        return "250 Message accepted"


class NeighbourMailSink(SMTPSink):
    """Takes messages to the sandbox's own domain from any sender, as a mail server does."""

    def __init__(self, take: KeepMail, zone: str) -> None:
        """Hand messages to addresses of `zone` to `take`."""
        super().__init__(take)
        self._zone = zone

    async def handle_RCPT(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        """Accept one recipient, or refuse it; aiosmtpd calls this."""
        if mail_forwarding.zone_of_address(address, (self._zone,)) is None:
            return f"550 5.7.1 {address} is not an address of {self._zone}"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 OK"


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
    """GET /messages?to=ADDRESS, DELETE /messages, and GET /queue."""

    store: MailStore
    forwarder: MailForwarder

    def do_GET(self) -> None:
        """List messages, or what waits for neighbours."""
        target = urllib.parse.urlsplit(self.path)
        to = urllib.parse.parse_qs(target.query).get("to", [""])[0]
        actions = {"/messages": lambda: self.store.find(to), "/queue": self.forwarder.queued}
        self._send_json_answer(actions.get(target.path))

    def do_DELETE(self) -> None:
        """Forget all messages."""
        actions = {"/messages": self.store.clear}
        self._send_json_answer(actions.get(urllib.parse.urlsplit(self.path).path))

    def _send_json_answer(self, action: Callable[[], object] | None) -> None:
        missing = {"error": "this server has only the paths /messages and /queue"}
        body = json.dumps(action() if action else missing).encode()
        self.send_response(200 if action else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(settings_file: str) -> None:
    """Serve mail and the list of messages until stopped."""
    settings = json.loads(Path(settings_file).read_text())
    spool = Path(settings["spool"])
    store = MailStore(spool / "messages.json")

    def keep(sender: str, recipients: list[str], content: bytes) -> None:
        store.add(summarize_message(sender, recipients, content))

    forwarder = MailForwarder(settings["zone"], Path(settings["routes"]), spool / "queue", keep)
    for controller in _smtp_servers(settings, forwarder, keep):
        controller.start()
    threading.Thread(target=forwarder.run_queue_forever, daemon=True).start()
    MailListAPI.store, MailListAPI.forwarder = store, forwarder
    ThreadingHTTPServer((settings["listen"], 8025), MailListAPI).serve_forever()


def _smtp_servers(
    settings: dict[str, Any], forwarder: MailForwarder, keep: KeepMail
) -> tuple[Controller, ...]:
    """Return the relay of the nodes, and the server for mail of neighbours."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings["certificate"], settings["key"])
    common = {
        "hostname": settings["listen"], "server_hostname": settings["hostname"],
        "tls_context": context,
    }  # fmt: skip
    relay = Controller(
        SMTPSink(forwarder.accept_mail), port=587, require_starttls=True, auth_required=True,
        authenticator=SMTPAuthenticator(settings["user"], settings["password"]), **common,
    )  # fmt: skip
    return relay, Controller(
        NeighbourMailSink(keep, settings["zone"]), port=mail_forwarding.SMTP_PORT, **common
    )


if __name__ == "__main__":
    main(sys.argv[1])
