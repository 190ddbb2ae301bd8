"""Templates and variables of Jitsi's roles where regions lend bridges to each other."""

import importlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from lending_samples import shared_sides
from prosody import modules_of, read_settings
from region_samples import ROOT
from templates import as_ansible_reads, render, variables
from test_jitsi_settings import SHARED, is_known, paths_of

PEER = {
    "name": "himalaya", "domain": "meet.himalaya.example.org", "user": "peer-andes",
    "certificate": "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n",
    "nickname": "andes-quito",
}  # fmt: skip
CERTIFICATES = "/usr/local/share/ca-certificates"


def template(given: dict[str, Any], name: str) -> Any:
    return Templar(loader=DataLoader(), variables=given).template(given[name])


def bridge(folder: Path, **changed: Any) -> dict[str, Any]:
    return variables(folder, "videobridge", "13", **changed)


def test_bridge_joins_its_own_server_and_those_of_borrowers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SHARED))
    read = importlib.import_module("double_xmpp").read_hocon
    given = bridge(
        tmp_path,
        videobridge_borrowers=[PEER],
        videobridge_borrower_passwords={"himalaya": "p" * 32},
        videobridge_relay_id="andes-quito",
    )
    settings = read(render("videobridge", "jvb.conf.j2", given))
    joined = settings["videobridge"]["apis"]["xmpp-client"]["configs"]
    assert list(joined) == ["meeting", "peer-himalaya"]
    assert joined["meeting"]["USERNAME"] == "jvb"
    assert joined["peer-himalaya"] == {
        "HOSTNAME": "meet.himalaya.example.org",
        "DOMAIN": "auth.meet.himalaya.example.org",
        "USERNAME": "peer-andes",
        "PASSWORD": "p" * 32,
        "MUC_JIDS": "jvbbrewery@internal.auth.meet.himalaya.example.org",
        "MUC_NICKNAME": "andes-quito",
    }
    assert settings["videobridge"]["relay"]["relay-id"] == "andes-quito"
    assert [path for path in paths_of(settings) if not is_known(path)] == []


def test_bridge_without_borrowers_joins_one_server(tmp_path: Path) -> None:
    text = render("videobridge", "jvb.conf.j2", bridge(tmp_path))
    assert "peer-" not in text and 'relay-id = "cusco"' in text


def test_certificates_of_former_borrowers_are_deleted(tmp_path: Path) -> None:
    own = f"{CERTIFICATES}/auth.meet.andes.example.org.crt"
    peer = f"{CERTIFICATES}/auth.meet.himalaya.example.org.crt"
    found = {"files": [{"path": own}, {"path": peer}]}
    alone = bridge(tmp_path, __videobridge_certificates=found)
    assert template(alone, "__videobridge_certificate_files") == [own]
    assert template(alone, "__videobridge_obsolete") == [peer]
    lent = bridge(tmp_path, __videobridge_certificates=found, videobridge_borrowers=[PEER])
    assert template(lent, "__videobridge_certificate_files") == [own, peer]
    assert template(lent, "__videobridge_obsolete") == []
    assert [item["certificate"] for item in template(lent, "__videobridge_servers")][1:] == [
        PEER["certificate"]
    ]


def test_letters_that_are_taken_back_are_deleted(tmp_path: Path) -> None:
    folder = "/etc/chautari-portal/letters"
    found = {"files": [{"path": f"{folder}/{name}.age"} for name in ("a.org", "b.org")]}
    letters = [{"domain": "a.org", "content": "x"}]
    given = variables(tmp_path, "portal", "13", portal_letters=letters, __portal_letter_files=found)
    assert template(given, "__portal_obsolete_letters") == [f"{folder}/b.org.age"]
    given["portal_letters"] = []
    assert len(template(given, "__portal_obsolete_letters")) == 2


def test_letter_reaches_the_node_byte_for_byte(tmp_path: Path) -> None:
    """The descriptor names the digest of the bytes that the portal serves."""
    borrower, _ = shared_sides(tmp_path)
    sealed = borrower.deploy().letters["himalaya"]
    read = as_ansible_reads(borrower.node("cal1"), tmp_path)
    [letter] = read["portal_letters"]
    assert str(letter["content"]).encode() == sealed


