"""The front page: its name, its settings, and the content that its node gets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from federation_samples import DOMAIN, body, peer
from region_samples import SANDBOX, load_sample_region

from chautari.errors import InvalidRegion
from chautari.preflight.dns_records import refusals_for_records
from chautari.preflight.requirements import NodeRequirements
from chautari.prepare.child_process import requirements_of_node
from chautari.region.model import Federation, Node, Region
from chautari.region.rules.services import check_services_can_send_mail
from chautari.render.variables import NodeContext, variables_of_node
from chautari.secrets.required_secrets import secret_names_of_node
from chautari.services.portal.languages import fallback_page_language, language_names_by_code
from chautari.services.portal.variables import peers_on_page, portal_variables

REGION = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
timezone: America/Bogota
languages: [qu, es_CO, en]
sandbox:
  network: 203.0.113.0/24
  os_substitutes: {{ubuntu-22.04: {{os: debian-12, memory_mb: 900, cores: 1}}}}
operators: {{ana: {key} ana@laptop}}
nodes:
  bog1: {{address: 203.0.113.20, services: [portal, polls, nextcloud]}}
  cal1: {{address: 203.0.113.21, os: ubuntu-22.04, services: [bigbluebutton]}}
  med1: {{address: 203.0.113.22, services: [jitsi]}}
services:
  jitsi: {{members: [ana]}}
  portal: {{PORTAL}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
"""


def text(portal: str) -> str:
    """Return the region with settings of the page, as text that `format` completes."""
    return REGION.replace("PORTAL", portal.replace("{", "{{").replace("}", "}}"))


def content(tmp_path: Path, portal: str = "") -> dict[str, Any]:
    return variables(tmp_path, portal)["portal_page"]


def variables(tmp_path: Path, portal: str = "", node: str = "bog1") -> dict[str, Any]:
    found = load_sample_region(tmp_path, text(portal))
    return variables_of_node(NodeContext(found, SANDBOX, node), None).public


def region(tmp_path: Path, portal: str = "") -> Region:
    return load_sample_region(tmp_path, text(portal)).region


def test_page_answers_at_the_domain_or_below_it(tmp_path: Path) -> None:
    assert region(tmp_path).public_name("portal", "bog1") == "andes.example.org"
    assert variables(tmp_path)["nginx_names"][0] == "andes.example.org"
    assert (
        region(tmp_path, "host: start").public_name("portal", "bog1") == "start.andes.example.org"
    )


def test_page_cannot_have_the_name_of_another_service(tmp_path: Path) -> None:
    with pytest.raises(InvalidRegion) as raised:
        region(tmp_path, "host: polls")
    assert "'polls' is already the name of" in str(raised.value)


def test_services_are_those_that_people_open(tmp_path: Path) -> None:
    services = {item["name"]: item for item in content(tmp_path)["services"]}
    assert list(services) == ["polls", "nextcloud", "bigbluebutton", "jitsi"]
    assert services["polls"]["app"] == "Framadate"
    assert services["polls"]["check"] == {
        "url": "https://polls.andes.example.org/",
        "expected_text": "create_poll.php",
        "restored_url": "",
        "on_this_node": True,
    }
    assert services["nextcloud"]["check"]["url"].endswith("/status.php")
    assert (services["bigbluebutton"]["url"], services["bigbluebutton"]["opened_in"]) == (
        "",
        "nextcloud",
    )
    assert not services["jitsi"]["check"]["on_this_node"]
    assert {name: item["account"] for name, item in services.items()} == {
        "polls": "none",
        "nextcloud": "all",
        "bigbluebutton": "host",
        "jitsi": "host",
    }


def test_page_asks_when_backups_were_restored_where_there_are_backups(tmp_path: Path) -> None:
    disk = "nodes: [bog1, med1, cal1]}}}}}}\n"
    backup = f"backup: {{{{to: [disk], targets: {{{{disk: {{{{disk: /mnt/backup, {disk}"
    found = load_sample_region(tmp_path, text("") + backup)
    page = variables_of_node(NodeContext(found, SANDBOX, "bog1"), None).public["portal_page"]
    assert {item["name"]: item["check"]["restored_url"] for item in page["services"]} == {
        "polls": "https://polls.andes.example.org/.well-known/chautari/backup.json",
        "nextcloud": "https://cloud.andes.example.org/.well-known/chautari/backup.json",
        "bigbluebutton": "",  # its web server is upstream's
        "jitsi": "https://meet.andes.example.org/.well-known/chautari/backup.json",
    }


def test_service_says_which_languages_of_the_region_it_has(tmp_path: Path) -> None:
    services = {item["name"]: item for item in content(tmp_path)["services"]}
    assert services["polls"]["languages"] == {"qu": "none", "es_CO": "full", "en": "full"}
    assert services["bigbluebutton"]["languages"] == {}


def test_languages_keep_their_order_on_the_way_to_the_node(tmp_path: Path) -> None:
    found = json.loads(json.dumps(content(tmp_path), sort_keys=True))
    assert found["languages"] == ["qu", "es_CO", "en"]
    assert found["page_languages"][:3] == ["en", "es", "pt"]
    assert set(found["language_names"]) >= {*found["languages"], *found["page_languages"]}


@pytest.mark.parametrize(
    ("languages", "expected"), [(["qu", "es_CO", "en"], "es"), (["si"], "en"), (["ne", "en"], "ne")]
)
def test_default_language_is_the_first_that_the_page_has(
    languages: list[str], expected: str
) -> None:
    assert fallback_page_language(languages) == expected


def test_language_without_a_known_name_keeps_its_code() -> None:
    assert language_names_by_code(["es_CO", "xyz"]) == {"es_CO": "Español", "xyz": "xyz"}


