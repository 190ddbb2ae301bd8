"""`deploy lock`: from a region without a pin to one that loads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pinning_samples import POLLS as POLLS_PATH
from pinning_samples import Answer, Upstream, polls_archive
from region_samples import POLLS, load_sample_region, region_file

from chautari.cli import main
from chautari.deploy.pinning import download, download_routes, image_digest, release_verification
from chautari.deploy.pinning.download import AllowedServers
from chautari.deploy.pinning.refusal import PinRefused
from chautari.errors import InvalidRegion
from chautari.node import download_digest
from chautari.region.load import load_region, missing_pins
from chautari.services.artifact_sources import MissingPin
from chautari.ssh.runner_client import RunnerReply
from chautari.ssh.target import SSHTarget

REAL = POLLS.replace("sandbox: {{network: 203.0.113.0/24}}\n", "")
IMAGES = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
operators: {{ana: {key} ana@laptop}}
nodes:
  bog1: {{address: 203.0.113.20, os: ubuntu-22.04, services: [bigbluebutton]}}
  med1: {{address: 203.0.113.21, os: debian-12, services: [greenlight]}}
services:
  bigbluebutton: {{host: rooms, rooms: greenlight}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
"""
MANIFEST = json.dumps({"schemaVersion": 2, "manifests": []}).encode()


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    monkeypatch.setattr(download, "PAUSES", (0,) * 6)
    (tmp_path / "up").mkdir()
    found = Upstream(tmp_path / "up")
    source = found.sources()["polls"]
    monkeypatch.setattr(
        release_verification,
        "archive_sources_by_name",
        lambda: {"framadate": source._replace(name="framadate")},
    )
    monkeypatch.setattr(
        release_verification.LockRequest,
        "allowed_servers",
        lambda *_: AllowedServers((), found.ca_file),
    )
    found.put("/polls-1.1.19.zip", polls_archive("1.1.19"))
    yield found
    found.close()


def deploy(*arguments: str) -> Any:
    return CliRunner().invoke(main.deploy, arguments, standalone_mode=False)


def test_region_without_a_pin_gets_one(upstream: Upstream, tmp_path: Path) -> None:
    file = region_file(tmp_path, REAL)
    with pytest.raises(InvalidRegion, match="run: deploy lock andes"):
        load_region(file)
    assert deploy("lock", "andes").return_value == 1
    assert not (file.parent / "artifacts.lock").exists()
    done = deploy("lock", "andes", "--yes")
    assert done.return_value == 0 and "pinned framadate 1.1.19 (only over this" in done.stdout
    assert load_region(file).releases["framadate"]["1.1.19"].sha256 == hashlib.sha256(
        polls_archive("1.1.19")).hexdigest()  # fmt: skip
    again = deploy("lock", "andes")
    assert again.return_value == 0 and "Every release that andes needs is pinned" in again.stdout


def test_refusal_is_printed_with_its_fix(upstream: Upstream, tmp_path: Path) -> None:
    region_file(tmp_path, REAL)
    done = deploy("lock", "andes")
    assert "refused framadate 1.1.19: framadate 1.1.19 was downloaded only over" in done.stdout
    assert "  Fix: add a second source: --via-node NODE" in done.stdout
    found = json.loads(deploy("lock", "andes", "--json").stdout)
    [refused] = found["refused"]
    assert (found["ok"], refused["code"], refused["version"]) == (False, "one_way", "1.1.19")


