"""Settings of Prosody compared with the modules and the example of upstream's release."""

from pathlib import Path
from typing import Any

import pytest
from prosody import modules_of, read_settings
from region_samples import ROOT
from templates import render, variables

from chautari.toolkit_yaml import read_toolkit_yaml

UPSTREAM = read_toolkit_yaml(ROOT / "tests/fixtures/jitsi/prosody.yml")
EXAMPLE = UPSTREAM["example"]
DOMAIN = "meet.andes.example.org"
# No recordings and no store of files here.
NOT_USED = {"recorder", "filesharing"}
# prosodyctl refuses cross_domain_bosh; http_cors_override replaces it. tls_profile replaces ssl.
OPTIONS_NOT_USED = {"cross_domain_bosh", "ssl"}
# Our own modules, where everyone can try passwords.
OURS = {"main": {"chautari_log_failures"}, "auth": {"chautari_log_failures"}}
Settings = dict[str, dict[str, Any]]


@pytest.fixture(params=["members", "open"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    given = variables(tmp_path, "jitsi", "13", jitsi_access=request.param)
    (tmp_path / "prosody.cfg.lua").write_text(render("jitsi", "prosody.cfg.lua.j2", given))
    found = read_settings(tmp_path / "prosody.cfg.lua")
    short = {name.removesuffix(DOMAIN).rstrip("."): host for name, host in found.items() if name}
    return {"global": found[""], **{name or "main": host for name, host in short.items()}}


@pytest.mark.parametrize("release", ["12", "13"])
def test_every_module_exists_in_prosody_or_upstream_s_plugins(
    settings: Settings, release: str
) -> None:
    known = {*UPSTREAM["debian"][release], *UPSTREAM["plugins"]}
    logins = {
        f"auth_{host['options'].get('authentication', 'anonymous')}" for host in settings.values()
    }
    for name, host in settings.items():
        assert modules_of(host) <= known | OURS.get(name, set()), name
    assert logins <= known


def test_hosts_are_those_of_upstream_s_example_and_guests(settings: Settings) -> None:
    assert set(settings) - {"guest"} == set(EXAMPLE) - NOT_USED
    for name in set(EXAMPLE) - NOT_USED:
        assert settings[name]["kind"] == EXAMPLE[name]["kind"], name
        ours = OURS.get(name, set())
        assert modules_of(settings[name]) == set(EXAMPLE[name]["modules"]) | ours, name


def test_hosts_have_the_options_of_upstream_s_example(settings: Settings) -> None:
    for name in set(EXAMPLE) - NOT_USED:
        missing = set(EXAMPLE[name]["options"]) - set(settings[name]["options"])
        assert missing <= OPTIONS_NOT_USED, f"{name}: {missing}"


def test_tls_of_every_host_is_the_profile_s(settings: Settings) -> None:
    """A host's own settings of TLS win over the profile, so they name its files only."""
    assert settings["global"]["options"]["tls_profile"] == "intermediate"
    for name, host in settings.items():
        assert host["options"].get("ssl", {}).keys() <= {"key", "certificate"}, name


def test_modules_have_the_options_that_they_require(settings: Settings) -> None:
    for name, host in settings.items():
        options = {*host["options"], *settings["global"]["options"]}
        for module in modules_of(host):
            assert set(UPSTREAM["required"].get(module, ())) <= options, f"{name}: {module}"
            if module in UPSTREAM["components"]:
                assert host.get("component") == module, f"{name}: {module} is not a component"


def test_every_server_for_media_has_host_port_and_transport(settings: Settings) -> None:
    servers = settings["global"]["options"]["external_services"]
    assert {server["type"] for server in servers} == {"stun", "turn", "turns"}
    for server in servers:
        assert {"host", "port", "transport"} <= set(server), server


def test_package_script_finds_the_old_module_as_a_comment(tmp_path: Path) -> None:
    text = render("jitsi", "prosody.cfg.lua.j2", variables(tmp_path, "jitsi", "13"))
    lines = [line for line in text.splitlines() if '"polls";' in line]
    assert lines == ['--"polls";']
