"""No stored value reaches a settings file or a terminal in another form than it must have."""

from pathlib import Path

import pytest
from region_samples import KEY
from service_samples import BACKUP, region_of, secrets_of

from chautari.errors import BadInput
from chautari.region.load import LoadedRegion
from chautari.secrets.required_secrets import required_secrets
from chautari.secrets.store import SecretStore
from chautari.secrets.value_checks import check_values
from chautari.services.registry import SERVICES

STORED_KEY = "BORG_KEY " + "ab" * 32 + "\naGVsbG8=\n"
HOSTILE = {
    "a line end": "{}\nEVIL=1",
    "a line end at the end": "{}\n",
    "a carriage return": "{}\rEVIL=1",
    "a NUL": "{}\0",
    "an escape": "\x1b[2J{}",
    "a line separator": "{}\u2028EVIL=1",
    "nothing": "",
    "a space at the end": "{} ",
    "a megabyte": "{}" + "a" * 1_000_000,
}


def region(name: str) -> LoadedRegion:
    more = BACKUP if name == "nextcloud" else {}
    return LoadedRegion(Path("inventories/andes"), region_of(SERVICES[name], **more), {})


def refusal(found: LoadedRegion, values: dict[str, str]) -> str:
    with pytest.raises(BadInput) as refused:
        check_values(found, SecretStore(values, [KEY]))
    return str(refused.value)


@pytest.mark.parametrize("name", SERVICES)
def test_generated_values_of_every_service_are_accepted(name: str) -> None:
    found = region(name)
    check_values(found, secrets_of(found.region))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", SERVICES)
def test_hostile_value_of_every_secret_is_refused_by_name(name: str, kind: str) -> None:
    found = region(name)
    good = secrets_of(found.region)
    for spec in required_secrets(found.region):
        value = good[spec.name]
        if value.endswith("\n") and kind == "a line end at the end":
            continue  # a private key ends so
        said = refusal(found, {spec.name: HOSTILE[kind].format(value)})
        assert said.startswith(f"inventories/andes/secrets.age: the secret {spec.name} (")
        assert f"deploy secrets set andes {spec.name}" in said and "git" in said
        assert value.split("\n")[0] not in said and "EVIL" not in said and len(said) < 1000


@pytest.mark.parametrize("value", ['a"b' + "c" * 30, "a b" + "c" * 30, "a$b" + "c" * 30, "short"])
@pytest.mark.parametrize(
    ("service", "secret"),
    [("greenlight", "greenlight_database_password"), ("greenlight", "greenlight_key"),
     ("greenlight", "containers_redis_password"), ("scalelite", "scalelite_database_password"),
     ("scalelite", "scalelite_key"), ("scalelite", "scalelite_secret"),
     ("jitsi", "jitsi_focus_password"), ("jitsi", "jitsi_turn_secret"),
     ("bigbluebutton", "bigbluebutton_turn_secret")],
)  # fmt: skip
def test_value_that_needs_quotes_in_a_settings_file_is_refused(
    service: str, secret: str, value: str
) -> None:
    said = refusal(region(service), {secret: value})
    assert f"the secret {secret} " in said and value not in said


def test_key_of_a_repository_must_be_one_that_borg_exported() -> None:
    found = region("nextcloud")
    name = "backup_borg_key_bog1_disk"
    check_values(found, SecretStore({name: STORED_KEY}, ()))
    for value in (f"{STORED_KEY}\nmore: 1\n", "x", STORED_KEY.replace("a", "\x1b", 1)):
        assert f"the secret {name} " in refusal(found, {name: value})


def test_secret_of_a_removed_service_may_have_lines_but_nothing_hidden() -> None:
    found = region("portal")
    check_values(found, SecretStore({"of_an_old_service": "-----BEGIN X-----\nAAAA\n"}, ()))
    said = refusal(found, {"of_an_old_service": "a\x1b[2J"})
    assert "the secret of_an_old_service contains the hidden character U+001B" in said
