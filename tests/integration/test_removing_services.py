"""A service that is no longer assigned to a node is removed; its data stays without --purge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.conftest import Outcome, Proof

# Other tests may use the other nodes of the region at the same time.
NODES = ("--node", "cloud")
pytestmark = pytest.mark.containers
BOTH, ONE = "services: [nextcloud, polls]}", "services: [polls]}"
# Without Nextcloud, BigBlueButton cannot have its rooms there.
IN_NEXTCLOUD, ELSEWHERE = "guests: ask", "guests: ask, rooms: none"
SETTINGS = "  nextcloud: {host: cloud-files, quota: 2 GB, apps: [calendar]}\n"


@pytest.fixture(scope="module")
def deployed_nodes(deployed: Proof) -> Iterator[Proof]:
    original = deployed.file.read_text()
    assert deployed.deploy("region", "--no-checks", *NODES).code == 0
    yield deployed
    deployed.write(original)


@pytest.fixture(scope="module")
def removal(deployed_nodes: Proof) -> Outcome:
    deployed_nodes.on("cloud", "sh", "-c", "echo kept > /var/lib/nextcloud/data/canary")
    deployed_nodes.edit(BOTH, ONE)
    deployed_nodes.edit(SETTINGS, "")
    deployed_nodes.edit(IN_NEXTCLOUD, ELSEWHERE)
    plan = deployed_nodes.deploy("plan", "--json", "--node", "cloud")
    why = {
        role["name"]: [why["text"] for why in role["why"]] for role in plan.node("cloud")["roles"]
    }
    assert why["nextcloud"] == why["redis"] == ["it is no longer assigned to this node"]
    return deployed_nodes.deploy("region", "--json", *NODES)


def test_deploy_removes_the_service_and_names_its_data(removal: Outcome) -> None:
    assert removal.code == 0, removal.problems
    notices = "\n".join(notice["text"] for notice in removal.node("cloud")["notices"])
    assert "Nextcloud was removed from this node. Its data was kept: /var/lib/nextcloud" in notices
    assert "--purge" in notices
    assert removal.report["checks"]["failed"] == 0


def test_removed_service_does_not_run_and_the_other_stays(
    removal: Outcome, deployed_nodes: Proof
) -> None:
    units = "postgresql redis-server nextcloud-cron.timer"
    states = deployed_nodes.on(
        "cloud", "sh", "-c", f"systemctl is-active {units}", check=False
    ).split()
    assert states == ["inactive"] * 3
    assert deployed_nodes.on("cloud", "ls", "/etc/nginx/sites-enabled").split() == [
        "framadate.conf"
    ]
    checked = {item["service"] for item in removal.report["checks"]["results"]}
    assert "framadate" in checked and "nextcloud" not in checked


def test_data_of_a_removed_service_stays(removal: Outcome, deployed_nodes: Proof) -> None:
    assert deployed_nodes.on("cloud", "cat", "/var/lib/nextcloud/data/canary") == "kept\n"
    assert "installed" in deployed_nodes.on("cloud", "cat", "/var/lib/nextcloud/config/config.php")


def test_service_is_removed_once(removal: Outcome, deployed_nodes: Proof) -> None:
    again = deployed_nodes.deploy("region", "--no-checks", "--json", *NODES)
    assert all(role["up_to_date"] for role in again.node("cloud")["roles"]), again.node("cloud")[
        "roles"
    ]


def test_service_returns_with_its_data(removal: Outcome, deployed_nodes: Proof) -> None:
    deployed_nodes.edit(ONE, BOTH)
    deployed_nodes.edit("services:\n", f"services:\n{SETTINGS}")
    deployed_nodes.edit(ELSEWHERE, IN_NEXTCLOUD)
    outcome = deployed_nodes.deploy("region", "--json", *NODES)
    assert outcome.code == 0, outcome.problems
    assert outcome.report["checks"]["failed"] == 0
    assert deployed_nodes.on("cloud", "cat", "/var/lib/nextcloud/data/canary") == "kept\n"


def test_purge_deletes_the_data(removal: Outcome, deployed_nodes: Proof) -> None:
    deployed_nodes.edit(BOTH, ONE)
    deployed_nodes.edit(SETTINGS, "")
    deployed_nodes.edit(IN_NEXTCLOUD, ELSEWHERE)
    assert deployed_nodes.deploy("region", "--no-checks", "--purge", *NODES).code == 0
    there = deployed_nodes.on(
        "cloud", "sh", "-c", "ls -d /var/lib/nextcloud /opt/nextcloud", check=False
    )
    assert there == ""
