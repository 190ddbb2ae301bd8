"""The double of BigBlueButton offers only what upstream's release offers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from region_samples import ROOT

from chautari.toolkit_yaml import read_toolkit_yaml
from chautari_sandbox.doubles.bigbluebutton.program import (
    bbb_conf,
    bbb_record,
    hocon,
    part_servers,
    recording_jobs,
)
from chautari_sandbox.doubles.bigbluebutton.program.api import Api
from chautari_sandbox.doubles.bigbluebutton.program.meeting_store import Meetings
from chautari_sandbox.doubles.bigbluebutton_packages import CORE, DEPENDS, META, SOURCES

FACTS = read_toolkit_yaml(ROOT / "tests/fixtures/upstream/bigbluebutton.yml")
DEFAULTS = ROOT / "tests/fixtures/bigbluebutton"
PROGRAM = SOURCES / "program"
SCRIPTS = "usr/local/bigbluebutton/core/scripts"
SETTINGS = {
    "bbb-apps-akka": "bbb-apps-akka/root/usr/share/bbb-apps-akka/conf/application.conf",
    "bbb-export-annotations": "bbb-export-annotations/root/usr/local/bigbluebutton"
    "/bbb-export-annotations/config/settings.json",
    "bbb-fsesl-akka": "bbb-fsesl-akka/root/usr/share/bbb-fsesl-akka/conf/application.conf",
    "bbb-graphql-middleware": "bbb-graphql-middleware/root/usr/share/bbb-graphql-middleware"
    "/config.yml",
    "bbb-html5": "bbb-html5/root/usr/share/bigbluebutton/html5-client/private/config/settings.yml",
    "bbb-pads": "bbb-pads/root/usr/local/bigbluebutton/bbb-pads/config/settings.json",
    "bbb-webhooks": "bbb-webhooks/root/usr/local/bigbluebutton/bbb-webhooks/config/default.yml",
    "bbb-webrtc-recorder": "bbb-webrtc-recorder/root/etc/bbb-webrtc-recorder"
    "/bbb-webrtc-recorder.yml",
    "bbb-webrtc-sfu": "bbb-webrtc-sfu/root/usr/local/bigbluebutton/bbb-webrtc-sfu/config"
    "/default.yml",
    "etherpad": "bbb-etherpad/root/usr/share/etherpad-lite/settings.json",
    "presentation": f"bbb-playback-presentation/root/{SCRIPTS}/presentation.yml",
    "recording": f"bbb-record-core/root/{SCRIPTS}/bigbluebutton.yml",
    "video": f"bbb-playback-video/root/{SCRIPTS}/video.yml",
}
VARIABLES = {
    "bbb-web.properties": "bbb-web/root/usr/share/bbb-web/WEB-INF/classes/bigbluebutton.properties",
    "bbb-graphql-server.env": "bbb-graphql-server/root/etc/default/bbb-graphql-server",
    "cron.properties": "bbb-config/root/etc/cron.daily/bigbluebutton",
}


def key_paths(tree: Any, above: str = "") -> Iterator[str]:
    """Yield the path of each value; a list of mappings has [] in its path."""
    if isinstance(tree, dict):
        for key, below in tree.items():
            yield from key_paths(below, f"{above}.{key}" if above else str(key))
    elif isinstance(tree, list) and tree and isinstance(tree[0], dict):
        for item in tree:
            yield from key_paths(item, f"{above}[]")
    else:
        yield above


def settings_of(file: Path) -> set[str]:
    """Return the paths of all keys in a file of default settings."""
    if file.suffix == ".conf":
        return set(hocon.read_hocon_file(file))
    read = json.loads if file.suffix == ".json" else yaml.safe_load
    return set(key_paths(read(file.read_text())))


def test_packages_and_what_they_depend_on_exist_upstream() -> None:
    assert set(DEPENDS) - {CORE} <= set(FACTS["packages"])
    assert set(META) == set(FACTS["meta"])
    named = {word for text in DEPENDS.values() for word in re.findall(r"bbb-[a-z0-9-]+", text)}
    assert named <= set(FACTS["packages"])


def test_units_exist_upstream() -> None:
    found = {
        file.name for file in SOURCES.glob("*/root/usr/lib/systemd/system/*.*") if file.is_file()
    }
    assert {"bbb-web.service", "bigbluebutton.target"} <= found <= set(FACTS["units"])
    assert {f"{name}.service" for name in part_servers.PARTS} <= set(FACTS["units"])


def test_places_of_nginx_exist_upstream() -> None:
    files = [*SOURCES.glob("*/root/usr/share/bigbluebutton/nginx/*")]
    assert {file.name for file in files} == set(FACTS["locations"])
    for file in files:
        places = re.findall(r"(?m)^\s*location\s+(.*?)\s*\{$", file.read_text())
        # The page of one person is the double's own: upstream's client is a program for browsers.
        own = {"= /html5client/"} if file.name == "bbb-html5.nginx" else set()
        assert set(places) - own <= set(FACTS["locations"][file.name]), file.name


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_settings_of_the_double_exist_upstream(name: str) -> None:
    found = settings_of(SOURCES / SETTINGS[name])
    assert found, "no setting was found"
    assert found <= set(FACTS["settings"][name])


def test_every_file_of_settings_is_compared() -> None:
    assert set(SETTINGS) == set(FACTS["settings"])


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_variables_of_the_double_exist_upstream(name: str) -> None:
    pattern = re.compile(r"(?m)^(?!#)([\w.]+) ?=")
    found = set(pattern.findall((SOURCES / VARIABLES[name]).read_text()))
    assert found
    assert found <= set(pattern.findall((DEFAULTS / name).read_text()))


def test_calls_of_the_api_exist_upstream(tmp_path: Path) -> None:
    api = Api({}, "3.0.35", Meetings({}, lambda: 0, lambda _: None), tmp_path)
    session = re.search(r"if call in (\(.*\)):", (PROGRAM / "api.py").read_text())
    assert session
    found = {*api.calls, *re.findall(r'"(\w+)"', session[1])}
    assert {"create", "join", "enter"} <= found <= set(FACTS["calls"])


def test_keys_of_answers_exist_upstream() -> None:
    text = "".join(file.read_text() for file in PROGRAM.glob("*.py"))
    makers = "CallRefused|failure_answer|message_elements|create_answer"
    found = set(re.findall(rf'(?:{makers})\(\s*(?:\w+, )?"([\w ]+)"', text))
    assert {"checksumError", "notFound", "duplicateWarning"} <= found
    assert found <= set(FACTS["message_keys"])


def test_elements_of_answers_exist_upstream() -> None:
    text = "".join(file.read_text() for file in PROGRAM.glob("*.py"))
    found = set(re.findall(r'(?:element)\(\s*"(\w+)"', text))
    assert {"meetingID", "attendees", "playback"} <= found <= set(FACTS["elements"])


def test_library_for_apply_config_has_upstream_s_names() -> None:
    text = (SOURCES / "bbb-config/root/usr/lib/bbb-conf/apply-lib.sh").read_text()
    found = set(re.findall(r"(?m)^(\w+)(?:=|\(\))", text))
    assert {"IP", "enableUFWRules"} <= found <= set(FACTS["apply_lib"])


def test_options_of_bbb_conf_exist_upstream() -> None:
    options = set(re.findall(r"^ +--([a-z-]+)", bbb_conf.USAGE, re.M))
    assert {"check", "restart", "status"} <= options <= set(FACTS["options"])


@pytest.mark.parametrize("word", ["--nonsense", "check", "---check", "--c", ""])
def test_unknown_option_of_bbb_conf_is_refused(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bbb_conf.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bbb_conf.settings, "installed_release", lambda: "3.0.35")
    assert bbb_conf.main([word]) == FACTS["usage_exit_code"]
    assert "bbb-conf [options]" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["-check", "--check", "-c"])
def test_option_of_bbb_conf_has_upstream_s_forms(word: str) -> None:
    assert bbb_conf.without_dashes(word) in ("check", "c")


def test_options_of_bbb_record_exist_upstream() -> None:
    options = set(re.findall(r"--([a-z-]+)", bbb_record.USAGE))
    assert {"list", "delete"} <= options <= set(FACTS["bbb_record_options"])


@pytest.mark.parametrize("word", ["--publish", "--unpublish", "list", "delete", "---list", ""])
def test_unknown_option_of_bbb_record_is_refused(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        recording_jobs, "delete_recording_files", lambda *_: pytest.fail("a recording was deleted")
    )
    assert bbb_record.main([word, "0" * 40 + "-1700000000000"]) == FACTS["usage_exit_code"]
    assert "bbb-record [options]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variables", "address"),
    [({}, "0.0.0.0"), ({"HASURA_GRAPHQL_SERVER_HOST": "127.0.0.1"}, "127.0.0.1")],
)
def test_graphql_server_listens_everywhere_unless_an_address_is_set(
    variables: dict[str, str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HASURA_GRAPHQL_SERVER_HOST", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert part_servers.graphql_server_addresses() == [(address, 8085)]