def test_node_is_a_second_way(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    region_file(tmp_path, REAL)
    good = hashlib.sha256(polls_archive("1.1.19")).hexdigest()
    answer = {"event": "artifact_digest", "sha256": good, "size": 1, "error": ""}
    asked: list[Any] = []

    def call(target: SSHTarget, arguments: Any, _: Any) -> RunnerReply[Any]:
        asked.append((target.name, arguments["url"]))
        return RunnerReply(answer, 0, "")

    monkeypatch.setattr(download_routes, "call_runner", call)
    answer["sha256"] = "ab" * 32
    found = json.loads(deploy("lock", "andes", "--via-node", "bog1", "--yes", "--json").stdout)
    assert [item["code"] for item in found["refused"]] == ["ways_differ"]
    answer["sha256"], answer["error"] = "", "Name or service not known"
    found = json.loads(deploy("lock", "andes", "--via-node", "bog1", "--yes", "--json").stdout)
    assert [item["code"] for item in found["refused"]] == ["digest_unknown"]
    answer["sha256"], answer["error"] = good, ""
    done = deploy("lock", "andes", "--via-node", "bog1")
    assert "(the same file over this machine's connection and the node bog1)" in done.stdout
    assert asked[0] == ("bog1", f"{upstream.url}/polls-1.1.19.zip")


def test_images_need_a_digest(tmp_path: Path, upstream: Upstream) -> None:
    file = region_file(tmp_path, IMAGES)
    with pytest.raises(InvalidRegion, match="no digest is known for Greenlight"):
        load_region(file)
    loaded = load_region(file, with_pins=False)
    assert missing_pins(loaded.region, loaded.releases) == [MissingPin("greenlight", "3.8.2.4")]


def test_image_digest_is_computed_from_what_arrives(upstream: Upstream) -> None:
    path = "/v2/group/app/manifests/v1"
    image = f"{upstream.url.removeprefix('https://')}/group/app"
    origin = AllowedServers((), upstream.ca_file)
    lie = {"Docker-Content-Digest": "sha256:" + "ab" * 32}
    upstream.put(path, MANIFEST, headers=lie)
    expected = (hashlib.sha256(MANIFEST).hexdigest(), len(MANIFEST))
    assert image_digest.fetch_manifest(image, "v1", origin)[:2] == expected
    for wrong in (b"<html>", b"{}", b"[]", b'{"schemaVersion": 1, "layers": []}'):
        upstream.put(path, wrong)
        with pytest.raises(PinRefused, match="did not send a description of the image"):
            image_digest.fetch_manifest(image, "v1", origin)


def test_token_is_only_fetched_from_the_registry_itself(upstream: Upstream) -> None:
    challenge = {"realm": f"{upstream.url}/token", "service": "x"}
    upstream.answers["/token?service=x&scope=repository%3Aapp%3Apull"] = Answer(b'{"token": "t"}')
    origin = AllowedServers((), upstream.ca_file)
    assert image_digest._fetch_read_token("localhost", "app", challenge, origin) == "t"
    with pytest.raises(PinRefused, match="redirects to https://mallory"):
        image_digest._fetch_read_token(
            "localhost", "app", {"realm": "https://mallory.example.org"}, origin
        )


def test_sandbox_needs_no_pins(tmp_path: Path) -> None:
    loaded = load_sample_region(tmp_path, POLLS)
    assert missing_pins(loaded.region, {}) == []


@pytest.mark.parametrize("text", ["framadate", "=1", "framadate=", "framadate=1 2", "a=../x"])
def test_wanted_release_has_a_form(text: str) -> None:
    with pytest.raises(ValueError):
        release_verification.parse_name_equals_version(text)


def test_wanted_release_is_of_a_known_artifact() -> None:
    assert release_verification.parse_name_equals_version("greenlight=3.9.0") == MissingPin(
        "greenlight", "3.9.0"
    )
    with pytest.raises(PinRefused, match="no service uses an archive or image called deckk"):
        release_verification.parse_name_equals_version("deckk=1.0.0")


def test_upgrade_shows_what_it_would_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    region_file(tmp_path)
    newer = {"nextcloud": "35.0.9", "deck": "1.20.0"}

    def compare(_: Any) -> Any:
        items = [
            {"name": name, "version": "1.0.0", "nodes": ["med1"], "newest": version,
             "newest_of_series": version, "source": "https://git.example.org"}
            for name, version in [*newer.items(), ("jitsi", "2.0.1")]
        ]  # fmt: skip
        return {"outdated": items, "releases_unknown": []}

    monkeypatch.setattr("chautari.deploy.pinning.upgrades.compare_with_upstream", compare)
    done = deploy("lock", "andes", "--upgrade")
    assert "Pin: deploy lock andes --pin nextcloud=35.0.9" in done.stdout
    assert "To upgrade, change region.yml: services: {nextcloud: {version: 35.0.9}}" in done.stdout
    assert "Pin: deploy lock andes --pin deck=1.20.0\n  To upgrade: deploy." in done.stdout
    assert "To upgrade: install a new version of Chautari, then deploy." in done.stdout
    found = json.loads(deploy("lock", "andes", "--upgrade", "--json").stdout)["upgrades"]
    assert [item["pin"] for item in found] == ["nextcloud=35.0.9", "deck=1.20.0", ""]
    assert not (tmp_path / "andes" / "artifacts.lock").exists()


def test_node_digests_only_https_of_the_named_hosts(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", upstream.ca_file)
    answer = download_digest.artifact_digest_answer
    good = answer(upstream.url + POLLS_PATH, (), 100_000, {})
    assert (good["sha256"], good["error"]) == (hashlib.sha256(polls_archive()).hexdigest(), "")
    upstream.put("/r", b"", status=302, headers={"Location": "https://mallory.example.org/"})
    assert "redirects to another host" in answer(f"{upstream.url}/r", (), 100, {})["error"]
    assert "too large" in answer(upstream.url + POLLS_PATH, (), 10, {})["error"]
    assert answer("http://localhost/x.zip", (), 10, {})["error"] == "not an address with https"
    upstream.put("/short", b"abc", headers={"Content-Length": "9"})
    upstream.answers["/short"].cuts = [3]
    assert answer(f"{upstream.url}/short", (), 100, {})["error"]
