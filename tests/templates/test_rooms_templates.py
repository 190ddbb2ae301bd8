"""The settings of the app bbb in the role nextcloud, evaluated by Ansible's templar."""

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from templates import variables

ROLE = Path(__file__).parents[2] / "roles" / "nextcloud"
URL = "https://rooms.andes.example.org/bigbluebutton/"
# Each key that we set, with the reason and upstream's default.
REASONS = {
    "api.url": "the region's server",
    "api.secret": "and its secret",
    "api.meta_analytics-callback-url": "no events of meetings are kept; upstream: none",
    "app.navigation": "people find their rooms in the menu; upstream: hidden in the settings",
    "app.navigation.name": "in words that people know; upstream: BBB",
    "app.shortener": "invitations pass over no third party; upstream: none",
    "join.mediaCheck": "people see their camera before others do; upstream: the same",
    "join.theme": "the style sheet names classes of old releases; upstream: off",
}


def value(name: str, **given: Any) -> Any:
    templar = Templar(loader=DataLoader(), variables=given)
    return templar.template(given[name])


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    found = variables(tmp_path, "nextcloud", "12")
    return found | {
        "nextcloud_bigbluebutton_url": URL,
        "nextcloud_bigbluebutton_secret": "canary",
    }


def test_every_setting_of_the_app_has_a_reason(given: dict[str, Any]) -> None:
    rooms = value("__nextcloud_rooms", **given)
    assert set(rooms) == set(REASONS)
    assert (rooms["api.url"], rooms["api.secret"]) == (URL, "canary")
    assert (rooms["app.shortener"], rooms["api.meta_analytics-callback-url"]) == ("", "")


def test_settings_are_texts_as_the_import_expects(given: dict[str, Any]) -> None:
    assert all(isinstance(text, str) for text in value("__nextcloud_rooms", **given).values())


@pytest.mark.parametrize(
    ("language", "name"), [("es", "Reuniones"), ("pt_BR", "Reuniões"), ("de", "Meetings")]
)
def test_rooms_are_named_in_the_region_s_language(
    language: str, name: str, given: dict[str, Any]
) -> None:
    found = value("__nextcloud_rooms", **given | {"nextcloud_languages": [language]})
    assert found["app.navigation.name"] == name


def test_app_is_removed_only_without_a_server(given: dict[str, Any]) -> None:
    assert "bbb" not in value("__nextcloud_unwanted_apps", **given)
    without = given | {"nextcloud_bigbluebutton_url": ""}
    assert "bbb" in value("__nextcloud_unwanted_apps", **without)


def test_secret_is_never_an_argument_of_a_command() -> None:
    for task in _tasks():
        command = task.get("ansible.builtin.command", {})
        assert "secret }}" not in str(command.get("argv")), task["name"]
        if "stdin" in command or "--private" in str(command):
            assert task["no_log"] is True, task["name"]


def _tasks() -> list[dict[str, Any]]:
    file = ROLE / "tasks" / "rooms.yml"
    return list(DataLoader().load_from_file(str(file), trusted_as_template=True))
