"""The doubles of Jitsi's packages offer nothing that upstream's packages lack."""

import importlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from region_samples import ROOT

from chautari.files import read_toolkit_yaml
from chautari_sandbox.doubles import jitsi_packages

FACTS = ROOT / "tests/fixtures/jitsi"
PROSODY = read_toolkit_yaml(FACTS / "prosody.yml")
PARTS = {part.control["Package"]: part for part in jitsi_packages.packages("2.0.11248")}
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


def load(name: str, tmp_path: Path, kind: str, options: dict[str, str]) -> str:
    """Load a module of the double as Prosody does, and return its error."""
    (tmp_path / "mod.lua").write_text(PLUGINS[name])
    known = ", ".join(f"{key} = {value!r}" for key, value in options.items())
    program = (
        f"local options = {{ {known} }}\n"
        "module = { get_option = function(_, key) return options[key] end,\n"
        f"  get_host_type = function() return {kind!r} end }}\n"
        f"local ok, why = pcall(dofile, {str(tmp_path / 'mod.lua')!r})\nprint(ok or why)"
    )
    done = subprocess.run(
        ["lua5.4", "-"], input=program, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


OPTIONS = {"muc_component": "conference.example.org", "muc_mapper_domain_base": "example.org"}


def test_component_loads_with_its_options(tmp_path: Path) -> None:
    assert load("end_conference", tmp_path, "component", OPTIONS) == "true"


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
    statistics = double.statistics(settings)
    assert set(statistics) - {"double"} <= set(INTERFACES["bridge"]["statistics"])
    assert statistics["relay_id"] == "quito"
    settings["videobridge"]["relay"]["enabled"] = "false"
    assert "relay_id" not in double.statistics(settings)
