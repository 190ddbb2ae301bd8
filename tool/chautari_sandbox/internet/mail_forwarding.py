"""Mail to the domains of neighbours: forwarded to their relays, as mail servers do.

Mail to a neighbour that does not answer waits in a queue, also over a restart, and is tried again.
After five days, or when the neighbour refuses it, the sender gets it back with the reason.
Runs in the internet container on Debian's own Python; needs nothing of Chautari.
"""

from __future__ import annotations

import base64
import contextlib
import json
import smtplib
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

SMTP_PORT = 25
RETRY_SECONDS = 5
ANSWER_SECONDS = 10
# The usual lifetime of mail in a queue, which Postfix has too.
LIFETIME_SECONDS = 5 * 24 * 3600
QUOTED_BYTES = 4096

KeepMail = Callable[[str, list[str], bytes], None]


@dataclass(frozen=True)
class QueuedMail:
    """One message that waits for one neighbour; `problem` is the reason of the last failure."""

    zone: str
    sender: str
    recipients: list[str]
    content: str
    since: float
    problem: str = ""

    @property
    def message(self) -> bytes:
        """Return the message as it came."""
        return base64.b64decode(self.content)


class MailRefused(Exception):
    """A neighbour refuses a message for good."""


def zone_of_address(address: str, zones: Iterable[str]) -> str | None:
    """Return the zone that an address is in, the longest one; None when it is in none."""
    domain = address.rpartition("@")[2].lower()
    found = [zone for zone in zones if domain == zone or domain.endswith(f".{zone}")]
    return max(found, key=len, default=None)


class MailForwarder:
    """Keeps mail for this sandbox and for the world, and forwards mail to neighbours."""

    def __init__(self, zone: str, routes_file: Path, queue_folder: Path, keep: KeepMail) -> None:
        """Forward to the relays in `routes_file`, a JSON object of zones and addresses.

        The file is read for each message, since neighbours come and go.
        """
        self._zone, self._routes_file, self._folder, self._keep = (
            zone, routes_file, queue_folder, keep,
        )  # fmt: skip
        self._wake = threading.Event()
        queue_folder.mkdir(parents=True, exist_ok=True)

    def accept_mail(self, sender: str, recipients: list[str], content: bytes) -> None:
        """Keep or queue one message."""
        routes = self._read_relays_by_zone()
        own: list[str] = []
        waiting: dict[str, list[str]] = {}
        for address in recipients:
            zone = zone_of_address(address, (self._zone, *routes))
            group = own if zone in (None, self._zone) else waiting.setdefault(str(zone), [])
            group.append(address)
        if own:
            self._keep(sender, own, content)
        for zone, group in waiting.items():
            text = base64.b64encode(content).decode()
            self._save_queued_mail(
                uuid.uuid4().hex, QueuedMail(zone, sender, group, text, time.time())
            )
        self._wake.set()

    def queued(self) -> list[dict[str, object]]:
        """Return what waits, the oldest first, without the contents."""
        return [
            {name: value for name, value in asdict(mail).items() if name != "content"}
            for mail in self._load_queue().values()
        ]

    def run_queue_forever(self) -> None:
        """Deliver what waits, at once and then every few seconds."""
        while True:
            self._wake.wait(RETRY_SECONDS)
            self._wake.clear()
            try:
                self.run_queue()
            except Exception:
                # One faulty message must not stop the mail of a sandbox.
                traceback.print_exc(file=sys.stderr)

    def run_queue(self) -> None:
        """Try each message that waits once; a relay that does not answer is tried only once."""
        routes = self._read_relays_by_zone()
        silent: dict[str, str] = {}
        for name, mail in self._load_queue().items():
            try:
                problem = silent.get(mail.zone) or self._deliver_or_return_reason_to_wait(
                    routes, mail
                )
            except MailRefused as error:
                self._return_to_sender(mail, str(error))
                self._file_of_queued_mail(name).unlink()
                continue
            if not problem:
                self._file_of_queued_mail(name).unlink()
            elif time.time() - mail.since > LIFETIME_SECONDS:
                self._return_to_sender(mail, problem)
                self._file_of_queued_mail(name).unlink()
            else:
                silent[mail.zone] = problem
                self._save_queued_mail(name, replace(mail, problem=problem))

    def _deliver_or_return_reason_to_wait(self, routes: dict[str, str], mail: QueuedMail) -> str:
        """Deliver one message; return why it must wait, or nothing.

        Raises:
            MailRefused: when the neighbour refuses it for good.
        """
        if mail.zone not in routes:
            return f"{mail.zone} is no longer a neighbour of this sandbox"
        try:
            deliver_to_relay(routes[mail.zone], mail)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            return _refuse_or_return_reason_to_wait(code, text)
        except smtplib.SMTPResponseException as error:
            return _refuse_or_return_reason_to_wait(error.smtp_code, error.smtp_error)
        except OSError as error:
            return f"the relay of {mail.zone} does not answer: {error}"
        return ""

    def _return_to_sender(self, mail: QueuedMail, reason: str) -> None:
        if mail.sender:  # a bounce itself is not returned
            self.accept_mail("", [mail.sender], bounce_message(self._zone, mail, reason))

    def _read_relays_by_zone(self) -> dict[str, str]:
        if not self._routes_file.is_file():
            return {}
        found: dict[str, str] = json.loads(self._routes_file.read_text())
        return found

    def _file_of_queued_mail(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _save_queued_mail(self, name: str, mail: QueuedMail) -> None:
        aside = self._folder / f"{name}.new"
        aside.write_text(json.dumps(asdict(mail)))
        aside.replace(self._file_of_queued_mail(name))

    def _load_queue(self) -> dict[str, QueuedMail]:
        found = {}
        for path in self._folder.glob("*.json"):
            # The queue may deliver a message while another thread lists it.
            with contextlib.suppress(FileNotFoundError):
                found[path.stem] = QueuedMail(**json.loads(path.read_text()))
        return dict(sorted(found.items(), key=lambda item: item[1].since))


def _refuse_or_return_reason_to_wait(code: int, answer: bytes | str) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    if code >= 500:
        raise MailRefused(f"{code} {text}")
    return f"{code} {text}"


def deliver_to_relay(relay: str, mail: QueuedMail) -> None:
    """Hand one message to a neighbour's relay; all its recipients are in one zone."""
    ascii_only = all(address.isascii() for address in (mail.sender, *mail.recipients))
    options = () if ascii_only else ("SMTPUTF8",)
    with smtplib.SMTP(relay, SMTP_PORT, timeout=ANSWER_SECONDS) as server:
        server.sendmail(mail.sender, mail.recipients, mail.message, mail_options=options)


def bounce_message(zone: str, mail: QueuedMail, reason: str) -> bytes:
    """Return the message that tells a sender what was not delivered, and why."""
    message = EmailMessage()
    message["From"] = f"Mail delivery <MAILER-DAEMON@{zone}>"
    message["To"] = mail.sender
    message["Date"] = formatdate()
    message["Subject"] = "Undelivered mail returned to sender"
    message["Auto-Submitted"] = "auto-replied"
    quoted = mail.message[:QUOTED_BYTES].decode(errors="replace")
    message.set_content(
        f"Your message to {', '.join(mail.recipients)} was not delivered.\n\n{reason}\n\n"
        f"The message began like this:\n\n{quoted}\n"
    )
    return message.as_bytes()
