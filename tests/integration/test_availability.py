"""What people get from Nextcloud while a deploy changes something beneath it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.integration.conftest import Proof

from chautari.region.load import load_region
from chautari.secrets import store
from chautari_sandbox import api

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("deployed")]
NODE = "cloud"
ACCOUNT = "chautari-check"
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
# A file of unknown length, written until the standard input ends: how the write and the read of
# the same length ended. The first line of the standard input is the password.
UPLOAD = """
import base64, http.client, select, ssl, sys, time
host, account = sys.argv[1:3]
login = f"{account}:{sys.stdin.readline().strip()}"
headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
path, size = f"/remote.php/dav/files/{account}/slow.bin", 0
def ask(method, body=None):
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(host, timeout=60, context=context)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()
def parts():
    global size
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        size += 50_000
        yield b"x" * 50_000
written, _ = ask("PUT", parts())
read, content = ask("GET")
ask("DELETE")
print(written, read, len(content) == size > 0)
"""


def test_requests_are_answered_while_php_loads_new_settings(proof: Proof) -> None:
    proof.on(NODE, "sh", "-c", "echo '; by hand' >> /etc/php/8.4/fpm/conf.d/90-chautari.ini")
    asking, uploading = (
        subprocess.Popen(
            ["podman", "exec", "-i", f"{proof.container_prefix}{NODE}", "python3", "-c", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
        )
        for command in ((ASK, HOST, "GET"), (UPLOAD, HOST, ACCOUNT))
    )
    assert uploading.stdin and uploading.stdout
    print(password_of(proof), file=uploading.stdin, flush=True)
    assert uploading.stdout.readline() == "begun\n"
    try:
        outcome = proof.deploy("region", "--no-checks", "--json", "--node", NODE)
    finally:
        codes = asking.communicate(timeout=90)[0].split()
        upload = uploading.communicate(timeout=90)[0].split()
    assert outcome.code == 0, outcome.problems
    php = next(role for role in outcome.node(NODE)["roles"] if role["name"] == "php")
    assert php["changed"] > 0
    assert len(codes) > 20
    assert set(codes) == {"200"}
    assert upload == ["201", "200", "True"]


def password_of(proof: Proof) -> str:
    """Return the password of the account that the checks use."""
    state = api.load_last_saved_state("proof")
    assert state is not None
    secrets = store.open_secrets_file(load_region(proof.file).secrets_file, [state.ssh_key])
    return str(secrets["nextcloud_check_password"])


def test_people_read_a_page_in_their_language_during_an_upgrade(proof: Proof) -> None:
    proof.on(NODE, "touch", SWITCHING)
    try:
        status, retry, page = proof.on(NODE, "python3", "-c", ASK, HOST, "PUT").split(" ", 2)
    finally:
        proof.on(NODE, "rm", SWITCHING)
    assert (status, retry) == ("503", "60")
    assert "Volvemos en unos minutos" in page
    assert proof.on(NODE, "python3", "-c", ASK, HOST, "PUT").split()[0] == "200"
