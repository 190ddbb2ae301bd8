"""Mails about peers, in the languages of the peer: nothing in them comes from its server."""

from __future__ import annotations

import re
import smtplib
import time
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Any

from heartbeat import PeerMail

Data = Mapping[str, Any]
SECONDS = 30.0
LOCAL_RELAY = ("127.0.0.1", 25)
DEFAULT = "en"
# Why a descriptor cannot be trusted; every other code says that its content is not valid.
REASONS = {
    "signature_wrong": "signature", "names_other_key": "key", "other_region": "region",
    "older_serial": "old", "serial_reused": "old", "issued_in_future": "future",
}  # fmt: skip
BETWEEN_LANGUAGES = "\n\n* * *\n\n"


def languages_of(peer: Data, known: Mapping[str, Data]) -> list[str]:
    """Return the peer's languages that have texts, and English, each once."""
    wanted = [language.split("_")[0] for language in peer["languages"]]
    return [language for language in dict.fromkeys([*wanted, DEFAULT]) if language in known]


def compose_mail(
    mail: PeerMail, settings: Data, peer: Data, texts: Mapping[str, Data], now: int
) -> EmailMessage:
    """Return the mail to the peer's contact, with a copy to the region's own."""
    languages = languages_of(peer, texts)
    bodies = [
        _mail_body(mail, settings, peer, texts[language]["mail"], now) for language in languages
    ]
    first = texts[languages[0]]["mail"]
    message = EmailMessage(policy=SMTP)
    message["From"] = settings["mail_from"]
    message["To"] = peer["contact"]
    message["Cc"] = settings["contact"]
    message["Subject"] = _fill_braces(
        first[f"{mail.kind}_subject"], peer=peer["region"], time=moment(mail.last)
    )
    message["Date"] = formatdate(now)
    message["Message-ID"] = make_msgid(domain=settings["domain"])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(BETWEEN_LANGUAGES.join(bodies) + "\n")
    return message


def _mail_body(mail: PeerMail, settings: Data, peer: Data, texts: Data, now: int) -> str:
    values = {
        "peer": peer["region"],
        "own": settings["region"],
        "host": peer["host"],
        "contact": settings["contact"],
        "time": moment(mail.last),
        "now": moment(now),
        "reason": texts[f"reason_{REASONS.get(mail.refusal, 'content')}"],
    }
    if mail.seen:
        values["seen"] = _fill_braces(texts[f"seen_{mail.seen}"], **values)
    return _fill_braces(texts[mail.kind], **values)


def _fill_braces(text: str, **values: str) -> str:
    """Return `text` with its words in braces replaced; values are not read again."""
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], text)


def moment(seconds: int) -> str:
    """Return a time that a person can read anywhere."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def send(message: EmailMessage) -> None:
    """Give a mail to the mail server of the node."""
    host, port = LOCAL_RELAY
    with smtplib.SMTP(host, port, timeout=SECONDS) as server:
        server.send_message(message)


def relay_answers(host: str, port: int) -> bool:
    """Return whether the region's mail relay can be reached, by its name."""
    kind = smtplib.SMTP_SSL if port == smtplib.SMTP_SSL_PORT else smtplib.SMTP
    try:
        kind(host, port, timeout=SECONDS).close()
    except (OSError, smtplib.SMTPException):
        return False
    return True
