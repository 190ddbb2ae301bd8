"""Services in containers: the variables of each role, secrets, the name of a pool."""

from pathlib import Path

import pytest
from node_samples import node
from pool_samples import ALONE, POOL
from region_samples import SANDBOX, load_sample_region, region_file

from chautari.errors import InvalidRegion
from chautari.region.load import load_region
from chautari.render.placement import public_names_of_node
from chautari_sandbox.spec_for_region import sandbox_spec

DIGEST = "12" * 32


def test_containers_start_after_their_dependencies(tmp_path: Path) -> None:
    roles = node(tmp_path, "bog1", SANDBOX, POOL).roles
    wanted = ("tls", "postgresql", "redis", "containers", "scalelite", "greenlight", "fail2ban")
    assert roles[-7:] == wanted


def test_images_are_pinned_by_digest(tmp_path: Path) -> None:
    found = node(tmp_path, "bog1", SANDBOX, POOL).public
    assert found["greenlight_image"] == f"mirror.example.org/double/g@sha256:{DIGEST}"
    assert sorted(found["containers_images"]) == sorted(
        [found["greenlight_image"], found["scalelite_image"]]
    )


def test_pool_has_the_service_name_and_servers_their_node_names(tmp_path: Path) -> None:
    region = load_sample_region(tmp_path, POOL).region
    assert public_names_of_node(region, "bog1") == (
        "lobby.andes.example.org",
        "rooms.andes.example.org",
    )
    assert public_names_of_node(region, "cal2") == ("rooms-cal2.andes.example.org",)
    found = node(tmp_path, "bog1", SANDBOX, POOL).public
    assert found["scalelite_servers"][0] == {
        "name": "cal1",
        "url": "https://rooms-cal1.andes.example.org/bigbluebutton/api",
    }


def test_client_of_a_pool_has_only_the_secret_of_the_pool(tmp_path: Path) -> None:
    found = node(tmp_path, "bog1", SANDBOX, POOL).secret
    assert found["greenlight_server_secret"] == found["scalelite_secret"] == "Pool" * 12
    assert found["scalelite_server_secret"] == "Canary" * 8
    assert "bigbluebutton_secret" not in found
    assert "scalelite_secret" not in node(tmp_path, "cal1", SANDBOX, POOL).secret


def test_greenlight_uses_the_secret_of_a_single_server(tmp_path: Path) -> None:
    found = node(tmp_path, "bog1", SANDBOX, ALONE)
    assert found.secret["greenlight_server_secret"] == "Canary" * 8
    assert (
        found.public["greenlight_endpoint"] == "https://rooms.andes.example.org/bigbluebutton/api/"
    )


def test_only_a_server_without_a_pool_accepts_sha1(tmp_path: Path) -> None:
    pooled = node(tmp_path, "cal1", SANDBOX, POOL).public["bigbluebutton_checksums"]
    alone = node(tmp_path, "cal1", SANDBOX, ALONE).public["bigbluebutton_checksums"]
    assert ("sha1" in pooled, "sha1" in alone) == (False, True)


def test_redis_listens_where_containers_connect(tmp_path: Path) -> None:
    found = node(tmp_path, "bog1", SANDBOX, POOL)
    assert found.public["redis_port"] == found.public["greenlight_redis_port"] == 6379
    assert found.secret["redis_password"] == found.secret["scalelite_redis_password"]


def test_sandbox_provides_images_and_allows_nested_containers(tmp_path: Path) -> None:
    spec = sandbox_spec(load_sample_region(tmp_path, POOL))
    assert [item.name for item in spec.images] == ["greenlight", "scalelite"]
    assert [item.name for item in spec.nodes if item.nests] == ["bog1"]


def test_several_servers_without_a_pool_are_refused(tmp_path: Path) -> None:
    text = POOL.replace("[greenlight, scalelite]", "[greenlight]")
    with pytest.raises(InvalidRegion, match="or place scalelite on another node"):
        load_sample_region(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[greenlight, scalelite]", "[greenlight, scalelite, nextcloud]", "its own Redis"),
        ("rooms: greenlight", "rooms: greenlight, recordings: true", "in a pool, recordings stay"),
        ("rooms: greenlight", "rooms: none", "no effect if `rooms` is none"),
        ("services: [bigbluebutton]}}", "services: []}}", "no node runs"),
    ],
)
def test_conflicting_settings_are_refused(old: str, new: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRegion, match=why):
        load_sample_region(tmp_path, POOL.replace(old, new))


def test_real_region_pins_its_images_by_digest(tmp_path: Path) -> None:
    lines = POOL.splitlines(keepends=True)
    text = "".join(
        x for x in lines if "sandbox" not in x and "network" not in x and "os_sub" not in x
    )
    file = region_file(tmp_path, text)
    with pytest.raises(InvalidRegion, match=r"no digest is known for Greenlight 3\.8\.2\.4"):
        load_region(file)
    pin = "{%s: {image: docker.io/x/%s, sha256: %s}}\n"
    (file.parent / "artifacts.lock").write_text(
        "greenlight: " + pin % ("3.9.0", "g", DIGEST) + "scalelite: " + pin % ("1.8.6", "s", DIGEST)
    )
    assert load_region(file).releases["greenlight"]["3.9.0"].url == "docker.io/x/g"
    (file.parent / "artifacts.lock").write_text("nextcloud: " + pin % ("35.0.9", "n", DIGEST))
    with pytest.raises(InvalidRegion, match="write only url and sha256"):
        load_region(file)
