"""A service named on a node no more is taken off it; its data stays until told otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.conftest import Outcome, Proof

# The region's other nodes keep what they have, and other tests may be at work on them.
NODES = ("--node", "cloud", "--node", "hall")
pytestmark = [pytest.mark.containers, pytest.mark.one_node]
BOTH, ONE = "services: [nextcloud, polls]}", "services: [polls]}"
# Without Nextcloud the meetings' rooms have to be elsewhere.
IN_NEXTCLOUD, ELSEWHERE = "guests: ask", "guests: ask, rooms: none"
SETTINGS = "  nextcloud: {host: cloud-files, quota: 2 GB, apps: [calendar]}\n"


@pytest.fixture(scope="module")
def standing(deployed: Proof) -> Iterator[Proof]:
    kept = deployed.file.read_text()
    assert deployed.deploy("region", "--no-checks", *NODES).code == 0
    yield deployed
    deployed.write(kept)


@pytest.fixture(scope="module")
def taken_off(standing: Proof) -> Outcome:
    standing.on("cloud", "sh", "-c", "echo kept > /var/lib/nextcloud/data/canary")
    standing.edit(BOTH, ONE)
    standing.edit(SETTINGS, "")
    standing.edit(IN_NEXTCLOUD, ELSEWHERE)
    plan = standing.deploy("plan", "--json", "--node", "cloud")
    why = {
        role["name"]: [why["text"] for why in role["why"]] for role in plan.node("cloud")["roles"]
    }
    assert why["nextcloud"] == why["redis"] == ["it is no longer assigned to this node"]
    return standing.deploy("region", "--json", *NODES)


def test_deploy_takes_it_off_and_says_where_its_data_is(taken_off: Outcome) -> None:
    assert taken_off.code == 0, taken_off.troubles
    notices = "\n".join(notice["text"] for notice in taken_off.node("cloud")["notices"])
    assert "Nextcloud was removed from this node. Its data was kept: /var/lib/nextcloud" in notices
    assert "--purge" in notices
    assert taken_off.report["checks"]["failed"] == 0


def test_nothing_of_it_runs_and_its_neighbour_stays(taken_off: Outcome, standing: Proof) -> None:
    units = "postgresql redis-server nextcloud-cron.timer"
    states = standing.on("cloud", "sh", "-c", f"systemctl is-active {units}", check=False).split()
    assert states == ["inactive"] * 3
    assert standing.on("cloud", "ls", "/etc/nginx/sites-enabled").split() == ["framadate.conf"]
    checked = {item["service"] for item in taken_off.report["checks"]["results"]}
    assert "framadate" in checked and "nextcloud" not in checked


def test_data_is_kept(taken_off: Outcome, standing: Proof) -> None:
    assert standing.on("cloud", "cat", "/var/lib/nextcloud/data/canary") == "kept\n"
    assert "installed" in standing.on("cloud", "cat", "/var/lib/nextcloud/config/config.php")


def test_it_is_taken_off_once(taken_off: Outcome, standing: Proof) -> None:
    again = standing.deploy("region", "--no-checks", "--json", *NODES)
    assert all(role["up_to_date"] for role in again.node("cloud")["roles"]), again.node("cloud")[
        "roles"
    ]


def test_it_comes_back_with_its_data(taken_off: Outcome, standing: Proof) -> None:
    standing.edit(ONE, BOTH)
    standing.edit("services:\n", f"services:\n{SETTINGS}")
    standing.edit(ELSEWHERE, IN_NEXTCLOUD)
    outcome = standing.deploy("region", "--json", *NODES)
    assert outcome.code == 0, outcome.troubles
    assert outcome.report["checks"]["failed"] == 0
    assert standing.on("cloud", "cat", "/var/lib/nextcloud/data/canary") == "kept\n"


def test_data_is_deleted_when_asked_for(taken_off: Outcome, standing: Proof) -> None:
    standing.edit(BOTH, ONE)
    standing.edit(SETTINGS, "")
    standing.edit(IN_NEXTCLOUD, ELSEWHERE)
    assert standing.deploy("region", "--no-checks", "--purge", *NODES).code == 0
    there = standing.on("cloud", "sh", "-c", "ls -d /var/lib/nextcloud /opt/nextcloud", check=False)
    assert there == ""
