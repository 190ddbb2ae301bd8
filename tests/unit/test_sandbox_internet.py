"""Files of the simulated internet: names, certificates, trust, seeds."""

import io
import ipaddress
import json
import ssl
import tarfile
from pathlib import Path

import pytest

from chautari.errors import RunFailed
from chautari.process import CompletedProcess
from chautari_sandbox import (
    boot_archive,
    dns,
    internet_container,
    nodes,
    ssh_keys,
    subnet_conflicts,
    trust_and_proxies,
)
from chautari_sandbox.authority import ensure_authority, ensure_server_certificate
from chautari_sandbox.spec import NodeSpec, SandboxSpec
from chautari_sandbox.state import MailRelay

NODES = (
    NodeSpec("bog1", "198.51.100.10", "12"),
    NodeSpec("med1", "198.51.100.11", "13", ("cloud.example.org", "med1.example.org")),
)
SPEC = SandboxSpec("demo", "example.org", "198.51.100.0/24", NODES)


def test_every_name_has_its_address() -> None:
    assert dns.hosts_file_text(SPEC) == (
        "198.51.100.2 acme.example.org internet.example.org mirror.example.org smtp.example.org\n"
        "198.51.100.10 bog1.example.org\n"
        "198.51.100.11 med1.example.org cloud.example.org\n"
    )


def test_local_resolver_is_replaced_by_its_upstream(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("search example.org\nnameserver 127.0.0.53\n")
    (tmp_path / "b").write_text("nameserver 203.0.113.53\nnameserver 2001:db8::1\n")
    assert (
        dns.reachable_resolvers_text((tmp_path / "a", tmp_path / "b"))
        == "nameserver 203.0.113.53\n"
    )


def test_resolver_that_answers_only_itself_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("nameserver 127.0.0.1\n")
    with pytest.raises(RunFailed, match="accepts requests only from this machine"):
        dns.reachable_resolvers_text((tmp_path / "a",))


def test_server_certificate_is_signed_by_the_authority_and_reused(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path, "demo")
    server = ensure_server_certificate(authority, tmp_path, ("acme.example.org", "198.51.100.2"))
    certificate, _ = server.load()
    certificate.verify_directly_issued_by(authority.load()[0])
    ssl.create_default_context(cafile=str(authority.certificate))
    before = server.certificate.read_bytes()
    ensure_server_certificate(authority, tmp_path, ("acme.example.org", "198.51.100.2"))
    assert server.certificate.read_bytes() == before
    assert server.key.stat().st_mode & 0o777 == 0o600


def test_server_certificate_follows_the_address(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path, "demo")
    first = ensure_server_certificate(authority, tmp_path, ("acme.example.org", "198.51.100.2"))
    before = first.certificate.read_bytes()
    ensure_server_certificate(authority, tmp_path, ("acme.example.org", "198.51.100.66"))
    assert first.certificate.read_bytes() != before


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_internet_archive_is_reproducible(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path, "demo")
    relay = MailRelay("smtp.example.org", 587, "region", "canary-password")
    first = internet_container.build_internet_boot_archive(SPEC, authority, relay, tmp_path)
    assert internet_container.build_internet_boot_archive(SPEC, authority, relay, tmp_path) == first
    files = members(first)
    assert files["etc/chautari-internet/mail.json"].mode == 0o600
    assert files["etc/systemd/system/dnsmasq.service"].linkname == "/dev/null"


def test_node_keeps_its_host_key_and_accepts_the_operator(tmp_path: Path) -> None:
    operator = ssh_keys.ensure_operator_key_file(tmp_path, "demo")
    first = nodes.boot_archive_of_node(NODES[0], "example.org", tmp_path, operator)
    assert nodes.boot_archive_of_node(NODES[0], "example.org", tmp_path, operator) == first
    files = members(first)
    assert files["etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert (files["root/.ssh"].mode, files["root/.ssh/authorized_keys"].mode) == (0o700, 0o600)


def test_host_authorities_are_copied_under_unique_names(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "office.crt").write_text(folder)
    entries = trust_and_proxies.authority_entries(("own", "root"), ("other",), tmp_path)
    paths = [entry.path for entry in entries]
    store = "/usr/local/share/ca-certificates"
    assert paths[3:] == [
        f"{store}/host/00-office.crt",
        f"{store}/host/01-office.crt",
        f"{store}/sandbox/sandbox-0.crt",
        f"{store}/sandbox/sandbox-1.crt",
        f"{store}/neighbours/neighbours-0.crt",
    ]


def test_package_index_is_taken_from_the_environment_first(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://one.example.org/simple\n")
    two = {"PIP_INDEX_URL": "https://two.example.org/simple"}
    assert trust_and_proxies.host_pip_index_url({}, (file,)) == "https://one.example.org/simple"
    assert trust_and_proxies.host_pip_index_url(two, (file,)) == "https://two.example.org/simple"
    assert trust_and_proxies.host_pip_index_url({}, ()) == ""
    assert trust_and_proxies.host_pip_index_url({"PIP_INDEX_URL": "file:///srv/simple"}, ()) == ""


def test_digest_separates_its_parts() -> None:
    assert boot_archive.short_digest("ab", "c") != boot_archive.short_digest("a", "bc")


NETWORK = ipaddress.ip_network("198.51.100.0/24")


def test_network_that_overlaps_a_route_is_refused() -> None:
    routes = json.loads('[{"dst": "default"}, {"dst": "198.51.100.128/25", "dev": "eth0"}]')
    expected = "198.51.100.0/24 overlaps with the route to 198.51.100.128/25 on eth0"
    assert subnet_conflicts.describe_overlapping_route(NETWORK, routes, "") == expected
    assert subnet_conflicts.describe_overlapping_route(NETWORK, routes, "eth0") == ""


def test_network_that_overlaps_an_archive_is_refused() -> None:
    lifelines = [("archive.example.org", "198.51.100.80")]
    expected = "198.51.100.0/24 contains 198.51.100.80, the address of archive.example.org"
    assert subnet_conflicts.describe_server_in_subnet(NETWORK, lifelines) == expected
    assert (
        subnet_conflicts.describe_server_in_subnet(NETWORK, [("its resolver", "203.0.113.1")]) == ""
    )


def test_archive_for_podman_ends_where_podman_stops_reading() -> None:
    packed = boot_archive.build_tar_archive(
        [boot_archive.ArchiveEntry("/etc/motd", b"hello\n", 0o644)]
    )
    assert len(packed) == 4 * tarfile.BLOCKSIZE  # a header, its content, two empty blocks
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames() == ["etc/motd"]


@pytest.mark.parametrize(
    ("routes", "servers", "free"),
    [
        ([], [], "192.0.2.0/25"),
        (["192.0.2.0/24"], [], "198.51.100.0/25"),
        (["192.0.2.0/25"], [("its resolver", "192.0.2.200")], "198.51.100.0/25"),
        (["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"], [], ""),
    ],
)
def test_proposed_network_does_not_collide_again(
    routes: list[str], servers: list[tuple[str, str]], free: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = json.dumps([{"dst": "default"}, *({"dst": route} for route in routes)])
    monkeypatch.setattr(
        subnet_conflicts, "run", lambda argv: CompletedProcess(argv, 0, listed.encode(), b"")
    )
    monkeypatch.setattr(subnet_conflicts, "servers_used_by_host", lambda: tuple(servers))
    assert subnet_conflicts.find_free_subnet_of_same_size("198.51.100.128/25") == free
