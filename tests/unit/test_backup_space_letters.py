"""Space at a peer, on both sides: agreed by letters, rendered for the roles, and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lending_samples import ENDPOINTS, Side, pinned_pair, public_key, take_letter
from region_samples import KEY

from chautari.backup.secrets import public_login_key
from chautari.backup.space_letters import SpaceOffer, SpaceRequest, account_of_borrower
from chautari.federation import letters
from chautari.federation.letters import LetterPublicKeys
from chautari.federation.refusal import PeerRefused
from chautari.federation.shared_capacity import shared_capacity_links

HOST_KEY = " ".join(KEY.split()[:2])
REGION = """\
region: {name}
domain: {name}.example.org
contact: ops@{name}.example.org
operators: {{ana: KEY ana@laptop}}
nodes:
  {first}: {{address: 203.0.113.{number}, port: {port}, services: [nextcloud, portal]}}
mail: {{relay: smtp.example.org, user: region, from: cloud@{name}.example.org}}
federation: {{peers: [{peer}]}}
backup: {{{backup}}}
"""
ANDES = REGION.format(
    name="andes", first="bog1", number=10, port=22, peer="himalaya", backup="to: [himalaya]"
)
HIMALAYA = REGION.format(
    name="himalaya", first="ktm1", number=40, port=2222, peer="andes", backup="give: {andes: 50 GB}"
)
CONTEXT = {"domain": "himalaya.example.org", "peer_networks": ENDPOINTS.peer_networks}
OFFER: dict[str, Any] = {
    "address": "203.0.113.40",
    "port": 2222,
    "host_key": HOST_KEY,
    "account": "backup-andes",
    "quota_mb": 50_000,
}


def sides(folder: Path) -> tuple[Side, Side]:
    """Return the borrower and the giver before their letters; the giver's node was reached."""
    borrower, giver = pinned_pair(Side(folder / "a", ANDES), Side(folder / "b", HIMALAYA))
    (giver.folder / "known_hosts").write_text(f"[203.0.113.40]:2222 {HOST_KEY}\n")
    return borrower, giver


def agreed_sides(folder: Path) -> tuple[Side, Side]:
    borrower, giver = sides(folder)
    take_letter(borrower, giver)
    take_letter(giver, borrower)
    return borrower, giver


def targets(borrower: Side) -> Any:
    return borrower.node("bog1").public["backup_settings"]["targets"]


def logins(giver: Side) -> Any:
    [peer] = giver.node("ktm1").public["backup_space_peers"]
    return peer["logins"]


