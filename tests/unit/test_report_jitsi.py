"""Video meetings in the report of a deploy."""

from pathlib import Path

from jitsi_samples import MEETING, OPEN
from node_samples import SECRETS
from region_samples import SANDBOX, load_sample_region

from chautari.deploy import region_report
from chautari.deploy.request import DeployContext, Request


def services(folder: Path, text: str) -> list[tuple[str, str, str, str]]:
    ready = DeployContext(Request(load_sample_region(folder, text), "region"), SANDBOX, SECRETS, ())
    return [
        (item.service, item.url, item.login, item.note)
        for item in region_report.service_accesses(ready)
    ]


def test_members_and_their_passwords_are_named(tmp_path: Path) -> None:
    [(service, url, login, note)] = services(tmp_path, MEETING)
    assert (service, url) == ("jitsi", "https://meet.andes.example.org/")
    assert login == "ana, luz"
    assert "jitsi_member_NAME" in note


def test_open_access_needs_no_login(tmp_path: Path) -> None:
    [(_, _, login, note)] = services(tmp_path, OPEN)
    assert (login, note) == ("", "anyone can start a meeting")


def test_card_of_a_bridge_has_no_address(tmp_path: Path) -> None:
    region = load_sample_region(tmp_path, MEETING).region
    assert region_report.sandbox_hosts_file_lines(region) == ["203.0.113.12 meet.andes.example.org"]
