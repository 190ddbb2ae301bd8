"""Addresses and cores of the machine, and the roles that run when they change."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import inputs, reason_text, record, write_receipt

from chautari.node import optional_facts, reason_texts, receipt_writer, receipts

FIB = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 10.0.0.0
        /24 link UNICAST
     |-- 10.0.0.5
        /32 host LOCAL
     |-- 10.0.0.255
        /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 10.0.0.4
        /32 host LOCAL
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.0.0.5
        /32 host LOCAL
"""
IF_INET6 = """\
20010db8000000000000000000000011 04 40 00 80     eth0
20010db8000000000000000000000099 04 40 00 01     eth0
fe8000000000000060fa59fffe3d4e88 04 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""
INNER = ("default_ipv4", "all_ipv4_addresses", "processor_vcpus")


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return fake tables of the kernel, which a test may change."""
    monkeypatch.setattr(optional_facts, "FIB", tmp_path / "fib")
    monkeypatch.setattr(optional_facts, "IF_INET6", tmp_path / "inet6")
    (tmp_path / "fib").write_text(FIB)
    (tmp_path / "inet6").write_text(IF_INET6)
    return tmp_path


def test_addresses_come_from_kernel_tables(tables: Path) -> None:
    assert optional_facts.read_requested_facts(["all_ipv4_addresses", "all_ipv6_addresses"]) == {
        "all_ipv4_addresses": ["10.0.0.4", "10.0.0.5"],
        "all_ipv6_addresses": ["2001:db8::11"],
    }


def test_addresses_are_empty_without_kernel_tables(tables: Path) -> None:
    (tables / "fib").unlink()
    (tables / "inet6").unlink()
    found = optional_facts.read_requested_facts(["all_ipv4_addresses", "all_ipv6_addresses"])
    assert list(found.values()) == [[], []]


def test_default_address_is_that_of_the_default_route(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optional_facts, "FAR4", "127.0.0.1")
    assert optional_facts.read_requested_facts(["default_ipv4"]) == {"default_ipv4": "127.0.0.1"}
    monkeypatch.setattr(optional_facts, "FAR4", "no address")
    assert optional_facts.read_requested_facts(["default_ipv4"]) == {"default_ipv4": ""}


def test_default_address_is_empty_without_a_default_route(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> socket.socket:
        raise OSError(97, "no such family")

    monkeypatch.setattr(socket, "socket", none)
    assert optional_facts.read_requested_facts(["default_ipv6"]) == {"default_ipv6": ""}


def test_cores_are_counted() -> None:
    assert optional_facts.read_requested_facts(["processor_vcpus"]) == {
        "processor_vcpus": os.cpu_count()
    }


def test_every_fact_has_a_label() -> None:
    assert set(optional_facts.FACTS) <= set(reason_texts.FACT_NAMES)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The facts of the machine, which a test may change."""
    found: dict[str, Any] = {
        "default_ipv4": "10.0.0.5", "all_ipv4_addresses": ["10.0.0.5"], "processor_vcpus": 4,
        "default_ipv6": "", "all_ipv6_addresses": [],
    }  # fmt: skip
    monkeypatch.setattr(
        optional_facts, "FACTS", {name: lambda name=name: found[name] for name in found}
    )
    return found


def test_changed_fact_runs_only_roles_that_declare_it(tmp_path: Path, now: dict[str, Any]) -> None:
    roles = [inputs("turn", facts=list(INNER)), inputs("nginx", facts=[]), inputs("old")]
    for given in roles:
        assert write_receipt(tmp_path, given, record()) == ""
    assert receipts.roles_to_run(tmp_path, roles) == {}
    now |= {"default_ipv4": "10.0.0.9", "all_ipv4_addresses": ["10.0.0.9", "10.0.0.10"]}
    found = receipts.roles_to_run(tmp_path, roles)
    assert {role: [reason_text(why) for why in reasons] for role, reasons in found.items()} == {
        "turn": [
            "the node's list of addresses changed from 10.0.0.5 to 10.0.0.9, 10.0.0.10",
            "the node's address changed from 10.0.0.5 to 10.0.0.9",
        ]
    }
    [drifted] = receipts.drift_reasons(
        [receipt] if (receipt := receipts.load_receipt(tmp_path, "turn")) else []
    )
    assert [why["code"] for why in drifted] == ["machine_changed", "machine_changed"]


@pytest.mark.parametrize(
    ("fact", "value"), [("default_ipv4", ""), ("processor_vcpus", 8), ("all_ipv4_addresses", [])]
)
def test_every_declared_fact_is_compared(
    fact: str, value: Any, tmp_path: Path, now: dict[str, Any]
) -> None:
    given = inputs("turn", facts=list(INNER))
    write_receipt(tmp_path, given, record())
    now["all_ipv6_addresses"] = ["2001:db8::1"]
    assert receipts.roles_to_run(tmp_path, [given]) == {}
    now[fact] = value
    [found] = receipts.roles_to_run(tmp_path, [given])["turn"]
    assert (found["code"], found["data"]["fact"]) == ("machine_changed", fact)


def test_receipt_without_a_declared_fact_is_outdated(tmp_path: Path, now: dict[str, Any]) -> None:
    """A receipt of an earlier version holds no addresses."""
    write_receipt(tmp_path, inputs("turn"), record())
    [found] = receipts.roles_to_run(tmp_path, [inputs("turn", facts=["default_ipv4"])])["turn"]
    assert reason_text(found) == (
        "it uses facts about the machine that the record (receipt) of its last deploy does not "
        "contain"
    )


def test_receipt_holds_the_address_from_before_the_run(tmp_path: Path, now: dict[str, Any]) -> None:
    given = inputs("turn", facts=list(INNER))
    before = receipts.gather_machine_facts([given])
    now["default_ipv4"] = "10.0.0.9"
    receipt_writer.write_receipts(tmp_path, "run", [given], {"turn": record()}, before)
    assert list(receipts.roles_to_run(tmp_path, [given])) == ["turn"]
