"""Pinned peers in a region's folder, and the key `federation` of `region.yml`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from federation_samples import FEDERATED, NOW, OTHER_KEY, body, peer
from region_samples import ROOT, SANDBOX, region_file

from chautari import __version__
from chautari.errors import InvalidRegion
from chautari.federation import peers, signing_key
from chautari.federation.descriptor import Descriptor, unsigned_descriptor
from chautari.region.load import load_region
from chautari.render.context import NodeContext

NAMING = FEDERATED + "federation: {{peers: [himalaya]}}\n"


def problems(file: Path) -> list[str]:
    with pytest.raises(InvalidRegion) as refused:
        load_region(file)
    return [str(item).replace(str(file.parent), "andes") for item in refused.value.problems]


def test_written_peer_is_read_unchanged(tmp_path: Path) -> None:
    written = peer().model_copy(update={"agreement": "दुई महिना\nDos meses"})
    file = peers.write_pin_file(tmp_path, "himalaya", written)
    assert file == tmp_path / "peers" / "himalaya.json"
    assert peers.read_peer(tmp_path, "himalaya") == written
    assert peers.peer_names(tmp_path) == ["himalaya"]


def test_load_reads_the_named_peers_only(tmp_path: Path) -> None:
    file = region_file(tmp_path, NAMING)
    peers.write_pin_file(file.parent, "himalaya", peer())
    (file.parent / "peers" / "other.json").write_text("damaged")
    assert list(load_region(file).peers) == ["himalaya"]
    assert load_region(file, with_peers=False).peers == {}


def test_load_refuses_a_named_peer_without_a_pin(tmp_path: Path) -> None:
    file = region_file(tmp_path, NAMING)
    assert problems(file) == [
        "andes/region.yml:15:22: federation.peers.0: himalaya is not pinned; run: deploy "
        "federation join andes URL; or remove it from the list"
    ]


def test_load_lists_every_error_of_a_pin_with_its_place(tmp_path: Path) -> None:
    file = region_file(tmp_path, NAMING)
    data = peer().model_dump()
    data["descriptor"]["services"][0]["address"] = "https://bank.example.net/"
    data["url"] = "http://himalaya.example.org/"
    peer_file = peers.write_pin_file(file.parent, "himalaya", peer())
    peer_file.write_text(json.dumps(data, indent=2))
    found = problems(file)
    assert len(found) == 2
    assert all(item.startswith("andes/peers/himalaya.json:") for item in found)
    assert found[0].split(":")[1] == "4"
    assert "is outside of himalaya.example.org" in found[1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("domain", "other.example.org"),
        ("key", signing_key.public_key_of(OTHER_KEY)),
        ("url", "https://himalaya.example.net/.well-known/chautari/region.json"),
    ],
    ids=["domain", "key", "url"],
)
def test_load_refuses_a_pin_that_contradicts_itself(field: str, value: str, tmp_path: Path) -> None:
    file = region_file(tmp_path, NAMING)
    peer_file = peers.write_pin_file(file.parent, "himalaya", peer())
    data = json.loads(peer_file.read_text()) | {field: value}
    peer_file.write_text(json.dumps(data, indent=2))
    assert any(f" {field}: " in item and "restore the file" in item for item in problems(file))


def test_rules_refuse_the_region_itself_and_a_second_entry(tmp_path: Path) -> None:
    text = FEDERATED + "federation: {{peers: [andes, himalaya, himalaya]}}\n"
    file = region_file(tmp_path, text)
    peers.write_pin_file(file.parent, "himalaya", peer())
    found = problems(file)
    assert any("federation.peers.0: this is the region itself" in item for item in found)
    assert any("federation.peers.2: himalaya is already in the list" in item for item in found)


def test_rules_require_a_published_descriptor(tmp_path: Path) -> None:
    file = region_file(tmp_path, NAMING.replace(", portal]", "]"))
    peers.write_pin_file(file.parent, "himalaya", peer())
    assert problems(file) == [
        "andes/region.yml:15:14: federation.peers: no node runs portal, which publishes the "
        "region's descriptor for its peers; add it to a node: services: [portal]"
    ]


def test_descriptor_body_describes_the_region(tmp_path: Path) -> None:
    file = region_file(tmp_path, NAMING)
    peers.write_pin_file(file.parent, "himalaya", peer())
    context = NodeContext(load_region(file), SANDBOX, "bog1")
    assert unsigned_descriptor(context) == {
        "format": 1,
        "region": "andes",
        "domain": "andes.example.org",
        "contact": "ops@andes.example.org",
        "languages": ["es", "en"],
        "services": [
            {
                "service": "nextcloud",
                "title": "Nextcloud",
                "address": "https://cloud.andes.example.org/",
                "version": "35.0.1",
            },
            {
                "service": "portal",
                "title": "Front page",
                "address": "https://andes.example.org/",
                "version": __version__,
            },
        ],
        "peers": ["himalaya.example.org"],
    }


@pytest.mark.parametrize("region", sorted((ROOT / "tests/fixtures/valid").glob("**/*.yml")))
def test_descriptor_body_of_every_valid_region_makes_a_descriptor(
    region: Path, tmp_path: Path
) -> None:
    context = NodeContext(load_region(region), SANDBOX, "")
    issued = {key: body(NOW)[key] for key in ("key", "serial", "issued", "expires")}
    data = unsigned_descriptor(context) | issued
    assert Descriptor.model_validate(data).serial == NOW
    schema = json.loads((ROOT / "schemas/descriptor.schema.json").read_text())
    jsonschema.validate(data, schema)
