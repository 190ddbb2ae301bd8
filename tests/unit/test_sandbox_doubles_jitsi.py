"""The doubles of Jitsi's packages offer nothing that upstream's packages lack."""

import importlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from region_samples import ROOT

from chautari.toolkit_yaml import read_toolkit_yaml
from chautari_sandbox.doubles import jitsi_packages

FACTS = ROOT / "tests/fixtures/jitsi"
PROSODY = read_toolkit_yaml(FACTS / "prosody.yml")
PARTS = {
    part.control["Package"]: part for part in jitsi_packages.build_package_doubles("2.0.11248")
}
PLUGINS = {
    Path(file).name.removeprefix("mod_").removesuffix(".lua"): data.decode()
    for file, data in PARTS["jitsi-meet-prosody"].files.items()
    if file.startswith(f"{jitsi_packages.PLUGINS}/")
}


def test_modules_of_the_double_exist_upstream() -> None:
    assert set(PLUGINS) <= set(PROSODY["plugins"])
    assert "client_proxy" in PLUGINS, "no module was found"


def test_modules_of_upstream_s_example_are_in_the_double() -> None:
    used = {module for host in PROSODY["example"].values() for module in host["modules"]}
    not_used = {"filesharing_component"}
    assert used & set(PROSODY["plugins"]) - set(PLUGINS) == not_used


def test_modules_require_the_options_that_upstream_s_require() -> None:
    for name, options in jitsi_packages.MODULES.items():
        assert set(options) == set(PROSODY["required"].get(name, ())), name
    assert set(jitsi_packages.COMPONENTS) <= set(PROSODY["components"])
    assert set(jitsi_packages.MODULES) & set(PROSODY["components"]) == set(
        jitsi_packages.COMPONENTS
    )


PROSODY_SERVER = """
local options = { OPTIONS }
local function get(_, key) return options[key] end
local function announce(_, event, item)
	announced = event .. " " .. item.name .. " " .. item.host
end
prosody = { hosts = { ["example.org"] = true } }
module = { host = "it.example.org", get_option = get, get_option_string = get }
function module:get_host_type() return KIND end
function module:context() return { fire_event = announce } end
function module:add_identity(_, name, host) announced = name .. " " .. host end
local ok, why = pcall(dofile, FILE)
print(ok and announced or why)
"""


