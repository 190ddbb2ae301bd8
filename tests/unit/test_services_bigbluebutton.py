"""Variables and secrets of nodes with BigBlueButton."""

from dataclasses import replace
from pathlib import Path

import pytest
from region_samples import KEY, SANDBOX, load_sample_region

from chautari.render.endpoints import PUBLIC_INTERNET, Endpoints
from chautari.render.variables import NodeContext, NodeVariables, variables_of_node
from chautari.secrets import required_secrets
from chautari.secrets.store import SecretStore
from chautari.services.artifacts import PackageRepository

ROOMS = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
timezone: America/Bogota
languages: [es_CO, en]
bandwidth: low
operators: {{ana: {key} ana@laptop}}
nodes:
  cal1:
    address: 203.0.113.12
    address6: '2001:db8::12'
    os: ubuntu-22.04
    services: [bigbluebutton]
  bog1: {{address: 203.0.113.10, services: [nextcloud]}}
services:
  bigbluebutton: {{host: rooms, recordings: true, keep_days: 30}}
  nextcloud: {{version: 34.0.4}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
"""
DOUBLE = PackageRepository(
    "bigbluebutton", "http://mirror.example.org/bigbluebutton", "stable/",
    "http://mirror.example.org/bigbluebutton/key.asc", ("AB" * 20,),
)  # fmt: skip


def node(
    folder: Path, name: str, endpoints: Endpoints = PUBLIC_INTERNET, text: str = ROOMS
) -> NodeVariables:
    found = load_sample_region(folder, text, KEY)
    values = {
        spec.name: f"{spec.name}-{'x' * 20}"
        for spec in required_secrets.required_secrets(found.region)
    }
    return variables_of_node(NodeContext(found, endpoints, name), SecretStore(values, ()))


def test_server_gets_its_name_addresses_and_settings(tmp_path: Path) -> None:
    found = node(tmp_path, "cal1")
    assert found.roles == (
        "base", "ssh", "firewall", "mail", "nginx", "tls", "repository", "turn", "bigbluebutton",
        "fail2ban",
    )  # fmt: skip
    given = {key.removeprefix("bigbluebutton_"): value for key, value in found.public.items()}
    assert (given["domain"], given["address"], given["address6"]) == (
        "rooms.andes.example.org", "203.0.113.12", "2001:db8::12",
    )  # fmt: skip
    assert (given["recordings"], given["keep_days"], given["language"]) == (True, 30, "es")
    assert (given["low_bandwidth"], given["guests"]) == (True, "ask")


def test_packages_come_from_upstream_s_suites_with_known_keys(tmp_path: Path) -> None:
    sources = node(tmp_path, "cal1").public["repository_sources"]
    assert [item["name"] for item in sources] == [
        "bigbluebutton", "nodesource", "bigbluebutton-support", "coturn",
    ]  # fmt: skip
    own = sources[0]
    assert own["uri"].endswith("/jammy-300") and own["suite"] == "bigbluebutton-jammy"
    assert own["components"] == ["main"]
    assert sources[3]["packages"] == ["coturn"]


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        ("version: 3.0.35", "jammy-300-3.0.35"),
        ('release: "4.0"', "noble-400"),
    ],
)
def test_suite_follows_the_release(settings: str, folder: str, tmp_path: Path) -> None:
    text = ROOMS.replace("host: rooms,", f"host: rooms, {settings},")
    if "4.0" in settings:
        text = text.replace("ubuntu-22.04", "ubuntu-24.04")
    [own, *_] = node(tmp_path, "cal1", text=text).public["repository_sources"]
    assert own["uri"].rsplit("/", 1)[-1] == folder


def test_sandbox_double_replaces_all_repositories(tmp_path: Path) -> None:
    endpoints = replace(SANDBOX, repositories=SANDBOX.repositories | {"bigbluebutton": DOUBLE})
    public = node(tmp_path, "cal1", endpoints).public
    [source] = public["repository_sources"]
    assert (source["uri"], source["components"], source["bundle"]) == (DOUBLE.uri, [], "")
    assert source["packages"] == [
        "bigbluebutton", "bbb-*", "nodejs", "libopusenc0", "yq", "coturn",
    ]  # fmt: skip


def test_firewall_and_turn_share_the_udp_ports(tmp_path: Path) -> None:
    public = node(tmp_path, "cal1").public
    opened = {(item["protocol"], item["port"]) for item in public["firewall_ports"]}
    assert opened >= {
        ("tcp", "443"), ("udp", "3478"), ("tcp", "3478"), ("udp", "16384-32768"),
        ("udp", "32769-65535"),
    }  # fmt: skip
    assert (public["turn_tcp"], public["turn_min_port"], public["turn_max_port"]) == (
        True, 32769, 65535,
    )  # fmt: skip
    assert public["turn_allowed_peers"] == ["203.0.113.12", "2001:db8::12"]


def test_nextcloud_gets_the_address_and_the_secret_of_its_rooms(tmp_path: Path) -> None:
    cloud = node(tmp_path, "bog1")
    assert cloud.public["nextcloud_bigbluebutton_url"] == (
        "https://rooms.andes.example.org/bigbluebutton/"
    )
    assert cloud.secret["nextcloud_bigbluebutton_secret"].startswith("bigbluebutton_secret-")
    assert not {name for name in cloud.secret if name.startswith(("bigbluebutton_", "turn_"))}


def test_nextcloud_without_rooms_gets_neither(tmp_path: Path) -> None:
    text = ROOMS.replace("host: rooms,", "host: rooms, rooms: none,")
    cloud = node(tmp_path, "bog1", text=text)
    assert cloud.public["nextcloud_bigbluebutton_url"] == ""
    assert not {name for name in cloud.secret if "bigbluebutton" in name}


def test_server_gets_only_its_own_secrets(tmp_path: Path) -> None:
    secret = node(tmp_path, "cal1").secret
    assert {name for name in secret if "nextcloud" in name} == set()
    assert secret["turn_secret"].startswith("bigbluebutton_turn_secret-")
    assert "bigbluebutton_secret" in secret