def test_texts_are_one_or_one_for_each_language(tmp_path: Path) -> None:
    found = content(tmp_path, "title: Red, about: {es: uno, pt_BR: um}")
    assert found["title"] == {"": "Red"} and found["about"] == {"es": "uno", "pt_BR": "um"}
    assert content(tmp_path)["title"] == {"": "Andes"}


@pytest.mark.parametrize(
    ("portal", "expected"),
    [
        ("about: ''", "write plain text with 1 to 2000 characters"),
        ("about: {spanish: x}", "'spanish' is not a language code"),
        ("title: 'a\\b'", "would be interpreted as markup"),
        ("about: [a, b]", "services.portal.about"),
    ],
)
def test_wrong_texts_are_refused_with_their_line(
    tmp_path: Path, portal: str, expected: str
) -> None:
    with pytest.raises(InvalidRegion) as raised:
        region(tmp_path, portal)
    assert expected in str(raised.value) and "region.yml:16" in str(raised.value)


def test_only_the_node_of_the_page_gets_the_key_of_the_region(tmp_path: Path) -> None:
    found = region(tmp_path)
    assert "region_signing_key" in secret_names_of_node(found, "bog1")
    assert "region_signing_key" not in secret_names_of_node(found, "med1")


def test_descriptor_is_text_without_what_the_node_adds(tmp_path: Path) -> None:
    found = json.loads(variables(tmp_path)["portal_descriptor"])
    assert found["domain"] == "andes.example.org"
    assert not {"key", "serial", "issued", "expires"} & set(found)


def test_peers_are_shown_with_the_services_of_their_descriptors(tmp_path: Path) -> None:
    portal = {
        "service": "portal",
        "title": "Front page",
        "address": f"https://start.{DOMAIN}/",
        "version": "0.1.0",
    }
    found = load_sample_region(tmp_path, text(""))
    pinned = peer(services=[*body()["services"], portal])
    context = NodeContext(found._replace(peers={"himalaya": pinned}), SANDBOX, "bog1")
    assert peers_on_page(context) == [
        {
            "name": "himalaya",
            "region": "himalaya",
            "domain": DOMAIN,
            "url": f"https://start.{DOMAIN}/",
            "services": [
                {"service": "nextcloud", "title": "Nextcloud", "url": f"https://cloud.{DOMAIN}/"}
            ],
        }
    ]


def test_node_watches_the_pinned_peers(tmp_path: Path) -> None:
    found = load_sample_region(tmp_path, text(""))
    url = f"https://start.{DOMAIN}:8443/.well-known/chautari/region.json"
    pinned = peer().model_copy(update={"url": url})
    endpoints = replace(SANDBOX, peer_networks=("203.0.113.0/24",))
    context = NodeContext(found._replace(peers={"himal": pinned}), endpoints, "bog1")
    rendered = portal_variables(context)
    settings = rendered["portal_federation"]
    assert settings["peers"] == [
        {
            "name": "himal", "region": "himalaya", "domain": DOMAIN,
            "host": f"start.{DOMAIN}", "port": 8443, "key": pinned.key,
            "serial": pinned.descriptor.serial, "contact": f"ops@{DOMAIN}",
            "languages": ["ne", "en"],
        }
    ]  # fmt: skip
    assert settings["silence_hours"] == 12
    assert settings["mail_relay"] == {"host": "smtp.example.org", "port": 587}
    assert rendered["portal_peer_networks"] == ["203.0.113.0/24"]


def test_node_without_peers_watches_none(tmp_path: Path) -> None:
    assert variables(tmp_path)["portal_federation"] == {"peers": []}
    assert variables(tmp_path)["portal_peer_networks"] == []


def test_region_with_peers_needs_a_mail_relay(tmp_path: Path) -> None:
    alone = region(tmp_path).model_copy(update={"mail": None})
    alone = alone.model_copy(
        update={"nodes": {"bog1": Node(address="203.0.113.20", services=("portal",))}}
    )
    assert list(check_services_can_send_mail(alone, {})) == []
    federated = alone.model_copy(update={"federation": Federation(peers=("himalaya",))})
    [(path, problem)] = check_services_can_send_mail(federated, {})
    assert path == ("mail",) and "reports about silent peers" in problem


NAME = "andes.example.org"
AT_DOMAIN = NodeRequirements(
    os="debian-13",
    services=("portal",),
    domain=NAME,
    service_at_domain="portal",
    address="203.0.113.20",
)


@pytest.mark.parametrize(
    "records",
    [
        {("A", NAME): ("198.51.100.7",)},
        {("A", NAME): ("198.51.100.7", "203.0.113.20")},
        {("A", NAME): ("203.0.113.20",), ("AAAA", NAME): ("2001:db8::7",)},
    ],
)
def test_website_at_the_domain_is_left_alone(records: Any) -> None:
    [refusal] = refusals_for_records(records, AT_DOMAIN)
    assert "Another website may be at this address" in refusal.reason
    assert "services: {portal: {host: start}}" in refusal.fix


@pytest.mark.parametrize(
    "records",
    [{("A", NAME): ("203.0.113.20",), ("AAAA", NAME): ()}, {("A", NAME): ()}, {("A", NAME): None}],
)
def test_domain_that_points_to_the_node_or_nowhere_is_not_refused(records: Any) -> None:
    assert refusals_for_records(records, AT_DOMAIN) == []


def test_domain_is_looked_up_only_if_the_page_is_there(tmp_path: Path) -> None:
    assert requirements_of_node(region(tmp_path), "bog1").domain == NAME
    assert requirements_of_node(region(tmp_path, "host: start"), "bog1").domain == ""
    assert requirements_of_node(region(tmp_path), "med1").domain == ""
