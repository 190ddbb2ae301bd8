"""What the nginx role promises, seen from the node."""

from __future__ import annotations

import re
from typing import Any

import pytest
from testinfra.host import Host

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("nginx")


@pytest.mark.advice("Start it: 'systemctl enable --now nginx'.", units=["nginx"])
def test_nginx_runs(host: Host) -> None:
    """nginx is enabled and running"""
    assert host.service("nginx").is_enabled
    assert host.service("nginx").is_running


@pytest.mark.advice(
    "Fix the error in the reported file and line, then deploy again.", units=["nginx"]
)
def test_configuration_is_valid(host: Host) -> None:
    """The configuration of nginx is valid"""
    result = host.run("nginx -t -q")
    assert result.rc == 0, result.stderr.strip()


@pytest.mark.advice("Run 'systemctl reload nginx'.", units=["nginx"])
def test_configuration_is_in_use(host: Host) -> None:
    """nginx has loaded its current configuration"""
    newer = host.check_output("find /etc/nginx -newer /run/chautari-nginx.loaded")
    assert not newer, (
        f"changed since nginx last loaded its configuration: {', '.join(newer.split())}"
    )


@pytest.mark.advice(
    "Run 'ss -ltnp' on the node to find the other program that uses the port.", units=["nginx"]
)
@pytest.mark.parametrize("port", [80, 443])
def test_nginx_has_the_port(host: Host, settings: dict[str, Any], port: int) -> None:
    """nginx listens on ports 80 and 443"""
    if port == 443 and not settings.get("nginx_https", True):
        pytest.skip("another program uses port 443 and forwards requests")
    listening = host.check_output("ss -Hltnp %s", f"sport = :{port}")
    assert '"nginx"' in listening, f"nginx does not listen on port {port}"


@pytest.mark.advice(
    "Deploy again. Without this directory, certificates cannot be renewed.", units=["nginx"]
)
def test_challenge_directory_is_readable(host: Host, settings: dict[str, Any]) -> None:
    """The web server can read the responses for the certificate authority"""
    root = settings.get("nginx_acme_webroot", "/var/lib/chautari-acme")
    directory = host.file(f"{root}/.well-known/acme-challenge")
    assert directory.is_directory
    assert (directory.user, directory.mode) == ("root", 0o755)


@pytest.mark.advice("Read /var/log/nginx/error.log on the node.", units=["nginx"])
def test_journal_has_no_errors(host: Host, since: str) -> None:
    """nginx has reported no error since the start of the deploy"""
    journal = host.check_output("journalctl --unit nginx --since %s --output cat --no-pager", since)
    errors = [line for line in journal.splitlines() if re.search(r"\[(emerg|alert)\]", line)]
    assert not errors, errors[-1]


@pytest.mark.advice("Run 'chmod o-rwx FILE' for each reported log.", units=["nginx"])
def test_logs_are_closed_to_other_accounts(host: Host) -> None:
    """Other accounts cannot read the logs, which contain links to polls, files and meetings"""
    found = host.check_output("find /var/log/nginx -type f -perm /o=rwx").split()
    assert not found, f"other accounts can use these logs: {', '.join(found)}"


@pytest.mark.advice("Deploy again, or restart it: 'systemctl restart nginx'.", units=["nginx"])
def test_service_is_sandboxed(host: Host) -> None:
    """systemd limits what nginx can do"""
    sandboxing.assert_exposure(host, ["nginx.service"], sandboxing.PACKAGE_UNIT_LIMIT)
    sandboxing.assert_running_in_sandbox(host, "nginx.service")
