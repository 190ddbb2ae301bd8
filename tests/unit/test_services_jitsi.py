"""Variables and secrets of nodes with Jitsi Meet."""

import json
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from jitsi_samples import MEETING, OPEN
from node_samples import SECRETS, node
from region_samples import ROOT, SANDBOX, load_sample_region

from chautari.render.variables import all_texts_in
from chautari.secrets import required_secrets
from chautari.services.jitsi.packages import UPSTREAM
from chautari.services.jitsi.secrets import xmpp_certificate


def ports(folder: Path, name: str, text: str = MEETING) -> list[tuple[str, str]]:
    found = node(folder, name, text=text).public["firewall_ports"]
    return [(str(port["port"]), port["protocol"]) for port in found]


def test_meeting_node_gets_its_roles_in_order(tmp_path: Path) -> None:
    assert node(tmp_path, "cal1", text=MEETING).roles == (
        "base", "ssh", "firewall", "nginx", "tls", "repository", "turn", "videobridge", "jitsi",
        "fail2ban",
    )  # fmt: skip


def test_further_bridge_gets_only_the_bridge_role(tmp_path: Path) -> None:
    assert node(tmp_path, "cal2", text=MEETING).roles == (
        "base", "ssh", "firewall", "repository", "videobridge", "fail2ban",
    )  # fmt: skip


def test_only_required_ports_are_open(tmp_path: Path) -> None:
    web = [("80", "tcp"), ("443", "tcp")]
    media = [("3478", "udp"), ("5349", "tcp"), ("10000", "udp")]
    assert sorted(ports(tmp_path, "cal1", OPEN)) == sorted(web + media)
    assert sorted(ports(tmp_path, "cal1")) == sorted([*web, *media, ("5222", "tcp")])
    assert ports(tmp_path, "cal2") == [("10000", "udp")]


def test_xmpp_is_open_only_to_further_bridges(tmp_path: Path) -> None:
    entry = node(tmp_path, "cal1", text=MEETING).public["firewall_ports"][-1]
    assert entry["sources"] == ["203.0.113.13", "2001:db8::13"]


def test_local_bridge_connects_on_loopback_and_a_further_one_by_name(tmp_path: Path) -> None:
    own = node(tmp_path, "cal1", text=MEETING).public
    further = node(tmp_path, "cal2", text=MEETING).public
    assert own["videobridge_xmpp_host"] == "127.0.0.1"
    assert further["videobridge_xmpp_host"] == "meet.andes.example.org"
    assert (own["videobridge_nickname"], further["videobridge_nickname"]) == ("cal1", "cal2")
    assert further["videobridge_relays"] is True
    assert further["videobridge_region"] == "andes"


def test_turn_relays_to_every_bridge_of_the_region(tmp_path: Path) -> None:
    peers = node(tmp_path, "cal1", text=MEETING).public["turn_allowed_peers"]
    assert peers == ["203.0.113.12", "203.0.113.13", "2001:db8::13"]


def test_packages_come_from_upstream_or_the_mirror_of_the_sandbox(tmp_path: Path) -> None:
    [real] = node(tmp_path, "cal1", text=MEETING).public["repository_sources"]
    assert (real["uri"], real["version"]) == ("https://download.jitsi.org", "2.0.11248-1")
    assert real["fingerprints"] == list(UPSTREAM.fingerprints)
    public = node(tmp_path, "cal1", SANDBOX, MEETING).public
    [double] = public["repository_sources"]
    assert double["uri"] == "http://mirror.example.org/jitsi"


def test_region_can_choose_another_release(tmp_path: Path) -> None:
    text = MEETING.replace("host: meet,", "host: meet, version: 2.0.11031,")
    [source] = node(tmp_path, "cal2", text=text).public["repository_sources"]
    assert source["version"] == "2.0.11031-1"


def test_relayed_ports_are_known_to_the_firewall_check_and_closed(tmp_path: Path) -> None:
    defaults = yaml.safe_load((ROOT / "roles" / "turn" / "defaults" / "main.yml").read_text())
    [entry] = node(tmp_path, "cal1", text=MEETING).public["firewall_closed_ports"]
    assert (entry["port"], entry["protocol"]) == (
        f"{defaults['turn_min_port']}-{defaults['turn_max_port']}", "udp",
    )  # fmt: skip
    assert (entry["port"], "udp") not in ports(tmp_path, "cal1")
    assert node(tmp_path, "cal2", text=MEETING).public["firewall_closed_ports"] == []


def test_members_and_checks_get_their_own_passwords(tmp_path: Path) -> None:
    found = node(tmp_path, "cal1", text=MEETING)
    assert [person["name"] for person in found.secret["jitsi_members"]] == [
        "ana", "luz", "chautari-check",
    ]  # fmt: skip
    assert found.public["jitsi_member_names"] == ["ana", "luz"]
    assert "canary" not in json.dumps(found.public)


def test_passwords_of_members_are_masked_in_journals(tmp_path: Path) -> None:
    secret = node(tmp_path, "cal1", text=MEETING).secret
    expected = {person["password"] for person in secret["jitsi_members"]}
    assert len(expected) == 3 and expected <= set(all_texts_in(secret))


def test_open_access_creates_no_account(tmp_path: Path) -> None:
    assert node(tmp_path, "cal1", text=OPEN).secret["jitsi_members"] == []


def test_further_bridge_gets_its_password_and_no_key(tmp_path: Path) -> None:
    secret = node(tmp_path, "cal2", text=MEETING).secret
    assert set(secret) == {
        "videobridge_password", "videobridge_authority", "videobridge_borrower_passwords",
    }  # fmt: skip
    assert secret["videobridge_borrower_passwords"] == {}
    assert "PRIVATE" not in json.dumps(secret)


def test_certificate_is_the_same_each_time_and_names_the_server() -> None:
    key = SECRETS["jitsi_key"]
    pem = xmpp_certificate(key, "meet.andes.example.org")
    assert pem == xmpp_certificate(key, "meet.andes.example.org")
    names_of = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert "auth.meet.andes.example.org" in names_of.value.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize(("name", "expected"), [("cal1", True), ("cal2", False)])
def test_secrets_of_members_go_only_to_the_meeting_node(
    name: str, expected: bool, tmp_path: Path
) -> None:
    region = load_sample_region(tmp_path, MEETING).region
    assert ("jitsi_member_ana" in required_secrets.secret_names_of_node(region, name)) is expected
    assert "jitsi_bridge_password" in required_secrets.secret_names_of_node(region, name)
