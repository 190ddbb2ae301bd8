"""Each kind of secret says how it gets a new value, and the page for operators lists it."""

from __future__ import annotations

import re

import pytest
from region_samples import ROOT
from service_samples import BACKUP, region_of

from chautari.backup.secrets import borg_key_name, stored_key_spec
from chautari.federation.signing_key import signing_key_spec
from chautari.region.model import Region
from chautari.secrets.required_secrets import required_secrets
from chautari.secrets.rotation import nodes_with_secrets, rotate_all_deployable, rotate_named
from chautari.secrets.store import SecretStore
from chautari.services.bigbluebutton.secrets import peer_secret_spec
from chautari.services.jitsi.secrets import meeting_starter_password_spec, peer_password_spec
from chautari.services.registry import SERVICES
from chautari.services.secret_spec import Rotation, SecretSpec

PAGE = (ROOT / "docs" / "operators.md").read_text()
NEW_VALUES = {
    Rotation.DEPLOY: "generated",
    Rotation.NAMED: "generated, but only if you specify its name in the command",
    Rotation.PERSON: "by a person",
    Rotation.NEVER: "keeps its value",
}


def specs() -> dict[str, SecretSpec]:
    """Return every kind of secret, with the name that the page gives it."""
    found = [
        meeting_starter_password_spec("NAME"), peer_password_spec("PEER"),
        peer_secret_spec("PEER"), signing_key_spec("portal"),
        stored_key_spec(borg_key_name("NODE", "TARGET")),
    ]  # fmt: skip
    for service in SERVICES.values():
        found += required_secrets(region_of(service))
    for spec in required_secrets(region_of(SERVICES["nextcloud"], **BACKUP)):
        node = spec.node and spec.name.removesuffix(spec.node) + "NODE"
        found.append(spec._replace(name=node) if node else spec)
    return {
        spec.name: spec
        for spec in found
        if spec and not re.fullmatch("jitsi_member_[a-z]+", spec.name)
    }


def table() -> dict[str, str]:
    rows = re.findall(r"^\| (`.+?) \| (.+?) \| .+ \|$", PAGE, re.MULTILINE)
    return {name: value for names, value in rows for name in re.findall("`(.+?)`", names)}


def test_page_lists_every_secret_with_its_kind_of_new_value() -> None:
    assert table() == {name: NEW_VALUES[spec.rotation] for name, spec in specs().items()}


@pytest.mark.parametrize("name", specs())
def test_secret_that_no_deploy_changes_says_what_to_do(name: str) -> None:
    spec = specs()[name]
    assert spec.rotation is Rotation.DEPLOY or spec.rotation_note.endswith(".")
    assert not spec.user_supplied or spec.rotation is Rotation.PERSON


@pytest.mark.parametrize("name", SERVICES)
def test_rotation_changes_what_a_deploy_applies_and_nothing_else(name: str) -> None:
    region = region_of(SERVICES[name])
    old = SecretStore({spec.name: "old" for spec in required_secrets(region)}, ())
    rotated = rotate_all_deployable(region, old, "luz left")
    for spec in required_secrets(region):
        is_new = rotated.secrets[spec.name] != "old"
        assert is_new == (spec.rotation is Rotation.DEPLOY)
        if is_new:
            spec.check(rotated.secrets[spec.name], "andes", ROOT)
        is_due = spec.rotation in (Rotation.NAMED, Rotation.PERSON)
        assert (spec.name in rotated.secrets.due) == is_due


def test_nodes_that_get_a_secret_are_the_ones_to_deploy() -> None:
    region: Region = region_of(SERVICES["jitsi"])
    assert nodes_with_secrets(region, {"jitsi_focus_password"}) == ("bog1",)
    assert nodes_with_secrets(region, {"receipt_key"}) == ()
    assert nodes_with_secrets(region, {"mail_relay_password"}) == tuple(region.nodes)


def test_signing_key_is_replaced_only_by_name() -> None:
    region = region_of(SERVICES["portal"])
    names = [spec.name for spec in required_secrets(region)]
    assert "region_signing_key" in names
    old = SecretStore(dict.fromkeys(names, "old"), (), due={"region_signing_key": "luz left"})
    assert rotate_all_deployable(region, old, "x").secrets["region_signing_key"] == "old"
    new = rotate_named(region, old, ["region_signing_key"], "x").secrets
    assert "OPENSSH" in new["region_signing_key"] and new.due == {}
