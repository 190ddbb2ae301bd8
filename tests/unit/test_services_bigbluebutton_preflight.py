"""What BigBlueButton requires of a machine and of its DNS records."""

from dataclasses import replace
from typing import Any

import pytest

from chautari.preflight.dns_records import Records, refusals_for_records
from chautari.preflight.facts import Facts, parse_facts
from chautari.preflight.requirements import NodeRequirements
from chautari.preflight.rules import below_recommendation_notices, preflight_refusals

NAME = "rooms.andes.example.org"
GOOD = Facts(
    os="ubuntu-22.04", machine="x86_64", uid=0, init="systemd", memory_kb=16_200_000, cores=8,
    free={"/": 50_000_000, "/var": 50_000_000}, addresses6=("2001:db8::12",),
)  # fmt: skip
WANTED = NodeRequirements(
    "ubuntu-22.04", ("bigbluebutton",), names=(NAME,), address="203.0.113.12",
    address6="2001:db8::12",
)  # fmt: skip
RIGHT: Records = {("A", NAME): ("203.0.113.12",), ("AAAA", NAME): ("2001:db8::12",)}


def test_good_machine_is_accepted_without_a_notice() -> None:
    assert preflight_refusals(GOOD, WANTED) == []
    assert below_recommendation_notices(GOOD, WANTED) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"memory_kb": 3_500_000}, "The node has 3417 MB of memory; BigBlueButton needs at least"),
        ({"cores": 2}, "The node has 2 processor cores; BigBlueButton needs at least 4"),
        ({"machine": "aarch64"},
         "The processor type is aarch64, but BigBlueButton is only available for amd64"),
        ({"container": "lxc"}, "The machine is a container (lxc)"),
        ({"free": {"/": 9_000_000}},
         "The disk has 8789 MB free; BigBlueButton needs 12000 MB for packages"),
        ({"addresses6": ()},
         "address6 in region.yml is 2001:db8::12, but the machine has no public IPv6"),
        ({"os": "ubuntu-24.04"}, "The node runs ubuntu-24.04, not ubuntu-22.04"),
        ({"os": "debian-12"}, "The node runs debian-12, not ubuntu-22.04"),
    ],
)  # fmt: skip
def test_unsuitable_machine_is_refused_with_the_reason(change: dict[str, Any], what: str) -> None:
    [refusal] = preflight_refusals(replace(GOOD, **change), WANTED)
    assert refusal.reason.startswith(what)
    assert refusal.fix


@pytest.mark.parametrize(
    "change", [{"memory_kb": 3_500_000}, {"cores": 2}, {"container": "podman"}, {"addresses6": ()}]
)
def test_preflight_applies_only_to_nodes_of_the_service(change: dict[str, Any]) -> None:
    requirements = WANTED._replace(services=("jitsi",))
    assert preflight_refusals(replace(GOOD, **change), requirements) == []


def test_os_substitute_has_its_own_minimum() -> None:
    small = replace(GOOD, os="debian-12", cores=2, memory_kb=1_000_000, container="podman")
    requirements = WANTED._replace(os="debian-12", container=True, memory_mb=900, cores=1)
    assert preflight_refusals(small, requirements) == []
    [refusal] = preflight_refusals(small, requirements._replace(memory_mb=64_000))
    assert "64000 MB" in refusal.reason


def test_small_machine_gets_a_notice_about_its_capacity() -> None:
    [notice] = below_recommendation_notices(replace(GOOD, cores=4, memory_kb=8_000_000), WANTED)
    assert notice.text.startswith(
        "The node has 7812 MB of memory and 4 cores. This is enough for small meetings."
    )


def test_right_records_are_accepted() -> None:
    assert refusals_for_records(RIGHT, WANTED) == []


@pytest.mark.parametrize(
    ("answer", "what", "fix"),
    [
        ({("A", NAME): ("203.0.113.99",)}, f"The A record for {NAME} points to 203.0.113.99",
         f"{NAME} A 203.0.113.12"),
        ({("A", NAME): ()}, f"The A record for {NAME} does not exist", f"{NAME} A 203.0.113.12"),
        ({("A", NAME): ("203.0.113.12", "203.0.113.99")}, "points to 203.0.113.12, 203.0.113.99",
         f"{NAME} A 203.0.113.12"),
        ({("AAAA", NAME): ("2001:db8::99",)}, "points to 2001:db8::99", "AAAA 2001:db8::12"),
    ],
)  # fmt: skip
def test_wrong_record_is_refused_with_the_one_to_create(
    answer: dict[Any, Any], what: str, fix: str
) -> None:
    [refusal] = refusals_for_records(dict(RIGHT) | answer, WANTED)
    assert what in refusal.reason
    assert fix in refusal.fix


def test_stray_record_of_another_family_is_refused() -> None:
    [refusal] = refusals_for_records(RIGHT, WANTED._replace(address6=""))
    assert f"delete the AAAA record for {NAME} " in refusal.fix


def test_silent_name_server_refuses_nothing() -> None:
    assert refusals_for_records({("A", NAME): None, ("AAAA", NAME): None}, WANTED) == []


def test_facts_have_cores_container_and_ipv6() -> None:
    lines = ["cores=8", "container=lxc", "address6=20010db8000000000000000000000012", "address6=x"]
    found = parse_facts(lines, 0.0, 0.0)
    assert (found.cores, found.container, found.addresses6) == (8, "lxc", ("2001:db8::12",))
    assert parse_facts(["container=none"], 0.0, 0.0).container == ""
