"""What the role nextcloud gets to know of pinned peers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from federation_samples import ADDRESS, DOMAIN, FEDERATED, body, peer
from region_samples import SANDBOX, load_sample_region

from chautari.federation.peers import PinnedPeer
from chautari.render.context import NodeContext, Variables
from chautari.services.nextcloud.federation import federation_variables


def variables(folder: Path, peers: dict[str, PinnedPeer], text: str = FEDERATED) -> Variables:
    found = load_sample_region(folder, text)
    return federation_variables(
        NodeContext(
            found._replace(peers=peers), replace(SANDBOX, peer_networks=("203.0.113.0/24",)), "bog1"
        )
    )


def with_nextcloud_at(address: str, **changes: Any) -> PinnedPeer:
    [service] = body()["services"]
    return peer(services=[service | {"address": address}], **changes)


def test_role_gets_the_address_of_each_peer_s_nextcloud(tmp_path: Path) -> None:
    found = variables(tmp_path, {"himalaya": peer()})
    assert found == {
        "nextcloud_peers": [
            {
                "name": "himalaya",
                "url": f"https://cloud.{DOMAIN}",
                "descriptor_url": ADDRESS.url,
                "lists_us": True,
            }
        ],
        "nextcloud_peer_networks": ["203.0.113.0/24"],
        "nextcloud_address_books": False,
        "nextcloud_region_domain": "andes.example.org",
        "nextcloud_ocm_providers_url": (
            "https://andes.example.org/.well-known/chautari/ocm-providers.json"
        ),
    }


def test_role_learns_whether_the_peer_lists_this_region(tmp_path: Path) -> None:
    [found] = variables(tmp_path, {"himalaya": peer(peers=[])})["nextcloud_peers"]
    assert found["lists_us"] is False


@pytest.mark.parametrize("address", [f"https://{DOMAIN}/nextcloud/", f"https://{DOMAIN}/a"])
def test_a_nextcloud_below_a_path_is_left_out(address: str, tmp_path: Path) -> None:
    found = variables(tmp_path, {"himalaya": with_nextcloud_at(address)})
    assert found["nextcloud_peers"] == []
    assert found["nextcloud_ocm_providers_url"] == ""


def test_region_without_peers_and_peer_without_nextcloud_need_nothing(tmp_path: Path) -> None:
    for number, peers in enumerate(({}, {"himalaya": peer(services=[])})):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = variables(folder, peers)
        assert found["nextcloud_peers"] == []
        assert found["nextcloud_ocm_providers_url"] == ""


def test_region_decides_about_its_list_of_people(tmp_path: Path) -> None:
    text = FEDERATED + "federation: {{address_books: true}}\n"
    found = variables(tmp_path, {"himalaya": peer()}, text)
    assert found["nextcloud_address_books"] is True