def load(name: str, tmp_path: Path, kind: str, options: dict[str, str]) -> str:
    """Load a module of the double as Prosody does; return what it announces, or its error."""
    (tmp_path / "mod.lua").write_text(PLUGINS[name])
    known = ", ".join(f"{key} = {value!r}" for key, value in options.items())
    program = PROSODY_SERVER.replace("OPTIONS", known).replace("KIND", repr(kind))
    program = program.replace("FILE", repr(str(tmp_path / "mod.lua")))
    done = subprocess.run(
        ["lua5.4", "-"], input=program, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


OPTIONS = {"muc_component": "conference.example.org", "muc_mapper_domain_base": "example.org"}


def test_component_announces_its_feature(tmp_path: Path) -> None:
    expected = "jitsi-add-identity end_conference it.example.org"
    assert load("end_conference", tmp_path, "component", OPTIONS) == expected


def test_module_announces_the_feature_of_another_host(tmp_path: Path) -> None:
    options = {"main_muc": "conference.example.org", "lobby_muc": "lobby.example.org"}
    assert load("muc_lobby_rooms", tmp_path, "local", options) == "lobbyrooms lobby.example.org"


def test_features_are_those_that_upstream_s_modules_announce() -> None:
    announced = {feature: name for name, feature in jitsi_packages.COMPONENTS.items()}
    announced |= {feature: name for name, (feature, _) in jitsi_packages.ANNOUNCED.items()}
    assert announced.items() <= PROSODY["features"].items()


@pytest.mark.parametrize("missing", OPTIONS)
def test_module_refuses_to_load_without_an_option(tmp_path: Path, missing: str) -> None:
    options = {key: value for key, value in OPTIONS.items() if key != missing}
    assert f"needs the option {missing}" in load("end_conference", tmp_path, "component", options)


def test_component_refuses_to_load_in_a_host(tmp_path: Path) -> None:
    assert "is a component of its own" in load("end_conference", tmp_path, "local", OPTIONS)


PACKAGES = read_toolkit_yaml(FACTS / "packages.yml")
INTERFACES = read_toolkit_yaml(FACTS / "interfaces.yml")
# What the doubles' own programs run on.
OWN_DEPENDS = {"debconf", "python3"}
# Upstream's packages name it through another one.
IMPLIED = {"ca-certificates": "ca-certificates-java"}


def names(field: str) -> set[str]:
    return {
        item.split()[0] for part in field.split(",") for item in part.split("|") if item.strip()
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_package_depends_on_nothing_more_than_upstream_s(package: str) -> None:
    depends = names(PARTS[package].control.get("Depends", "")) - OWN_DEPENDS
    assert {IMPLIED.get(name, name) for name in depends} <= set(PACKAGES[package]["depends"])


@pytest.mark.parametrize("package", PACKAGES)
def test_package_has_only_scripts_and_questions_of_upstream_s(package: str) -> None:
    scripts = PARTS[package].scripts
    assert set(scripts) <= set(PACKAGES[package]["scripts"])
    text = scripts.get("templates", b"").decode()
    questions = {line.split()[1] for line in text.splitlines() if line.startswith("Template:")}
    assert questions <= set(PACKAGES[package]["questions"])


@pytest.mark.parametrize("package", PACKAGES)
def test_package_has_only_files_where_upstream_has_some(package: str) -> None:
    paths = PACKAGES[package]["paths"]
    folders = tuple(path for path in paths if path.endswith("/"))
    extra = [
        file
        for file in PARTS[package].files
        if file not in paths and not (folders and file.startswith(folders))
    ]
    assert not extra


def test_role_answers_only_questions_of_upstream_s_packages() -> None:
    variables = read_toolkit_yaml(ROOT / "roles/jitsi/vars/main.yml")
    answers = [*variables["__jitsi_answers"], *variables["__jitsi_secret_answers"]]
    assert len(answers) > 5
    for answer in answers:
        assert answer["question"] in PACKAGES[answer["package"]]["questions"], answer["question"]


def test_interfaces_are_a_part_of_upstream_s() -> None:
    bridge = PARTS["jitsi-videobridge2"].files["usr/share/jitsi-videobridge/jvb_double.py"].decode()
    focus = PARTS["jicofo"].files["usr/share/jicofo/jicofo_double.py"].decode()
    addresses = {*INTERFACES["bridge"]["get"], *INTERFACES["bridge"]["post"]}
    assert set(re.findall(r'"(/[a-z/]+)"', bridge)) <= {*addresses, "/enable"}
    assert set(re.findall(r'"(/[a-z/]+)"', focus)) <= set(INTERFACES["jicofo"]["get"])
    assert set(re.findall(r'"(\w*bridge_count)"', focus)) <= set(
        INTERFACES["jicofo"]["bridge_selector"]
    )


def test_statistics_have_upstream_s_names(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = jitsi_packages.SOURCES
    monkeypatch.syspath_prepend(str(sources / "shared"))
    monkeypatch.syspath_prepend(
        str(sources / "jitsi-videobridge2/root/usr/share/jitsi-videobridge")
    )
    double = importlib.import_module("jvb_double")
    settings: dict[str, Any] = {
        "videobridge": {
            "apis": {"xmpp-client": {"configs": {}}},
            "relay": {"enabled": "true", "relay-id": "quito", "region": "andes"},
        }
    }
    statistics = double.bridge_statistics(settings)
    assert set(statistics) - {"double"} <= set(INTERFACES["bridge"]["statistics"])
    assert statistics["relay_id"] == "quito"
    settings["videobridge"]["relay"]["enabled"] = "false"
    assert "relay_id" not in double.bridge_statistics(settings)
