"""Give a mail to the mail server of the node, which sends it to the region's contact."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

MAIL_SERVER = ("127.0.0.1", 25)
SECONDS = 30.0


def mail_to_root(subject: str, text: str) -> EmailMessage:
    """Return a mail to root, to which no program answers."""
    message = EmailMessage()
    message["From"] = message["To"] = "root"
    message["Auto-Submitted"] = "auto-generated"
    message["Subject"] = subject
    message.set_content(text)
    return message


def send_mail(message: EmailMessage) -> bool:
    """Return whether the mail server accepted a mail; without one, only the journal shows it."""
    try:
        with smtplib.SMTP(*MAIL_SERVER, timeout=SECONDS) as server:
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        print(f"The mail was not sent: {type(error).__name__}", flush=True)
        return False
    return True
