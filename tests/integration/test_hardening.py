"""Audits of nodes with the programs of other projects: Lynis, and testssl.sh on each TLS port."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.integration import auditors
from tests.integration.conftest import ProgressReporter, Proof

from chautari.toolkit_yaml import read_toolkit_yaml
from chautari_sandbox import api

pytestmark = pytest.mark.containers
FIXTURES = Path(__file__).parents[1] / "fixtures"
LYNIS = read_toolkit_yaml(FIXTURES / "lynis/losses.yml")
WAIVERS = read_toolkit_yaml(FIXTURES / "tls/waivers.yml")
NAMES = {"meet": "talk", "cloud": "cloud-files", "hall": "halls"}
PORTS = {"meet": {443, 5349}, "cloud": {443}, "hall": {443}}
# Certificates of the sandbox's authority are valid for five years, and cannot be revoked.
OF_THE_SANDBOX = {"cert_extlifeSpan", "cert_revocation", "cert_validityPeriod"}
EXPLAINED = {test for loss in LYNIS["losses"] for test in loss["tests"]}


@pytest.fixture
def with_lynis(deployed: Proof, node: str) -> Iterator[Proof]:
    with auditors.installed(deployed, node, "lynis"):
        yield deployed


@pytest.mark.parametrize("node", sorted(LYNIS["index"]))
def test_lynis_finds_nothing_that_the_page_does_not_explain(
    with_lynis: Proof, node: str, progress: ProgressReporter
) -> None:
    result = auditors.run_lynis(with_lynis, node)
    progress.report(f"Lynis, {node}: {result.index}; lost {result.lost} of {result.total}")
    assert not result.warnings
    assert result.lost.keys() <= EXPLAINED
    assert result.index >= LYNIS["index"][node]


def waived(port: int) -> set[str]:
    """Return the findings that the page explains for a port."""
    fitting = [waiver for waiver in WAIVERS if port in waiver.get("ports", [port])]
    return OF_THE_SANDBOX.union(*(waiver["findings"] for waiver in fitting))


@pytest.fixture
def with_testssl(deployed: Proof, node: str) -> Iterator[Proof]:
    with auditors.installed(deployed, node, "testssl.sh"):
        yield deployed


# Half a minute a port: the long campaign has the nodes whose web servers have the same settings.
@pytest.mark.parametrize(
    "node",
    ["meet", *(pytest.param(name, marks=pytest.mark.soak) for name in ("cloud", "hall"))],
)
def test_testssl_finds_nothing_serious_beyond_the_waivers(
    with_testssl: Proof, node: str, progress: ProgressReporter
) -> None:
    state = api.load_last_saved_state("proof")
    assert state is not None
    authority, name = state.ca_file.read_text(), f"{NAMES[node]}.proof.example.org"
    ports = auditors.tls_ports(with_testssl, node, name)
    assert PORTS[node] <= set(ports), ports
    with ThreadPoolExecutor() as pool:
        found = pool.map(
            lambda port: auditors.run_testssl(with_testssl, node, name, port, authority), ports
        )
        findings = dict(zip(ports, found, strict=True))
    progress.report(f"testssl.sh, {node}: {findings}")
    assert {port: items.keys() - waived(port) for port, items in findings.items()} == {
        port: set() for port in ports
    }
