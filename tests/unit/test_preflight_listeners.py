"""Programs that listen on a machine: those on ports of roles, and those that others lose."""

from __future__ import annotations

import pytest
from role_samples import NAMES

from chautari.preflight.existing_state import existing_state_refusals
from chautari.preflight.listeners import (
    Listener,
    PlannedFirewall,
    find_endangered_listeners,
    occupied_port_refusals,
    parse_listener,
)
from chautari.render.role_inputs import list_takeovers

FIREWALL = PlannedFirewall(("80/tcp", "443/tcp", "10000/udp", "20000-30000/udp"), 2222)
TAKES_OVER = {
    role: list_takeovers(role, "debian-12")
    for role in ("base", "firewall", "mail", "nginx", "redis", "greenlight")
}


def tcp(port: int, *programs: str, address: str = "0.0.0.0") -> Listener:
    return Listener("tcp", address, port, programs)


def udp(port: int, *programs: str, address: str = "[::]") -> Listener:
    return Listener("udp", address, port, programs)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('tcp [::]:80 users:(("nginx",pid=9,fd=5),("nginx",pid=8,fd=5))',
         tcp(80, "nginx", address="[::]")),
        ("udp 0.0.0.0:51820 ", udp(51820, address="0.0.0.0")),
        ('udp 127.0.0.53%lo:53 users:(("systemd-resolve",pid=1,fd=2))',
         udp(53, "systemd-resolve", address="127.0.0.53%lo")),
        ("tcp *:65536", None),
        ("tcp 0.0.0.0:http x", None),
        ("sctp 0.0.0.0:80", None),
        ("\x1b[2J", None),
    ],
)  # fmt: skip
def test_parse_listener_accepts_only_sockets(line: str, expected: Listener | None) -> None:
    assert parse_listener(line) == expected


@pytest.mark.parametrize(
    ("listener", "item"),
    [
        (tcp(25, "master"), ("mail", "listener: master on tcp port 25")),
        (tcp(25, "exim4"), ("mail", "listener: exim4 on tcp port 25")),
        (tcp(80, "nginx", address="*"), ("nginx", "listener: nginx on tcp port 80")),
        (tcp(6379, "valkey-server", address="127.0.0.1"),
         ("redis", "listener: valkey-server on tcp port 6379")),
        (tcp(993, "dovecot"), ("firewall", "closed: dovecot on tcp port 993")),
        (tcp(9090, "systemd"), ("firewall", "closed: systemd on tcp port 9090")),
        (udp(51820), ("firewall", "closed: the kernel on udp port 51820")),
        (udp(161, "snmpd"), ("firewall", "closed: snmpd on udp port 161")),
        (tcp(10000, "perl"), ("firewall", "closed: perl on tcp port 10000")),
        (tcp(5432, "postgres"), ("firewall", "closed: postgres on tcp port 5432")),
    ],
)  # fmt: skip
def test_program_that_a_role_replaces_or_closes_is_named(
    listener: Listener, item: tuple[str, str]
) -> None:
    assert find_endangered_listeners([listener, listener], TAKES_OVER, (), FIREWALL) == [item]
    assert list(occupied_port_refusals([listener], TAKES_OVER, ())) == []


@pytest.mark.parametrize(
    "listener",
    [
        tcp(22, "sshd"),
        tcp(22, "systemd"),
        tcp(2222, "systemd"),
        tcp(5432, "postgres", address="127.0.0.1"),
        tcp(25, "exim4", address="127.0.0.1"),
        tcp(25, "exim4", address="[::1]"),
        udp(68, "dhclient", address="0.0.0.0"),
        udp(546, "systemd-network", address="[fe80::1]%eth0"),
        udp(123, "ntpd"),
        udp(323, "chronyd", address="[::1]"),
        udp(5355, "systemd-resolve"),
        tcp(111, "rpcbind", "systemd"),
        tcp(8443, "docker-proxy"),
        udp(41234, "rsyslogd"),
        udp(10000, "java"),
        udp(25000, "coturn"),
    ],
)
def test_programs_of_a_rented_machine_are_no_reason(listener: Listener) -> None:
    assert find_endangered_listeners([listener], TAKES_OVER, (), FIREWALL) == []
    assert list(occupied_port_refusals([listener], TAKES_OVER, ())) == []


@pytest.mark.parametrize(
    ("listener", "reason"),
    [
        (tcp(80, "apache2", address="[::]"), "Port 80 is already used by apache2."),
        (tcp(443), "Port 443 is already used by another program."),
        (tcp(443, "haproxy"), "Port 443 is already used by haproxy."),
        (tcp(5050, "ruby", address="127.0.0.1"), "Port 5050 is already used by ruby."),
    ],
)
def test_program_that_no_role_replaces_has_to_stop_first(listener: Listener, reason: str) -> None:
    [refusal] = occupied_port_refusals([listener, listener], TAKES_OVER, ())
    assert refusal.reason == reason
    assert find_endangered_listeners([listener], TAKES_OVER, (), FIREWALL) == []


def test_listener_of_a_role_that_ran_is_ours() -> None:
    ours = frozenset(TAKES_OVER)
    found = [tcp(80, "nginx"), tcp(443, "nginx"), tcp(993, "dovecot"), tcp(25, "master")]
    assert find_endangered_listeners(found, TAKES_OVER, ours, FIREWALL) == []
    assert list(occupied_port_refusals(found, TAKES_OVER, ours)) == []


def test_web_port_that_another_program_took_after_our_role_ran_is_refused() -> None:
    found = [tcp(80, "nginx"), tcp(443, "python3")]
    assert find_endangered_listeners(found, TAKES_OVER, frozenset(TAKES_OVER), FIREWALL) == []
    [refusal] = occupied_port_refusals(found, TAKES_OVER, frozenset(TAKES_OVER))
    assert refusal.reason == "Port 443 is already used by python3."


def test_bigbluebutton_answers_on_a_port_of_nginx() -> None:
    takes_over = TAKES_OVER | {"bigbluebutton": list_takeovers("bigbluebutton", "ubuntu-22.04")}
    ours = frozenset({"nginx"})
    assert list(occupied_port_refusals([tcp(443, "haproxy")], takes_over, ours)) == []
    assert find_endangered_listeners([tcp(443, "haproxy")], takes_over, (), FIREWALL) == [
        ("bigbluebutton", "listener: haproxy on tcp port 443")
    ]


def test_each_kind_has_a_refusal_with_its_own_consequence() -> None:
    existing = (
        ("firewall", "closed: dovecot on tcp port 993"),
        ("base", "cron: /var/spool/cron/crontabs/luz"),
        ("firewall", "nftables: inet coop"),
    )
    found = {item.code: item for item in existing_state_refusals(existing, ())}
    assert list(found) == ["existing_listeners", "existing_jobs", "existing_state"]
    assert "these programs: dovecot on tcp port 993." in found["existing_listeners"].reason
    assert "`adopt: [firewall]`" in found["existing_listeners"].fix
    assert ": /var/spool/cron/crontabs/luz." in found["existing_jobs"].reason
    assert "`adopt: [base]`" in found["existing_jobs"].fix
    assert list(existing_state_refusals(existing, ("base", "firewall"))) == []


@pytest.mark.parametrize("release", ["debian-12", "debian-13"])
def test_only_the_cluster_of_the_release_is_taken_over(release: str) -> None:
    version = {"debian-12": 15, "debian-13": 17}[release]
    found = [item for item in list_takeovers("postgresql", release) if item[0] == "/"]
    assert found == [f"/etc/postgresql/{version}/main"]
    assert all("debian-" not in item for role in NAMES for item in list_takeovers(role, release))
