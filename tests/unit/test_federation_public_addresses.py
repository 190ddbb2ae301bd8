"""Which addresses a peer may have."""

from __future__ import annotations

import pytest

from chautari.federation.public_addresses import is_allowed_peer_address
from chautari.region.field_types import DOCUMENTATION_NETWORKS

SANDBOX = tuple(map(str, DOCUMENTATION_NETWORKS))
NOT_PUBLIC = (
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1", "100.64.0.1",
    "169.254.169.254", "169.254.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1",
    "198.51.100.7", "203.0.113.9", "198.18.0.1", "192.0.0.170", "::", "::1", "fe80::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:5ef5:79fd::1", "100::1", "fec0::1", "168.63.129.16", "100.100.100.200", "192.0.0.192",
    "64:ff9b::a83f:8110", "::a00:1", "4000::1",
)  # fmt: skip
PUBLIC = ("9.9.9.9", "2620:fe::fe", "64:ff9b::909:909", "2002:909:909::1")


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_is_allowed_refuses_addresses_that_are_not_public(address: str) -> None:
    assert not is_allowed_peer_address(address, ())


@pytest.mark.parametrize("address", PUBLIC)
def test_is_allowed_accepts_public_addresses(address: str) -> None:
    assert is_allowed_peer_address(address, ())


def test_sandbox_allows_documentation_networks_and_no_other() -> None:
    assert is_allowed_peer_address("203.0.113.9", SANDBOX)
    refused = [item for item in NOT_PUBLIC if not is_allowed_peer_address(item, SANDBOX)]
    assert set(NOT_PUBLIC) - set(refused) == {"192.0.2.1", "198.51.100.7", "203.0.113.9"}
