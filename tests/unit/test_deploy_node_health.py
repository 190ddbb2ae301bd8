"""A node's measurement is hostile input; the dashboard shows it on one screen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from health_samples import DAY, NOW, certificate, content, disk, measured, updates
from region_samples import load_sample_region
from rich.cells import cell_len

from chautari.deploy.node_health import HealthAnswer, NodeHealth
from chautari.deploy.region_dashboard import make_dashboard
from chautari.deploy.status import NodeStatus, RegionStatus
from chautari.region.model import Region
from chautari.report.dashboard import Dashboard, dashboard_lines
from chautari.report.model import BackupStatus, PeerLink, PeerStatus
from chautari.untrusted_node_file import MAX_BYTES, NodeFileRefused, parse_node_file

HOSTILE = "x\x1b[2J\u202e\r\n" * 20


def test_measurement_is_read() -> None:
    found = parse_node_file(NodeHealth, content(new_in_a_later_version=1))
    assert found.disks[0].mount == "/" and found.meetings and found.meetings.people == 14


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"{", b"\xff\xfe", b"[" * 30_000, b" " * (MAX_BYTES + 1),
        content(format=2), content(format="1"), content(measured=-1), content(measured=1e300),
        content(measured=2**60), content(disks={}), content(disks=[disk()] * 17),
        content(disks=[disk(size=0)]), content(disks=[disk(free=-1)]),
        content(disks=[disk(days_left=-1.0)]), content(disks=[disk(days_left=1e9)]),
        content(disks=[disk(mount="x" * 201)]), content(disks=[disk(mount="")]),
        content(certificates=[certificate()] * 65),
        content(certificates=[certificate(expires="1")]),
        content(updates=updates(due=-1)), content(updates=updates(security=True)),
        content(units=["x"] * 41), content(units=[1]), content(units="x"),
        content(services={"../x": {"responds": True, "since": 1}}),
        content(services={"X\x1b": {"responds": True, "since": 1}}),
        content(services={"x": {"responds": 1, "since": 1}}),
        content(meetings={"meetings": 10**7, "people": 0}),
        content(mails={"on": "yes", "last": None, "failed": False}),
        json.dumps({"format": 1}).encode(),
    ],
)  # fmt: skip
def test_invalid_measurement_is_refused(raw: bytes) -> None:
    with pytest.raises(NodeFileRefused) as refused:
        parse_node_file(NodeHealth, raw)
    assert "\x1b" not in str(refused.value) and len(str(refused.value)) < 250


@pytest.fixture
def region(tmp_path: Any) -> Region:
    return load_sample_region(tmp_path).region


def state(node: str, **changes: Any) -> NodeStatus:
    found: Any = {
        "node": node, "reachable": True, "busy": None, "run": "20261123T120000-abcdef", "runs": [],
        "started": NOW - DAY, "finished": {"event": "run_finished", "ok": True},
    }  # fmt: skip
    return found | changes


def region_status(
    nodes: list[NodeStatus], health: list[HealthAnswer], **changes: Any
) -> RegionStatus:
    releases: Any = {"outdated": [], "releases_unknown": []}
    return RegionStatus(nodes, releases, [], health, [])._replace(**changes)


def health(node: str, **changes: Any) -> HealthAnswer:
    return HealthAnswer(node, parse_node_file(NodeHealth, content(**changes)))


def text_of(dashboard: Dashboard, width: int = 80, *, complete: bool = False) -> str:
    lines = dashboard_lines(dashboard, width, complete=complete)
    assert max(line.cell_len for line in lines) <= width
    return "\n".join(line.plain for line in lines)


def test_healthy_region_has_no_problem(region: Region) -> None:
    names = ("bog1", "cal1", "med1")
    found = region_status([state(name) for name in names], [health(name) for name in names])
    dashboard = make_dashboard(region, found, NOW)
    assert dashboard.findings == []
    text = text_of(dashboard)
    assert text.startswith("andes: no problem found")
    assert "bog1  deployed  60 %, 60 GB  not soon  61 d   0        no       2 (14)" in text
    assert "cloud respond" in text and "nodes send alerts to" in text
    assert len(text.splitlines()) <= 24


BAD: dict[str, Any] = {
    "disks": [disk(9, days_left=4.5), disk(3, mount="/srv/data")],
    "certificates": [certificate(19), certificate(2, name="meet.andes.example.org")],
    "updates": updates(due=40, security=12, security_since=NOW - 9 * DAY, lists=NOW - 8 * DAY),
    "reboot_since": NOW - 9 * DAY,
    "units": [f"unit-{number}.service" for number in range(20)],
    "services": {"rooms": {"responds": False, "since": NOW - 7200},
                 "cloud": {"responds": True, "since": NOW}},
    "mails": {"on": True, "last": NOW - 60, "failed": True},
}  # fmt: skip


def worst_region(region: Region) -> Dashboard:
    step = "run: deploy backup andes --node cal1"
    backup = BackupStatus("cal1", "disk", "broken", "too_old", "it is 3 days old", step, NOW, 9)
    drill = BackupStatus("cal1", "", "pending", "drill_never", "no restore has been tested yet")
    peer = PeerStatus("himalaya", "x.example.org", (PeerLink("broken", "expired", "it expired"),))
    found = region_status(
        [state("bog1"), state("a-very-long-name-of-a-node", finished={"ok": False}),
         state("med1", reachable=False, message=f"timed out {HOSTILE}")],
        [health("bog1", **BAD), HealthAnswer("a-very-long-name-of-a-node"),
         HealthAnswer("med1", problem=("unreachable", {"reason": "timed out"}))],
        backups=[backup, drill], peers=[peer],
    )  # fmt: skip
    return make_dashboard(region, found, NOW)


@pytest.mark.parametrize("width", [80, 60, 59, 40, 30, 200])
def test_worst_region_fits(region: Region, width: int) -> None:
    dashboard = worst_region(region)
    text = text_of(dashboard, width)
    if width >= 80:
        assert len(text.splitlines()) <= 23
    assert "\x1b" not in text and "\u202e" not in text
    # Each state is a word.
    assert "broken" in text and "more: deploy" in " ".join(text.split())
    assert len(text_of(dashboard, width, complete=True).splitlines()) > len(text.splitlines())


def test_details_show_each_problem_with_its_step(region: Region) -> None:
    dashboard = worst_region(region)
    text = " ".join(text_of(dashboard, complete=True).split())
    for item in dashboard.findings:
        assert item.subject in text
    assert "Next: deploy backup andes --node cal1" in text
    assert "Next: on the node, run: systemctl status unit-19.service" in text
    assert "a-very-long-name-of-a-node: there is no health measurement of this node yet" in text


def test_peer_never_makes_the_region_broken(region: Region) -> None:
    peer = PeerStatus("himalaya", "x.example.org", (PeerLink("broken", "expired", "it expired"),))
    found = region_status([state("bog1")], [health("bog1")], peers=[peer])
    dashboard = make_dashboard(region, found, NOW)
    assert (dashboard.count("broken"), dashboard.count("warning")) == (0, 1)
    assert "Peers      warning: himalaya broken" in text_of(dashboard)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"measured": NOW - 3700}, "measured_long_ago"),
        ({"measured": NOW + 700}, "measured_in_future"),
        ({"measured": NOW + 500}, None),
    ],
)
def test_time_of_the_measurement(region: Region, changes: Any, code: str | None) -> None:
    found = region_status([state("bog1")], [health("bog1", **changes)])
    codes = [item.code for item in make_dashboard(region, found, NOW).findings]
    assert codes == ([code] if code else [])


def test_hostile_names_are_escaped(region: Region) -> None:
    name = HOSTILE[:100]
    found = region_status(
        [state("bog1")],
        [health("bog1", units=[name], disks=[disk(1, mount=name)],
                certificates=[certificate(1, name=name)])],
    )  # fmt: skip
    for width in (80, 40):
        text = text_of(make_dashboard(region, found, NOW), width, complete=True)
        assert "\x1b" not in text and "\u202e" not in text and "\r" not in text


def test_wide_characters_keep_the_width(region: Region) -> None:
    found = region_status([state("bog1")], [health("bog1", units=["प्रणाली日本語" * 10])])
    dashboard = make_dashboard(region, found, NOW)
    assert all(cell_len(line) <= 80 for line in text_of(dashboard).splitlines())


def test_region_without_mail_says_that_no_mail_is_sent(region: Region) -> None:
    silent = region.model_copy(update={"mail": None})
    found = region_status([state("bog1")], [health("bog1")])
    text = text_of(make_dashboard(silent, found, NOW))
    assert "Mail       warning: no alerts by email: region.yml has no mail relay" in text
    assert measured()["mails"]["on"]
