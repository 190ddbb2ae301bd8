"""What people get from Nextcloud while a deploy changes something beneath it."""

from __future__ import annotations

import subprocess

import pytest
from tests.integration.conftest import Proof

pytestmark = [pytest.mark.containers, pytest.mark.one_node, pytest.mark.usefixtures("deployed")]
NODE = "cloud"
URL = "https://cloud-files.proof.example.org/status.php"
CURL = (
    "curl --silent --insecure --max-time 60 --resolve cloud-files.proof.example.org:443:127.0.0.1"
)
SWITCHING = "/var/lib/nextcloud/.switching"


def test_requests_are_answered_while_php_loads_new_settings(proof: Proof) -> None:
    proof.on(NODE, "sh", "-c", "echo '; by hand' >> /etc/php/8.4/fpm/conf.d/90-chautari.ini")
    loop = (
        f"while sleep 0.1; do {CURL} --output /dev/null --write-out '%{{http_code}}\\n' {URL}; done"
    )
    argv = ["podman", "exec", f"{proof.container_prefix}{NODE}", "timeout", "300", "sh", "-c", loop]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as asking:
        try:
            outcome = proof.deploy("region", "--no-checks", "--json", "--node", NODE)
        finally:
            proof.on(NODE, "pkill", "--full", "--exact", f"sh -c {loop}", check=False)
            codes = asking.communicate(timeout=90)[0].split()
    assert outcome.code == 0, outcome.problems
    php = next(role for role in outcome.node(NODE)["roles"] if role["name"] == "php")
    assert php["changed"] > 0
    assert len(codes) > 20
    assert set(codes) == {"200"}


def test_people_read_a_page_in_their_language_during_an_upgrade(proof: Proof) -> None:
    proof.on(NODE, "touch", SWITCHING)
    try:
        answer = proof.on(NODE, "sh", "-c", f"{CURL} --include --request PUT {URL}")
    finally:
        proof.on(NODE, "rm", SWITCHING)
    head, _, page = answer.replace("\r", "").partition("\n\n")
    assert head.splitlines()[0].split()[1] == "503"
    assert "retry-after: 60" in head.lower()
    assert "Volvemos en unos minutos" in page
    after = proof.on(NODE, "sh", "-c", f"{CURL} {URL}")
    assert '"installed":true' in after
