"""The TURN client of the outside checks: what it sends is what servers expect."""

import socket
import struct
import threading

import pytest

from chautari.checks import turn


def test_credentials_are_those_of_the_turn_rest_api() -> None:
    name, password = turn.temporary_credentials("north", 1433895918)
    assert (name, password) == ("1433895918", "3dkl8uIBelQlraT8v9eCSJTyt+U=")


@pytest.mark.parametrize("peer", [("192.0.2.1", 32853), ("2001:db8::6677", 9)])
def test_masked_address_is_read_back(peer: turn.Address) -> None:
    transaction = bytes(range(12))
    assert turn._decode_address(turn._encode_address(peer, transaction), transaction) == peer


def test_address_is_masked_as_rfc_5769_shows() -> None:
    transaction = bytes.fromhex("b7e7a701bc34d686fa87dfae")
    assert turn._encode_address(("192.0.2.1", 32853), transaction).hex() == "0001a147e112a643"


def test_server_that_requires_a_login_gets_a_signed_request() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    seen: list[turn.Attributes] = []

    def serve() -> None:
        for number in range(2):
            data = there.recv(2048)
            seen.append(turn._parse_attributes(data[20:]))
            if number == 0:
                error = turn._encode_attribute(turn.ERROR, b"\0\0\x04\x01Unauthorized")
                body = (
                    error
                    + turn._encode_attribute(turn.REALM, b"r")
                    + turn._encode_attribute(turn.NONCE, b"n")
                )
                kind = turn.ALLOCATE | turn.FAILURE
            else:
                peer = turn._encode_address(("192.0.2.7", 50000), data[8:20])
                body, kind = (
                    turn._encode_attribute(turn.RELAYED, peer),
                    turn.ALLOCATE | turn.SUCCESS,
                )
            there.send(struct.pack(">HHI", kind, len(body), turn.COOKIE) + data[8:20] + body)

    server = threading.Thread(target=serve)
    server.start()
    assert turn.TurnClient(here, "user", "password").allocate() == ("192.0.2.7", 50000)
    server.join()
    assert turn.INTEGRITY not in seen[0]
    assert (seen[1][turn.USERNAME], seen[1][turn.REALM]) == (b"user", b"r")
    assert len(seen[1][turn.INTEGRITY]) == 20
