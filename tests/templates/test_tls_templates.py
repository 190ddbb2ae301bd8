"""Each program that ends TLS has the same suites and groups: Mozilla's intermediate profile."""

import re
from pathlib import Path

import pytest
from templates import render, variables

from chautari.checks.tls_profile import PROFILE

GROUPS = {"12": "X25519:prime256v1:secp384r1", "13": "X25519MLKEM768:X25519:prime256v1:secp384r1"}


def settings(role: str, template: str, release: str, folder: Path) -> str:
    return render(role, template, variables(folder, role, release))


@pytest.mark.parametrize("release", ["12", "13"])
def test_suites_are_the_same_and_in_the_profile(release: str, tmp_path: Path) -> None:
    texts = {
        "nginx": settings("nginx", "chautari-tls.conf.j2", release, tmp_path),
        "turn": settings("turn", "turnserver.conf.j2", release, tmp_path),
        "haproxy": settings("bigbluebutton", "haproxy.cfg.j2", "12", tmp_path),
    }
    suites = {
        program: re.findall(r"^ *(?:ssl_ciphers |cipher-list=|ssl-default-bind-ciphers )(.*?);?$",
                            text, re.M)
        for program, text in texts.items()
    }  # fmt: skip
    assert suites["nginx"] == suites["turn"] == suites["haproxy"] != []
    assert set(suites["turn"][0].split(":")) <= set(PROFILE)


@pytest.mark.parametrize("release", ["12", "13"])
def test_turn_server_has_the_groups_of_the_web_server(release: str, tmp_path: Path) -> None:
    nginx = settings("nginx", "chautari-tls.conf.j2", release, tmp_path)
    openssl = settings("turn", "openssl.cnf.j2", release, tmp_path)
    assert f"ssl_ecdh_curve {GROUPS[release]};" in nginx
    assert f"\nGroups = {GROUPS[release]}\n" in openssl
    unit = settings("turn", "unit.conf.j2", release, tmp_path)
    assert "\nEnvironment=OPENSSL_CONF=/etc/coturn/openssl.cnf\n" in unit