def test_letters_are_published_below_one_path(tmp_path: Path) -> None:
    text = render("portal", "site.conf.j2", variables(tmp_path, "portal", "13"))
    assert r"location ~ ^/\.well-known/chautari/letters/(?<portal_letter>[a-z0-9.-]+\.age)$" in text
    assert "alias /etc/chautari-portal/letters/$portal_letter;" in text


def meeting(folder: Path, **changed: Any) -> dict[str, Any]:
    account = {"name": "peer-himalaya", "password": "p" * 32}
    return variables(folder, "jitsi", "13", jitsi_peer_accounts=[account], **changed)


def test_lent_bridge_has_an_account_without_rights(tmp_path: Path) -> None:
    given = meeting(tmp_path, jitsi_remote_bridges=[])
    text = render("jitsi", "prosody.cfg.lua.j2", given)
    assert 'c2s_interfaces = { "*", "::" }' in text
    account = "peer-himalaya@auth.meet.andes.example.org"
    [line] = [line for line in text.splitlines() if account in line]
    assert line.startswith("unlimited_jids = {") and "p" * 32 not in text
    accounts = template(given, "__jitsi_component_accounts")
    assert set(accounts) == {"focus", "jvb", "peer-himalaya"}
    assert accounts["peer-himalaya"] == "p" * 32
    without = variables(tmp_path, "jitsi", "13")
    assert set(template(without, "__jitsi_component_accounts")) == {"focus", "jvb"}


def test_lent_bridge_owns_no_room(tmp_path: Path) -> None:
    rooms = "internal.auth.meet.andes.example.org"
    for accounts, expected in (([], False), ([{"name": "peer-x", "password": "p" * 32}], True)):
        given = variables(tmp_path, "jitsi", "13", jitsi_peer_accounts=accounts)
        (tmp_path / "x.lua").write_text(render("jitsi", "prosody.cfg.lua.j2", given))
        host = read_settings(tmp_path / "x.lua")[rooms]
        assert ("chautari_lent_bridges" in modules_of(host)) is expected
        assert not any("peer-x" in admin for admin in host["options"]["admins"])


LENT_BRIDGES = ROOT / "roles/jitsi/files/mod_chautari_lent_bridges.lua"
# Runs the module's hook for an account that opens a room, and prints what it becomes.
OPEN_ROOM = r"""
package.preload["util.jid"] = function()
	return {
		bare = function(text) return (text:gsub("/.*", "")) end,
		split = function(text) return text:match("^([^@]+)@(.*)$") end,
	}
end
module = { hook = function(_, name, run, priority)
	assert(name == "muc-room-pre-create" and priority < -1)
	local room = { set_affiliation = function(_, actor, account, affiliation)
		print(actor, account, affiliation)
		return true
	end }
	run({ room = room, stanza = { attr = { from = arg[2] } } })
end }
dofile(arg[1])
"""


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ("peer-himalaya@auth.x/ktm2", "true\tpeer-himalaya@auth.x\tnone\n"),
        ("jvb@auth.x/cal1", ""),
        ("focus@auth.x/focus", ""),
        ("auth.x", ""),
    ],
)
def test_module_takes_ownership_from_lent_bridges_only(account: str, expected: str) -> None:
    done = subprocess.run(
        ["lua5.4", "-", LENT_BRIDGES, account],
        input=OPEN_ROOM, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == expected


def test_own_bridges_come_before_lent_ones(tmp_path: Path) -> None:
    focus = render("jitsi", "jicofo.conf.j2", meeting(tmp_path, jitsi_relays=False))
    assert 'local-region = "andes"' in focus
    assert "selection-strategy = RegionBasedBridgeSelectionStrategy" in focus
    assert "octo {\n    enabled = false" in focus
    alone = variables(tmp_path, "jitsi", "13", jitsi_relays=False)
    assert "egion" not in render("jitsi", "jicofo.conf.j2", alone)


@pytest.mark.parametrize("relays", [True, False])
def test_every_key_is_known_upstream(
    relays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SHARED))
    read = importlib.import_module("double_xmpp").read_hocon
    settings = read(render("jitsi", "jicofo.conf.j2", meeting(tmp_path, jitsi_relays=relays)))
    assert [path for path in paths_of(settings) if not is_known(path)] == []


def test_tasks_trust_certificates_before_the_bridge_restarts() -> None:
    tasks = (ROOT / "roles/videobridge/tasks/trust.yml").read_text()
    order = [tasks.index(f"name: {word}") for word in ("Trust", "Find", "Delete", "Check", "Add")]
    assert order == sorted(order)
