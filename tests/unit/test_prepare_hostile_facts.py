"""Hostile facts of a machine: through the preflight and into every report, and harmless there."""

from __future__ import annotations

import io
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hostile_files import payloads
from hostile_nodes import facts
from pyinfra.api.host import Host
from rich.console import Console
from test_hostile_input import ALL, RAW
from test_prepare_worker import FACTS_SCRIPT, Link

from chautari.preflight.requirements import NodeRequirements
from chautari.prepare import child_process, worker
from chautari.report import terminal, writer
from chautari.report.model import NodeReport, RegionReport
from chautari.ssh.target import SSHTarget

CASES = 60 if ALL else 15
SECONDS = 5  # that one machine may keep the worker busy; it serves all nodes
MORE = [
    "listener=tcp *:80 users:((\"apache2\",pid=5,fd=3))", "listener=tcp [::]:443 nginx",
    "existing=mail /etc/postfix/main.cf", "existing=firewall nftables: inet coop",
    "access=ana groups ana", "access=ana allowusers root", "address6=20010db8" + "0" * 24,
    "deployed=base", "container=none", "cores=2", "free_kb:/var=90000000",
]  # fmt: skip


def hostile_lines(number: int, canary: Path) -> list[str]:
    """Return facts of a machine with a few lines spoilt, the same for a number each time."""
    choose = random.Random(number)
    values = [
        *payloads(canary), "1e18", "-1", "[]", "{}", "=", " ", "x" * 150_000, "*a" * 50_000,
        "\x1b]0;x\x07" * 9000, "a b c " * 20_000,
    ]  # fmt: skip
    found = [*facts(), *MORE]
    for _ in range(choose.randint(1, 12)):
        place, value = choose.randrange(len(found)), choose.choice(values)
        key, _, old = found[place].partition("=")
        first = old.partition(" ")[0]
        found[place] = choose.choice([
            f"{key}={value}", f"{key}={first} {value}", f"{value}={old}", f"{key}:{value}={old}",
            value, f"access=ana {choose.choice(['groups', 'allowgroups', 'denyusers'])} {value}",
        ])  # fmt: skip
    if number % 10 == 0:
        found *= 200
    if number % 5 == 1:
        found.append(f"access=ana allowgroups {'*' * 600}x")
    choose.shuffle(found)
    return found


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return orders for a hostile and a good machine, both behind connections that are not real."""

    def linked(host: Host, state: Any) -> None:
        host.state, host.connector, host.print_prefix_padding = state, Link(host), ""

    monkeypatch.setattr(Host, "init", linked)
    monkeypatch.setattr(worker, "set_tcp_options", lambda _: None)
    monkeypatch.setattr(worker.logging, "disable", lambda _: None)
    monkeypatch.setattr(Link, "cut", set())
    monkeypatch.setattr(Link, "ran", [])
    required = NodeRequirements("debian-12", ("nextcloud",), address="203.0.113.10")
    node = {
        "address": "203.0.113.10", "port": 22, "user": "root", "key": "", "key_password": "",
        "known_hosts": str(tmp_path / "known"), "resolver": "", "host_key": "",
        "required": required._asdict(), "adopt": [], "open_ports": [],
        "takes_over": {"mail": ["/etc/postfix/main.cf"], "nginx": ["listener:80/tcp nginx"]},
        "operators": ["ana"],
    }  # fmt: skip
    return {
        "nodes": [node | {"name": name} for name in ("bog1", "med1")], "marker": "m" * 64,
        "requirements": "pip==1\n", "operator": "ana", "parallel": 2, "preparation": "adopt",
    }  # fmt: skip


def run_worker(
    orders: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, NodeReport]:
    """Prepare both machines, and give the results to the process that reports them."""
    monkeypatch.setattr(worker.sys, "stdin", io.StringIO(json.dumps(orders)))
    worker.main()
    target = SSHTarget("x", "203.0.113.10", 22, "root", Path("known"))
    reports = {name: NodeReport(name, target.address, "failed") for name in ("bog1", "med1")}
    for result in map(json.loads, capsys.readouterr().out.splitlines()):
        child_process._apply_result(reports[result["node"]], result, target, "andes")
    return reports


@pytest.mark.parametrize("number", range(CASES))
def test_hostile_facts_harm_neither_reports_nor_other_nodes(
    number: int,
    orders: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    canary = tmp_path / "canary"
    spoilt = ["chautari-facts", *hostile_lines(number, canary)]
    trouble = {("bog1", FACTS_SCRIPT): spoilt, ("med1", FACTS_SCRIPT): ["chautari-facts", *facts()]}
    monkeypatch.setattr(Link, "trouble", trouble)
    began = time.process_time()
    reports = run_worker(orders, monkeypatch, capsys)
    assert time.process_time() - began < SECONDS
    assert reports["med1"].state == "converged"
    report = RegionReport("andes", "andes.example.org", "now", "deploy region",
                          nodes=list(reports.values()))  # fmt: skip
    written = writer.write_reports(report, tmp_path / "reports")
    shown = io.StringIO()
    terminal.print_report(report, Console(file=shown, width=80))
    texts = {name: path.read_text() for name, path in written.items()}
    texts["terminal"] = shown.getvalue()
    assert [name for name, text in texts.items() if RAW.search(text)] == []
    assert not canary.exists()


def test_good_facts_are_accepted(
    orders: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without this, a fault of the sample would hide behind the refusals of all cases."""
    good = {(name, FACTS_SCRIPT): ["chautari-facts", *facts()] for name in ("bog1", "med1")}
    monkeypatch.setattr(Link, "trouble", good)
    states = {report.state for report in run_worker(orders, monkeypatch, capsys).values()}
    assert states == {"converged"}
