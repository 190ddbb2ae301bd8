"""What the mail role promises, seen from the node."""

from __future__ import annotations

import json
import smtplib
import ssl
import time
from typing import Any

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.role("mail")

QUEUE_MINUTES = 15


@pytest.mark.advice("Start it: 'systemctl enable --now postfix'.", units=["postfix", "postfix@-"])
def test_postfix_runs(host: Host) -> None:
    """Postfix is enabled and running"""
    assert host.service("postfix").is_enabled
    result = host.run("postfix status")
    assert result.rc == 0, result.stderr.strip()


@pytest.mark.advice("Fix /etc/postfix/main.cf, or deploy again.", units=["postfix"])
def test_settings_of_postfix_are_valid(host: Host) -> None:
    """The settings of Postfix are valid"""
    result = host.run("postfix check")
    assert result.rc == 0, result.stderr.strip()


@pytest.mark.advice(
    "Deploy again, because Postfix must not accept mail from other machines.", units=["postfix"]
)
def test_mail_is_taken_from_the_node_only(host: Host) -> None:
    """Postfix accepts mail only from the node itself"""
    lines = host.check_output("ss -Hltn 'sport = :25'").splitlines()
    addresses = {line.split()[3].rpartition(":")[0] for line in lines}
    assert addresses, "nothing listens on port 25"
    assert addresses <= {"127.0.0.1", "[::1]"}, f"listening on {', '.join(sorted(addresses))}"


@pytest.mark.advice("Deploy again, then change the relay's password.", units=[])
def test_password_of_the_relay_is_closed(host: Host) -> None:
    """Only root can read the relay's password"""
    password = host.file("/etc/postfix/relay_password")
    assert (password.user, password.group, password.mode) == ("root", "root", 0o600)


@pytest.mark.advice(
    "Check the name and the port of the relay. Its certificate must be valid for this name.",
    units=["postfix", "postfix@-"],
)
def test_relay_answers_with_a_valid_certificate(settings: dict[str, Any]) -> None:
    """The relay offers TLS, and its certificate is valid for its name"""
    name, port = settings["mail_relay_host"], settings["mail_relay_port"]
    ca_file = settings.get("mail_ca_file", "/etc/ssl/certs/ca-certificates.crt")
    context = ssl.create_default_context(cafile=ca_file)
    if port == 465:
        with smtplib.SMTP_SSL(name, port, timeout=20, context=context) as relay:
            assert relay.ehlo()[0] == 250
        return
    with smtplib.SMTP(name, port, timeout=20) as relay:
        relay.starttls(context=context)
        assert relay.ehlo()[0] == 250


@pytest.mark.advice(
    "The message shows the relay's reason. Run 'postqueue -p' to list the mail, and "
    "'postqueue -f' to send it again.",
    units=["postfix", "postfix@-"],
)
def test_no_mail_is_stuck(host: Host) -> None:
    """No mail has been in the queue for more than 15 minutes"""
    lines = host.check_output("postqueue -j").splitlines()
    stuck = [
        recipient.get("delay_reason", "no reason given")
        for message in map(json.loads, lines)
        if time.time() - message["arrival_time"] > 60 * QUEUE_MINUTES
        for recipient in message["recipients"]
    ]
    assert not stuck, (
        f"mail to {len(stuck)} recipients is over {QUEUE_MINUTES} minutes old: {stuck[0]}"
    )
