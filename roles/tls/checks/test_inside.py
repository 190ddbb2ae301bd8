"""What the tls role promises, seen from the node."""

from __future__ import annotations

from typing import Any

import pytest
from testinfra.host import Host

from chautari.checks import tls_profile

pytestmark = pytest.mark.role("tls")

HOOK = "/etc/letsencrypt/renewal-hooks/deploy/60-chautari"


def names(settings: dict[str, Any]) -> list[str]:
    """The names that need a certificate."""
    return [entry["name"] for entry in settings.get("tls_certificates", [])]


@pytest.mark.advice("Run 'systemctl enable --now certbot.timer'.", units=["certbot"])
def test_renewal_is_armed(host: Host) -> None:
    """The renewal of certificates is active"""
    assert host.service("certbot.timer").is_enabled
    assert host.service("certbot.timer").is_running


@pytest.mark.advice(
    "Deploy again. Without this hook, renewed certificates are not loaded.", units=[]
)
def test_hook_can_run(host: Host) -> None:
    """The hook that loads renewed certificates is executable"""
    hook = host.file(HOOK)
    assert (hook.user, hook.mode) == ("root", 0o755)
    result = host.run("sh -n %s", HOOK)
    assert result.rc == 0, result.stderr


@pytest.mark.advice(
    "Deploy again, then renew the certificate, because other accounts could read its key.", units=[]
)
def test_private_keys_are_closed(host: Host, settings: dict[str, Any]) -> None:
    """Only root can read private keys"""
    for name in names(settings):
        path = host.check_output("readlink -f %s", f"/etc/chautari/tls/{name}/privkey.pem")
        key = host.file(path)
        assert (key.user, key.mode) == ("root", 0o600), f"{path} has mode {key.mode:o}"


@pytest.mark.advice("Remove /etc/chautari/tls/NAME on the node and deploy again.", units=[])
def test_certificates_match_their_keys(host: Host, settings: dict[str, Any]) -> None:
    """Each certificate belongs to its key and is valid for its host name"""
    for name in names(settings):
        place = f"/etc/chautari/tls/{name}"
        certificate = host.check_output(
            "openssl x509 -noout -pubkey -in %s", f"{place}/fullchain.pem"
        )
        key = host.check_output("openssl pkey -pubout -in %s", f"{place}/privkey.pem")
        assert certificate == key, f"the certificate of {name} belongs to another key"
        told = host.check_output(
            "openssl x509 -noout -checkhost %s -in %s", name, f"{place}/fullchain.pem"
        )
        assert "does match" in told, told


@pytest.mark.advice(
    "Create the DNS record that the last deploy reported, or fix the error that the certificate "
    "authority reported. Then deploy again.",
    units=["certbot"],
)
def test_certificates_come_from_the_authority(host: Host, settings: dict[str, Any]) -> None:
    """Each name has a certificate from the certificate authority, valid for more than a week"""
    for name in names(settings):
        path = f"/etc/chautari/tls/{name}/fullchain.pem"
        issuer = host.check_output("openssl x509 -noout -issuer -in %s", path)
        assert "Chautari placeholder" not in issuer, f"{name} still has its temporary certificate"
        lasting = host.run("openssl x509 -noout -checkend 604800 -in %s", path)
        assert lasting.rc == 0, f"the certificate of {name} expires within a week"


@pytest.mark.advice("Deploy again to write the settings for renewals.", units=["certbot"])
def test_renewal_knows_its_way(host: Host, settings: dict[str, Any]) -> None:
    """Renewals of certificates use the web server and the region's certificate authority"""
    for name in names(settings):
        path = f"/etc/letsencrypt/renewal/{name}.conf"
        lines = host.file(path).content_string.splitlines() if host.file(path).exists else []
        assert "authenticator = webroot" in lines, f"no renewal is configured for {name}"
        assert f"server = {settings['tls_acme_directory']}" in lines


@pytest.mark.advice("Deploy again to write the TLS settings.", units=[])
def test_tls_ports_keep_the_intermediate_profile(host: Host, settings: dict[str, Any]) -> None:
    """Open TLS ports refuse TLS options that Mozilla's intermediate profile excludes"""
    opened = {item["port"] for item in settings["firewall_ports"] if item["protocol"] == "tcp"}
    found, ports = [], set()
    for address in tls_profile.public_listeners(host.check_output("ss -Hltn")):
        # The firewall closes all other ports.
        if str(address[1]) not in opened:
            continue
        for name in tls_profile.names_served_over_tls(address, names(settings)):
            ports.add(address[1])
            wrong = tls_profile.accepted_offers_outside_profile(address, name)
            found += [f"port {address[1]} ({name}): {', '.join(wrong)}"] if wrong else []
    assert ports or not names(settings), "no port completed a TLS handshake"
    assert not found, "; ".join(found)
