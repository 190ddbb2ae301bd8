"""Redis serves the accounts it was set up for, and nobody over the network."""

import re
from datetime import datetime
from typing import Any

import pytest

pytestmark = pytest.mark.role("redis")

SOCKET = "/run/redis/redis-server.sock"
LOG = "/var/log/redis/redis-server.log"
# A line of the kind "warning", which Redis marks with #: process, role, local time, text.
WARNING = re.compile(r"\d+:\w (\d+ \w{3} \d{4} [\d:]{8})\.\d+ # (.*)")
ERROR = re.compile(r"\b(error|failed|fatal|can't|cannot|crashed|bug report)\b", re.IGNORECASE)
LOOK = "Read 'journalctl -u redis-server' on the node, then deploy again."


@pytest.mark.advice(
    "Deploy again, because the package redis-server is missing.", units=["redis-server"]
)
def test_package_is_installed(host: Any) -> None:
    """Redis is installed"""
    assert host.package("redis-server").is_installed


@pytest.mark.advice(LOOK, units=["redis-server"])
def test_unit_is_enabled_and_running(host: Any) -> None:
    """Redis is running, and starts when the machine starts"""
    unit = host.service("redis-server")
    assert unit.is_enabled, "redis-server is not enabled"
    assert unit.is_running, "redis-server is not running"


@pytest.mark.advice(
    "The account is missing from the group redis, or Redis is down. Deploy again.",
    units=["redis-server"],
)
def test_every_account_gets_an_answer(host: Any, settings: dict[str, Any]) -> None:
    """Redis responds to the accounts that need it"""
    for account in settings.get("redis_socket_group_members", ["www-data"]):
        answer = host.run("runuser -u %s -- redis-cli -s %s PING", account, SOCKET)
        assert answer.stdout.strip() == "PONG", f"{account}: {answer.stdout}{answer.stderr}"


@pytest.mark.advice(
    "A TCP port of Redis is open. Check /etc/redis/chautari.conf, then deploy again.",
    units=["redis-server"],
)
def test_no_tcp_port_is_open(host: Any, settings: dict[str, Any]) -> None:
    """Redis does not listen on a TCP port, or only on the loopback address and with a password"""
    if wanted := settings.get("redis_port", 0):
        listening = host.check_output(f"ss -Hltn sport = :{wanted}").split("\n")
        outside = [line for line in listening if "127.0.0.1:" not in line and "[::1]:" not in line]
        assert not outside, f"open to other machines: {outside}"
        answer = host.run(f"redis-cli -p {wanted} PING")
        assert "NOAUTH" in answer.stdout + answer.stderr, (
            "Redis accepts commands on this port without a password"
        )
        return
    port = host.run("redis-cli -s %s CONFIG GET port", SOCKET).stdout.split()
    assert port == ["port", "0"], f"Redis reports: {port}"


@pytest.mark.advice(
    "Deploy again to set the owner and the mode of the socket.", units=["redis-server"]
)
def test_socket_is_closed_to_others(host: Any) -> None:
    """Other accounts cannot use the socket of Redis"""
    socket = host.file(SOCKET)
    assert socket.is_socket
    assert (socket.user, socket.group, socket.mode) == ("redis", "redis", 0o770)


@pytest.mark.advice(LOOK, units=["redis-server"])
def test_journal_is_free_of_errors(host: Any, since: str) -> None:
    """Redis's journal contains no error since the deploy"""
    errors = host.run("journalctl -q -p err -u redis-server --since %s", since).stdout
    assert not errors.strip(), errors


@pytest.mark.advice(f"Read {LOG} on the node, then deploy again.", units=["redis-server"])
def test_log_is_free_of_errors(host: Any, since: str) -> None:
    """Redis's log contains no error since the deploy"""
    start = int(float(since[1:]))
    found = [WARNING.match(line) for line in host.check_output("cat %s", LOG).splitlines()]
    errors = [
        line[0]
        for line in found
        if line
        and datetime.strptime(line[1], "%d %b %Y %H:%M:%S").timestamp() >= start
        and ERROR.search(line[2])
        # Advice about the kernel, such as overcommit_memory: Redis works without it.
        and not line[2].startswith("WARNING")
    ]
    assert not errors, errors[-1]
