"""Fingerprints of host keys, as ssh-keygen prints them, and keys that a region names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from region_samples import REGION, load_sample_region

from chautari.errors import BadInput
from chautari.region.ssh_key_types import to_host_key_fingerprint
from chautari.ssh.known_hosts import (
    check_known_hosts_match_region,
    compute_key_fingerprint,
    find_known_hosts_lines,
)


def make_key(folder: Path, kind: str) -> tuple[str, str]:
    """Return a new public key and its fingerprint, both as OpenSSH prints them."""
    file = folder / kind
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file], check=True)
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", file], capture_output=True, text=True, check=True
    )
    return (folder / f"{kind}.pub").read_text(), listed.stdout.split()[1]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_fingerprint_is_the_one_of_openssh(kind: str, tmp_path: Path) -> None:
    public, expected = make_key(tmp_path, kind)
    assert compute_key_fingerprint(public.split()[1]) == expected
    assert to_host_key_fingerprint(public) == to_host_key_fingerprint(expected) == expected


@pytest.mark.parametrize(
    "value", ["", "SHA256:abc", "MD5:aa:bb", "ssh-ed25519 AAAA", "ssh-rsa AAAAC3NzaC1lZDI1NTE5"]
)
def test_value_that_is_no_host_key_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="not a host key"):
        to_host_key_fingerprint(value)


def test_private_host_key_is_named() -> None:
    with pytest.raises(ValueError, match="this is a private key, which must never leave the node"):
        to_host_key_fingerprint("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")


def test_pins_belong_to_an_address_and_a_port() -> None:
    text = "a.example.org,203.0.113.1 ssh-rsa AAAA\n[203.0.113.1]:2222 ssh-rsa BBBB c\n# x\n|1|h\n"
    assert [pin.fingerprint for pin in find_known_hosts_lines(text, "203.0.113.1", 22)] == [
        compute_key_fingerprint("AAAA")
    ]
    assert [pin.fingerprint for pin in find_known_hosts_lines(text, "203.0.113.1", 2222)] == [
        compute_key_fingerprint("BBBB")
    ]
    assert find_known_hosts_lines(text, "203.0.113.2", 22) == []


def test_pinned_key_must_be_the_one_that_the_region_names(tmp_path: Path) -> None:
    public, expected = make_key(tmp_path, "ed25519")
    address = "address: 203.0.113.11"
    found = load_sample_region(
        tmp_path, REGION.replace(address, f"{address}, host_key: '{expected}'")
    )
    assert found.region.nodes["med1"].host_key == expected
    check_known_hosts_match_region(found)
    found.known_hosts_file.write_text(f"203.0.113.11 {public}")
    check_known_hosts_match_region(found)
    other, _ = make_key(tmp_path, "rsa")
    found.known_hosts_file.write_text(f"203.0.113.11 {other}")
    with pytest.raises(BadInput, match="host_key of med1 in"):
        check_known_hosts_match_region(found)
