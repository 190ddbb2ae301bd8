"""How much a region has room for: figures, their sources and what is not known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from cli_samples import inventories
from pool_samples import POOL
from region_samples import REGION, load_sample_region

from chautari.capacity import machine_sizes
from chautari.capacity.machine_sizes import parse_assumed_size, size_from_facts
from chautari.capacity.region_capacity import ServiceCapacity, capacity_of_region, total_of_kind
from chautari.cli import main
from chautari.preflight.facts import Facts
from chautari.region.model import Region
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.services.capacity_figures import CapacityLimit, Kind, MachineSize, scale_figure
from chautari.services.nextcloud.capacity import quota_gb
from chautari.services.registry import SERVICES
from chautari.ssh.machine_facts import MachineAnswer
from chautari.ssh.target import SSHTarget

__all__ = ["inventories"]
BIG = MachineSize(8, 16.0, 500.0, 250.0)


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return load_sample_region(tmp_path, REGION).region


def firsts(found: tuple[ServiceCapacity, ...]) -> set[tuple[str, str, str, int | None]]:
    return {
        (item.node, limit.kind, limit.resource, limit.number)
        for item in found
        for limit in item.first_limits()
    }


def test_disk_limits_accounts_where_quotas_are_large(region: Region) -> None:
    found = capacity_of_region(region, {"med1": MachineSize(2, 16.0, 100.0)})
    assert firsts(found) == {
        ("med1", "accounts", "disk", 20), ("med1", "storage_gb", "disk", 100),
    }  # fmt: skip


def test_memory_limits_accounts_of_a_small_machine(region: Region) -> None:
    found = capacity_of_region(region, {"med1": MachineSize(4, 4.0, 1000.0)})
    assert ("med1", "accounts", "memory", 39) in firsts(found)
    [memory] = [x for x in found[0].limits if x.resource == "memory"]
    assert memory.is_estimate and "docs.nextcloud.com" in memory.source


def test_unknown_machine_has_unknown_numbers(region: Region) -> None:
    found = capacity_of_region(region, {})
    assert {number for *_, number in firsts(found)} == {None}
    assert total_of_kind(found, "accounts") is None
    assert found[0].unknown_resources() == ["cores", "memory", "disk"]


def test_people_of_all_servers_add_up_and_one_meeting_fits_on_one(tmp_path: Path) -> None:
    region = load_sample_region(tmp_path, POOL).region
    found = capacity_of_region(region, {"cal1": BIG, "cal2": BIG._replace(cores=4)})
    assert total_of_kind(found, "people") == 300
    assert total_of_kind(found, "people_in_one_meeting") == 200
    assert {item.node for item in found if not item.limits} == {"bog1"}


def test_slow_connection_limits_meetings_first(tmp_path: Path) -> None:
    text = REGION.replace("services: [nextcloud]", "services: [nextcloud, jitsi]").replace(
        "services:\n", "services:\n  jitsi: {{members: [ana]}}\n", 1
    )
    region = load_sample_region(tmp_path, text).region
    found = capacity_of_region(region, {"med1": BIG._replace(mbit=20)})
    assert ("med1", "people", "network", 33) in firsts(found)
    normal = load_sample_region(tmp_path, text.replace("bandwidth: low\n", "")).region
    found = capacity_of_region(normal, {"med1": BIG._replace(mbit=20)})
    assert ("med1", "people", "network", 10) in firsts(found)
    found = capacity_of_region(normal, {"med1": BIG._replace(mbit=1000)})
    assert ("med1", "people", "software", 80) in firsts(found)


@pytest.mark.parametrize("name", SERVICES)
def test_every_figure_has_a_source(name: str, region: Region) -> None:
    service = SERVICES[name]
    if service.capacity is None:
        return
    for size in (MachineSize(), BIG, MachineSize(1, 0.5, 0.0, 1.0)):
        for limit in service.capacity(region, "med1", size):
            assert limit.source and limit.kind in get_args(Kind)
            assert limit.number is None or limit.number >= 0


def test_larger_machines_are_not_credited_beyond_the_figure() -> None:
    assert (scale_figure(200, 64, 8), scale_figure(200, 2, 8), scale_figure(200, None, 8)) == (
        200,
        50,
        None,
    )
    assert (quota_gb("5 GB"), quota_gb("500 MB"), quota_gb("1 TB")) == (5, 0.5, 1000)


@pytest.mark.parametrize(
    "text",
    ["bog1", ":cores=1", "bog1:", "bog1:cores", "bog1:cores=0", "bog1:cores=-1", "bog1:ram=1",
     "bog1:cores=1e9", "bog1:cores=" + "9" * 5000, "bog1:cores=²"],
)  # fmt: skip
def test_assumed_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write, for example"):
        parse_assumed_size(text)


def test_size_is_read_from_facts() -> None:
    found = Facts(cores=4, memory_kb=8_000_000, free={"/": 1, "/var": 100_000_000})
    assert size_from_facts(found) == MachineSize(4, 8.192, 102.4)
    assert size_from_facts(Facts()) == MachineSize()


def answers_from_machines(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, MachineAnswer]
) -> None:
    monkeypatch.setattr(
        machine_sizes, "read_machine_facts", lambda target, **_: answers[target.name]
    )


def test_command_asks_only_machines_whose_size_is_not_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bog1 = MachineAnswer(None, "ssh: connect to host 203.0.113.10: timed out\x1b[31m")
    answers_from_machines(monkeypatch, {"bog1": bog1})
    assume = ["--assume", "med1:cores=2,memory=16", "--assume", "med1:disk=100"]
    assert main.run(["capacity", "andes", *assume]) == 0
    captured = capsys.readouterr()
    assert "       20  accounts\n" in captured.out
    assert "not known  people in meetings at the same time\n" in captured.out
    assert "bog1 could not be measured: ssh: connect to host" in captured.err
    assert "\x1b" not in captured.err


def test_json_has_totals_machines_and_sources(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = Facts(cores=2, memory_kb=4_000_000, free={"/": 20_000_000})
    answer = MachineAnswer(facts)
    answers_from_machines(monkeypatch, {"bog1": answer, "med1": answer})
    assert main.run(["capacity", "andes", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["totals"] == {
        "people": None, "people_in_one_meeting": None, "accounts": 4, "storage_gb": 20,
    }  # fmt: skip
    assert found["machines"]["med1"]["cores"] == 2
    assert CapacityLimit(**found["services"][0]["limits"][0]).source


def test_unknown_node_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["capacity", "andes", "--assume", "bog9:cores=1", "--json"]) == 2
    assert "has no node 'bog9'" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_host_key_of_first_contact_is_compared_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
    expected = "SHA256:" + "A" * 43
    text = REGION.replace("port: 2222}}", f"port: 2222, host_key: '{expected}'}}}}")
    loaded = load_sample_region(tmp_path, text)

    def answer(target: SSHTarget, *, first_contact: bool) -> MachineAnswer:
        assert first_contact and target.known_hosts.parent != loaded.folder
        with target.known_hosts.open("a") as stream:
            stream.write(f"[203.0.113.10]:2222 ssh-ed25519 {key}\n")
        return MachineAnswer(Facts(cores=2))

    monkeypatch.setattr(machine_sizes, "read_machine_facts", answer)
    found = machine_sizes.sizes_of_machines(loaded, PUBLIC_INTERNET)
    assert found["bog1"].problem == f"its host key is not {expected}"
    assert (found["med1"].size.cores, found["med1"].problem) == (2, "")
    assert not loaded.known_hosts_file.exists()
