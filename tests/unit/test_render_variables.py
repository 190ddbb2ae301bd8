"""What each node of a region gets: roles, variables, secrets."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from node_samples import SECRETS, node
from region_samples import KEY, REGION, SANDBOX, load_sample_region, region_file

from chautari.region.load import load_region
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.variables import NodeContext, variables_of_node
from chautari.services.nextcloud.releases import newest_release_for_os
from chautari.services.nextcloud.variables import release_to_install
from chautari.services.registry import ROLES, SERVICES


def test_node_without_services_gets_only_base_roles(tmp_path: Path) -> None:
    assert node(tmp_path, "bog1").roles == ("base", "ssh", "firewall", "mail", "fail2ban")


def test_nextcloud_adds_its_roles_in_order(tmp_path: Path) -> None:
    found = node(tmp_path, "med1").roles
    assert found[-7:] == (*SERVICES["nextcloud"].roles, "fail2ban")
    assert list(found) == sorted(found, key=list(ROLES).index)
    expected = {"base", "ssh", "firewall", "mail", "fail2ban", *SERVICES["nextcloud"].roles}
    assert found == tuple(x for x in ROLES if x in expected)


def test_region_without_a_relay_gets_no_mail_role(tmp_path: Path) -> None:
    text = "\n".join(REGION.splitlines()[:-4]).replace(", services: [nextcloud]", "")
    assert node(tmp_path, "bog1", text=text).roles == ("base", "ssh", "firewall", "fail2ban")


def test_node_gets_its_own_name_users_and_port(tmp_path: Path) -> None:
    public = node(tmp_path, "bog1").public
    assert public["base_hostname"] == "bog1"
    assert public["base_domain"] == "andes.example.org"
    assert public["base_timezone"] == "America/Bogota"
    assert public["base_locale"] == "es_ES.UTF-8"
    assert public["base_operators"] == [{"name": "ana", "keys": [f"{KEY} ana@laptop"]}]
    assert (public["firewall_ssh_port"], public["firewall_ports"]) == (2222, [])


def test_keys_of_logins_are_compared_and_removed_only_with_consent(tmp_path: Path) -> None:
    public = node(tmp_path, "bog1").public
    assert public["ssh_operators"] == public["base_operators"]
    assert public["ssh_login_accounts"] == ["debian", "root"]
    assert public["ssh_remove_other_keys"] is False
    text = REGION.replace("user: debian", "user: debian, adopt: [login_keys]")
    assert text != REGION
    assert node(tmp_path / "other", "bog1", text=text).public["ssh_remove_other_keys"] is True


def test_web_ports_are_open_with_a_web_service(tmp_path: Path) -> None:
    ports = node(tmp_path, "med1").public["firewall_ports"]
    assert [(str(port["port"]), port["protocol"]) for port in ports] == [
        ("80", "tcp"),
        ("443", "tcp"),
    ]


def test_certificate_covers_both_names(tmp_path: Path) -> None:
    public = node(tmp_path, "med1").public
    assert public["tls_certificates"] == [
        {"name": "cloud.andes.example.org", "addresses": ["203.0.113.11", "2001:db8::11"]}
    ]
    assert public["nginx_names"] == ["cloud.andes.example.org"]
    assert public["tls_acme_directory"] == "https://acme-v02.api.letsencrypt.org/directory"


def test_nextcloud_gets_the_settings_of_the_region(tmp_path: Path) -> None:
    public = node(tmp_path, "med1").public
    expected = {
        "nextcloud_version": "35.0.1",
        "nextcloud_domain": "cloud.andes.example.org",
        "nextcloud_quota": "5 GB",
        "nextcloud_phone_region": "CO",
        "nextcloud_low_bandwidth": True,
        "nextcloud_mail_from": "cloud@andes.example.org",
    }
    assert public | expected == public
    assert [app["name"] for app in public["nextcloud_apps"]] == ["calendar", "deck"]


def test_release_is_the_newest_that_the_os_runs(tmp_path: Path) -> None:
    text = REGION.replace("'2001:db8::11',", "'2001:db8::11', os: debian-12,")
    context = NodeContext(load_sample_region(tmp_path, text), PUBLIC_INTERNET, "med1")
    assert release_to_install(context) == newest_release_for_os("debian-12")
    assert release_to_install(context).version == "34.0.4"


def test_release_can_be_chosen_by_the_region(tmp_path: Path) -> None:
    text = REGION.replace("host: cloud,", "host: cloud, version: '34.0.4',")
    assert node(tmp_path, "med1", text=text).public["nextcloud_version"] == "34.0.4"


def test_endpoints_of_a_sandbox_replace_the_internet(tmp_path: Path) -> None:
    public = node(tmp_path, "med1", SANDBOX).public
    assert public["tls_acme_directory"] == "https://acme.example.org:14000/dir"
    assert public["nextcloud_url"] == "http://mirror.example.org/n.tar"
    assert [person["name"] for person in public["base_operators"]] == ["ana", "sandbox"]


def test_missing_app_is_named_with_the_reason(tmp_path: Path) -> None:
    public = node(tmp_path, "med1", SANDBOX).public
    assert public["nextcloud_missing_apps"] == [{"name": "deck", "reason": "no route to upstream"}]
    assert [app["name"] for app in public["nextcloud_apps"]] == ["calendar"]


def test_app_without_a_pin_for_the_release_is_named(tmp_path: Path) -> None:
    old = SANDBOX.artifacts["nextcloud"]._replace(version="33.0.9")
    public = node(tmp_path, "med1", replace(SANDBOX, artifacts={"nextcloud": old})).public
    assert public["nextcloud_apps"] == []
    assert {item["name"] for item in public["nextcloud_missing_apps"]} == {"calendar", "deck"}


def test_region_pins_the_apps_that_the_notice_asks_for(tmp_path: Path) -> None:
    """Nextcloud 33 has no apps of ours: a region pins each, as the notice says."""
    text = REGION.replace("host: cloud,", "host: cloud, version: '33.0.9',")
    file = region_file(tmp_path, text)
    pins = {
        name: {version: {"url": f"https://example.org/{name}.tar.gz", "sha256": "ab" * 32}}
        for name, version in (("nextcloud", "33.0.9"), ("calendar", "6.2.1"), ("deck", "1.17.10"))
    }
    pins["calendar"]["6.10.0"] = {"url": "https://example.org/new.tar.gz", "sha256": "cd" * 32}
    (file.parent / "artifacts.lock").write_text(json.dumps(pins))
    public = variables_of_node(
        NodeContext(load_region(file), PUBLIC_INTERNET, "med1"), SECRETS
    ).public
    assert public["nextcloud_missing_apps"] == []
    assert [(app["name"], app["version"]) for app in public["nextcloud_apps"]] == [
        ("calendar", "6.10.0"), ("deck", "1.17.10"),
    ]  # fmt: skip


def test_node_gets_only_the_secrets_of_its_services(tmp_path: Path) -> None:
    assert node(tmp_path, "bog1").secret == {"mail_relay_password": "canary-relay"}
    own = {name for name in SECRETS.names if name.startswith(("mail_", "nextcloud_"))}
    assert set(node(tmp_path, "med1").secret) == {*own, "postgresql_passwords"}


def test_variables_without_a_store_hold_no_secrets(tmp_path: Path) -> None:
    context = NodeContext(load_sample_region(tmp_path), PUBLIC_INTERNET, "med1")
    assert variables_of_node(context, None).secret == {}


@pytest.mark.parametrize("name", ["bog1", "med1"])
def test_public_variables_hold_no_secret(name: str, tmp_path: Path) -> None:
    assert "canary" not in str(node(tmp_path, name, SANDBOX).public)


@pytest.mark.parametrize("name", ["bog1", "med1"])
def test_every_variable_begins_with_the_name_of_one_of_the_node_s_roles(
    name: str, tmp_path: Path
) -> None:
    found = node(tmp_path, name, SANDBOX)
    for variable in found.public | found.secret:
        assert variable.split("_", 1)[0] in found.roles


def test_rendered_values_are_plain_data(tmp_path: Path) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        else:
            assert type(value) in (str, int, bool)

    walk(node(tmp_path, "med1", SANDBOX).public)


def test_service_without_settings_gets_the_defaults_and_its_secrets(tmp_path: Path) -> None:
    text = "".join(
        line for line in REGION.splitlines(keepends=True)
        if not line.startswith(("services:", "  nextcloud:"))
    )  # fmt: skip
    found = node(tmp_path, "med1", text=text)
    assert found.public["nextcloud_domain"] == "cloud.andes.example.org"
    assert found.secret["nextcloud_admin_password"] == "canary-admin"