def test_borrower_learns_where_its_nodes_log_in(tmp_path: Path) -> None:
    borrower, _ = agreed_sides(tmp_path)
    found = borrower.node("bog1")
    assert targets(borrower) == [
        {
            "name": "himalaya",
            "kind": "peer",
            "append_only": True,
            "repository": "ssh://backup-andes@203.0.113.40:2222/./bog1",
        }
    ]
    assert found.public["backup_known_hosts"] == [f"[203.0.113.40]:2222 {HOST_KEY}"]
    assert found.secret["backup_login_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert "backup_space_peers" not in found.public


def test_giver_learns_the_keys_of_the_nodes_and_nothing_more(tmp_path: Path) -> None:
    borrower, giver = agreed_sides(tmp_path)
    [peer] = giver.node("ktm1").public["backup_space_peers"]
    key = public_login_key("bog1", borrower.secrets.values_of_names(borrower.secrets.names))
    assert peer == {
        "name": "andes",
        "account": "backup-andes",
        "quota_mb": 50_000,
        "logins": [{"node": "bog1", "key": key}],
    }
    request = letters.open_letter(borrower.deploy().letters["himalaya"], giver.signing).requests
    assert request == {"backup": {"logins": {"bog1": key}}}
    assert "backup_passphrase" not in giver.node("ktm1").secret


def test_nothing_is_stored_before_the_letters_are_there(tmp_path: Path) -> None:
    borrower, giver = sides(tmp_path)
    assert targets(borrower) == [] and logins(giver) == []
    assert borrower.node("bog1").public["backup_known_hosts"] == []


def test_giver_offers_nothing_before_its_host_key_is_known(tmp_path: Path) -> None:
    borrower, giver = sides(tmp_path)
    (giver.folder / "known_hosts").unlink()
    assert letters.open_letter(giver.deploy().letters["andes"], giver.signing).offers == {}
    take_letter(giver, borrower)
    assert targets(borrower) == []


@pytest.mark.parametrize("who", ["borrower", "giver"])
def test_space_is_taken_back(who: str, tmp_path: Path) -> None:
    borrower, giver = agreed_sides(tmp_path)
    side, other = (borrower, giver) if who == "borrower" else (giver, borrower)
    side.text = "".join(x for x in side.text.splitlines(keepends=True) if "backup" not in x)
    take_letter(side, other)
    if who == "borrower":
        assert logins(giver) == []
        assert "backup" not in borrower.node("bog1").roles
    else:
        assert targets(borrower) == []
        assert "backup_space" not in giver.node("ktm1").roles


def test_space_without_a_request_counts_as_pending(tmp_path: Path) -> None:
    borrower, giver = sides(tmp_path)
    [before] = shared_capacity_links(giver.load().region, "andes", {})
    assert (before.code, before.state) == ("letter_missing", "pending")
    take_letter(borrower, giver)
    [after] = shared_capacity_links(giver.load().region, "andes", giver.deploy().received)
    assert (after.code, after.title) == ("lent", "Space for backups, lent")


@pytest.mark.parametrize(
    "change",
    [
        {"address": "127.0.0.1"},
        {"address": "10.0.0.1"},
        {"address": "203.0.113.40 -oProxyCommand=id"},
        {"address": "cloud.himalaya.example.org"},
        {"port": 0},
        {"port": "22"},
        {"host_key": f"{HOST_KEY}\n* ssh-ed25519 AAAA"},
        {"host_key": f"@cert-authority * {HOST_KEY}"},
        {"host_key": f"{HOST_KEY} comment"},
        {"host_key": "ssh-ed25519 AAAA"},
        {"account": "root"},
        {"account": "backup-andes -x"},
        {"account": "backup-andes\n"},
        {"account": "backup-" + "a" * 26},
        {"quota_mb": 0},
        {"quota_mb": 10**13},
        {"command": "id"},
    ],
    ids=str,
)
def test_hostile_offer_is_refused(change: dict[str, Any]) -> None:
    assert SpaceOffer.model_validate(OFFER, context=CONTEXT)
    with pytest.raises(ValueError):
        SpaceOffer.model_validate(OFFER | change, context=CONTEXT)


@pytest.mark.parametrize(
    "logins",
    [
        {},
        {"../root": HOST_KEY},
        {"bog1\n": HOST_KEY},
        {"bog1": f'command="id" {HOST_KEY}'},
        {"bog1": f"{HOST_KEY}\n{HOST_KEY}"},
        {"bog1": f"{HOST_KEY} comment"},
        {"bog1": "ssh-rsa AAAA"},
        {f"n{number}": HOST_KEY for number in range(41)},
    ],
    ids=lambda value: str(value)[:40],
)
def test_hostile_request_is_refused(logins: dict[str, str]) -> None:
    assert SpaceRequest.model_validate({"logins": {"bog1": HOST_KEY}}, context=CONTEXT)
    with pytest.raises(ValueError):
        SpaceRequest.model_validate({"logins": logins}, context=CONTEXT)


def test_letter_with_a_hostile_offer_is_refused_as_a_whole(tmp_path: Path) -> None:
    borrower, giver = agreed_sides(tmp_path)
    letter = letters.open_letter(giver.deploy().letters["andes"], giver.signing)
    forged = letter.model_copy(update={"offers": {"backup": OFFER | {"account": "root"}}})
    keys = LetterPublicKeys(public_key(giver), public_key(borrower))
    domains = ("himalaya.example.org", "andes.example.org")
    with pytest.raises(PeerRefused) as refused:
        letters.validate_received_letter(forged, keys, domains, ENDPOINTS.peer_networks)
    assert "backup.account" in refused.value.message


def test_account_of_a_long_name_fits_into_linux() -> None:
    names = ["a" * 31, "a" * 30 + "b", "andes"]
    accounts = [account_of_borrower(name) for name in names]
    assert len(set(accounts)) == 3 and max(map(len, accounts)) == 32
    assert accounts[-1] == "backup-andes"
    for account in accounts:
        assert SpaceOffer.model_validate(OFFER | {"account": account}, context=CONTEXT)


def test_ipv6_address_is_written_as_urls_need_it(tmp_path: Path) -> None:
    borrower, giver = sides(tmp_path)
    giver.text = giver.text.replace("203.0.113.40", "'2001:db8::40'")
    (giver.folder / "known_hosts").write_text(f"[2001:db8::40]:2222 {HOST_KEY}\n")
    take_letter(giver, borrower)
    assert targets(borrower)[0]["repository"] == "ssh://backup-andes@[2001:db8::40]:2222/./bog1"
    known = borrower.node("bog1").public["backup_known_hosts"]
    assert known == [f"[2001:db8::40]:2222 {HOST_KEY}"]


def test_peer_cannot_add_its_host_key_to_the_machine_of_another_target(tmp_path: Path) -> None:
    borrower, _ = agreed_sides(tmp_path)
    box = f"box: {{ssh: u1@203.0.113.40, port: 2222, host_key: {HOST_KEY[:-1]}B}}"
    borrower.text = borrower.text.replace(
        "to: [himalaya]", f"to: [himalaya, box], targets: {{{box}}}"
    )
    assert [target["name"] for target in targets(borrower)] == ["box"]
    known = borrower.node("bog1").public["backup_known_hosts"]
    assert known == [f"[203.0.113.40]:2222 {HOST_KEY[:-1]}B"]
