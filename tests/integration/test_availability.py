"""What people get from Nextcloud while a deploy changes something beneath it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.integration.conftest import Proof

pytestmark = [pytest.mark.containers, pytest.mark.one_node, pytest.mark.usefixtures("deployed")]
NODE = "cloud"
HOST = "cloud-files.proof.example.org"
SWITCHING = "/var/lib/nextcloud/.switching"
# Requests with METHOD, one after the other: until the standard input ends, or a single one with
# its headers and its page.
ASK = """
import http.client, select, ssl, sys, time
host, method = sys.argv[1:3]
def ask():
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(host, timeout=60, context=context)
    connection.request(method, "/status.php")
    return connection.getresponse()
if method == "PUT":
    answer = ask()
    print(answer.status, answer.getheader("Retry-After"), answer.read().decode())
    sys.exit()
while not select.select([sys.stdin], [], [], 0.1)[0]:
    print(ask().status, flush=True)
"""


def test_requests_are_answered_while_php_loads_new_settings(proof: Proof) -> None:
    proof.on(NODE, "sh", "-c", "echo '; by hand' >> /etc/php/8.4/fpm/conf.d/90-chautari.ini")
    container = f"{proof.container_prefix}{NODE}"
    asking = subprocess.Popen(
        ["podman", "exec", "-i", container, "python3", "-c", ASK, HOST, "GET"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
    )
    try:
        outcome = proof.deploy("region", "--no-checks", "--json", "--node", NODE)
    finally:
        codes = asking.communicate(timeout=90)[0].split()
    assert outcome.code == 0, outcome.problems
    php = next(role for role in outcome.node(NODE)["roles"] if role["name"] == "php")
    assert php["changed"] > 0
    assert len(codes) > 20
    assert set(codes) == {"200"}


def test_people_read_a_page_in_their_language_during_an_upgrade(proof: Proof) -> None:
    proof.on(NODE, "touch", SWITCHING)
    try:
        status, retry, page = proof.on(NODE, "python3", "-c", ASK, HOST, "PUT").split(" ", 2)
    finally:
        proof.on(NODE, "rm", SWITCHING)
    assert (status, retry) == ("503", "60")
    assert "Volvemos en unos minutos" in page
    assert proof.on(NODE, "python3", "-c", ASK, HOST, "PUT").split()[0] == "200"
