"""Reads what Lynis and testssl.sh, the programs of other projects, find on a node."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.integration.conftest import Proof

from chautari.checks import tls_profile

LYNIS_LOG, LYNIS_REPORT = "/var/log/lynis.log", "/var/log/lynis-report.dat"
# testssl.sh calls everything below these a minor point or a piece of information.
SERIOUS = ("MEDIUM", "HIGH", "CRITICAL", "FATAL")
# Protocols, suites, forward secrecy, preferences, certificates, headers and vulnerabilities.
TESTSSL = (
    "--quiet", "--color", "0", "--warnings", "off", "-p", "-s", "-f", "-P", "-S", "-h", "-U",
)  # fmt: skip
INSTALL = (
    "apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends {0}"
    " >/tmp/{0}.log 2>&1 || { cat /tmp/{0}.log >&2; exit 1; }"
)


@dataclass(frozen=True)
class LynisResult:
    """The index of a node, its warnings, and the points that it lost in each test."""

    index: int
    warnings: tuple[str, ...]
    lost: dict[str, int]
    total: int


@contextmanager
def installed(proof: Proof, node: str, package: str) -> Iterator[None]:
    """Install a Debian package on a node, and remove it afterwards with what it brought along."""
    before = installed_packages(proof, node)
    proof.on(node, "sh", "-c", INSTALL.replace("{0}", package))
    try:
        yield
    finally:
        added = sorted(installed_packages(proof, node) - before)
        command = "apt-get -q -y -o DPkg::Lock::Timeout=600 purge"
        proof.on(node, *command.split(), *added)


def installed_packages(proof: Proof, node: str) -> set[str]:
    return set(proof.on(node, "dpkg-query", "-W", "-f", "${Package}\n").split())


def run_lynis(proof: Proof, node: str) -> LynisResult:
    """Audit a node with Lynis, whose package is installed there."""
    proof.on(node, "lynis", "audit", "system", "--quick", "--quiet", "--no-colors", check=False)
    log, report = (proof.on(node, "cat", path) for path in (LYNIS_LOG, LYNIS_REPORT))
    proof.on(node, "rm", "-f", LYNIS_LOG, LYNIS_REPORT)
    return parse_lynis(log, report)


def parse_lynis(log: str, report: str) -> LynisResult:
    """Return the result of Lynis from its log and its report.

    The points are only in the log: a line for each test, then lines for each point of this test.
    """
    lost: dict[str, int] = {}
    test, total = "", 0
    for line in log.splitlines():
        if found := re.search(r"Performing test ID (\S+) ", line):
            test = found[1]
        elif found := re.search(
            r"assigned partial number of hardening points \((\d+) of (\d+)\)", line
        ):
            lost[test] = lost.get(test, 0) + int(found[2]) - int(found[1])
        if found := re.search(r"points \(out of (\d+)\)", line):
            total = int(found[1])
    index = re.search(r"^hardening_index=(\d+)$", report, re.M)
    assert index and total, "Lynis did not finish"
    warnings = tuple(re.findall(r"^warning\[\]=([^|]+\|[^|]+)", report, re.M))
    return LynisResult(int(index[1]), warnings, lost, total)


def tls_ports(proof: Proof, node: str, name: str) -> list[int]:
    """Return the ports of a node that are open to this machine and speak TLS for a name."""
    address = address_of(proof, node)
    listeners = tls_profile.public_listeners(proof.on(node, "ss", "-Hltn"))
    ports = sorted({port for _, port in listeners})
    return [
        port
        for port in ports
        if is_open(address, port) and tls_profile.names_served_over_tls((address, port), [name])
    ]


def address_of(proof: Proof, node: str) -> str:
    return proof.on(node, "hostname", "-I").split()[0]


def is_open(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def run_testssl(proof: Proof, node: str, name: str, port: int, authority: str) -> dict[str, str]:
    """Return the serious findings of testssl.sh on a port of the node on which it is installed.

    `authority` is the certificate authority of the sandbox, as PEM.
    """
    ca_file, result = f"/root/authority-{port}.pem", f"/root/testssl-{port}.json"
    proof.run_with_input(node, authority, "tee", ca_file)
    try:
        proof.on(
            node, "testssl", *TESTSSL, "--jsonfile", result, "--add-ca", ca_file,
            "--ip", address_of(proof, node), f"{name}:{port}", check=False,
        )  # fmt: skip
        return parse_testssl(proof.on(node, "cat", result))
    finally:
        proof.on(node, "rm", "-f", ca_file, result)


def parse_testssl(text: str) -> dict[str, str]:
    """Return the serious findings of testssl.sh by their name, each with its text.

    Raises:
        ValueError: testssl.sh did not finish.
    """
    found = json.loads(text)
    if not any(item["id"] == "scanTime" for item in found):
        raise ValueError("testssl.sh did not finish")
    return {
        item["id"]: f"{item['severity']}: {item['finding']}"
        for item in found
        if item["severity"] in SERIOUS
    }
