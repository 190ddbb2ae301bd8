"""Rooms in Nextcloud open meetings of BigBlueButton: pin, settings and double of the app."""

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from region_samples import KEY, SANDBOX, load_sample_region, region_file

from chautari.errors import InvalidRegion
from chautari.region.load import load_region
from chautari.render.context import NodeContext, Variables
from chautari.render.endpoints import PUBLIC_INTERNET, Endpoints
from chautari.render.variables import variables_of_node
from chautari.secrets.store import SecretStore
from chautari.services.artifacts import Artifact
from chautari.services.bigbluebutton.variables import api_digest_algorithms
from chautari.services.nextcloud import releases
from chautari_sandbox.doubles.nextcloud_bbb_app import SOURCES, build_nextcloud_bbb_app
from chautari_sandbox.spec_for_region import sandbox_spec

REGION = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
sandbox:
  network: 203.0.113.0/24
  os_substitutes: {{ubuntu-22.04: {{os: debian-12, memory_mb: 900, cores: 1}}}}
operators: {{ana: {key} ana@laptop}}
nodes:
  bog1: {{address: 203.0.113.20, os: OS, services: [nextcloud]}}
  cal1: {{address: 203.0.113.21, os: ubuntu-22.04, services: [bigbluebutton]}}
services:
  nextcloud: {{apps: []}}
  bigbluebutton: {{rooms: ROOMS}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
"""
PIN = "bbb:\n  2.9.4: {url: 'https://mirror.example.org/bbb-v2.9.4.tar.gz', sha256: '%s'}\n"
SECRETS = SecretStore(
    {
        "mail_relay_password": "canary-relay",
        "nextcloud_admin_password": "canary-admin",
        "nextcloud_database_password": "canary-database",
        "nextcloud_check_password": "canary-check",
        "bigbluebutton_secret": "canarySecret0123456789012345678901234567",
        "bigbluebutton_turn_secret": "canary-turn",
    },
    (),
)


def region(os: str = "debian-12", rooms: str = "nextcloud") -> str:
    return REGION.replace("OS", os).replace("ROOMS", rooms)


def cloud(folder: Path, text: str, endpoints: Endpoints = PUBLIC_INTERNET) -> Variables:
    found = variables_of_node(
        NodeContext(load_sample_region(folder, text), endpoints, "bog1"), SECRETS
    )
    return found.public | found.secret


def test_rooms_install_the_app_with_server_and_secret(tmp_path: Path) -> None:
    found = cloud(tmp_path, region())
    [app] = found["nextcloud_apps"]
    assert app["name"] == "bbb"
    assert app["url"].endswith(f"/bbb-v{app['version']}.tar.gz")
    assert found["nextcloud_bigbluebutton_url"] == "https://rooms.andes.example.org/bigbluebutton/"
    assert found["nextcloud_bigbluebutton_secret"].startswith("canarySecret")


def test_region_without_rooms_installs_no_app(tmp_path: Path) -> None:
    found = cloud(tmp_path, region(rooms="none"))
    assert found["nextcloud_apps"] == []
    assert found["nextcloud_bigbluebutton_url"] == ""
    assert "nextcloud_bigbluebutton_secret" not in found


def test_app_without_a_checksum_is_reported_and_never_installed(tmp_path: Path) -> None:
    found = cloud(tmp_path, region("debian-13"))
    assert found["nextcloud_apps"] == []
    assert found["nextcloud_missing_apps"] == [
        {"name": "bbb", "reason": "no release of this app is pinned for Nextcloud 35.0.1"}
    ]


def test_nextcloud_on_ubuntu_is_refused_without_an_internal_error(tmp_path: Path) -> None:
    text = REGION.replace("os: OS", "os: ubuntu-24.04").replace("ROOMS", "nextcloud")
    start, end = text.index("sandbox:"), text.index("operators:")
    file = region_file(tmp_path, text[:start] + text[end:])
    with pytest.raises(InvalidRegion, match="Nextcloud requires debian-12 or debian-13"):
        load_region(file)


def test_pin_of_the_region_comes_first(tmp_path: Path) -> None:
    file = region_file(tmp_path, region("debian-13"), KEY)
    (file.parent / "artifacts.lock").write_text(PIN % ("ab" * 32))
    app = releases.rooms_app_release("35.0.1", load_region(file).releases)
    assert (app.version, app.sha256) == ("2.9.4", "ab" * 32)


def test_newest_of_several_pins_is_used() -> None:
    pins = {"bbb": {v: Artifact("bbb", v, "https://example.org", "ab" * 32) for v in VERSIONS}}
    assert releases.rooms_app_release("35.0.1", pins).version == "2.10.0"


VERSIONS = ("2.9.4", "2.10.0", "2.9.10")


def test_sandbox_double_replaces_the_app(tmp_path: Path) -> None:
    double = Artifact("bbb", "2.9.4", "http://mirror.example.org/bbb-v2.9.4.tar.gz", "cd" * 32)
    surroundings = replace(SANDBOX, artifacts=SANDBOX.artifacts | {"bbb": double})
    [app] = cloud(tmp_path, region("debian-13"), surroundings)["nextcloud_apps"]
    assert app["sha256"] == "cd" * 32


@pytest.mark.parametrize(("os", "version"), [("debian-12", "2.9.3"), ("debian-13", "2.9.4")])
def test_sandbox_provides_the_app(os: str, version: str, tmp_path: Path) -> None:
    required = {
        item.name: item for item in sandbox_spec(load_sample_region(tmp_path, region(os))).wanted
    }
    assert required["bbb"].version == version
    assert required["bbb"].file == f"bbb-v{version}.tar.gz"


def test_server_accepts_weak_checksums_only_with_the_app(tmp_path: Path) -> None:
    weak = load_sample_region(tmp_path, region()).region
    strong = load_sample_region(tmp_path, region(rooms="none")).region
    assert api_digest_algorithms(weak)[0] == "sha1"
    assert "sha1" not in api_digest_algorithms(strong)


def test_double_of_the_app_is_reproducible(tmp_path: Path) -> None:
    first, second = (
        build_nextcloud_bbb_app("2.9.4", tmp_path / "a"),
        build_nextcloud_bbb_app("2.9.4", tmp_path / "b"),
    )
    assert first.name == "bbb-v2.9.4.tar.gz"
    assert first.read_bytes() == second.read_bytes()


def test_double_of_the_app_names_itself_a_double(tmp_path: Path) -> None:
    with tarfile.open(build_nextcloud_bbb_app("2.9.3", tmp_path)) as tar:
        info = tar.extractfile("bbb/appinfo/info.xml")
        assert info is not None
        text = info.read().decode()
        names = set(tar.getnames())
    assert "<version>2.9.3</version>" in text
    assert "(double)" in text
    assert "bbb/double.php" in names
    assert "double" in (SOURCES / "README.md").read_text().splitlines()[0].lower()


@pytest.mark.parametrize("version", ["2.9", "v2.9.4", "../2.9.4", ""])
def test_double_of_the_app_refuses_an_invalid_version(version: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a version of the app"):
        build_nextcloud_bbb_app(version, tmp_path)
