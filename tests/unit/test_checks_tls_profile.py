"""The check of TLS profiles, against servers of this machine's OpenSSL."""

import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chautari.checks import tls_profile

NAME = "cloud.example.org"
SUITES = ":".join(tls_profile.PROFILE[:6])
Server = Callable[..., tls_profile.Address]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}",
         "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def server(certificate: Path) -> Iterator[Server]:
    """Return a function that starts a TLS server and returns its address."""
    sockets: list[socket.socket] = []

    def start(
        suites: str = SUITES,
        group: str = "prime256v1",
        oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        xmpp: bool = False,
    ) -> tls_profile.Address:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = oldest
        context.set_ciphers(suites)
        if group:
            context.set_ecdh_curve(group)
        sockets.append(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=answer, args=(sockets[-1], context, xmpp), daemon=True).start()
        return ("127.0.0.1", int(sockets[-1].getsockname()[1]))

    yield start
    for listener in sockets:
        listener.close()


FEATURES = (
    b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
)
PROCEED = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def answer(listener: socket.socket, context: ssl.SSLContext, xmpp: bool) -> None:
    while True:
        try:
            stream, _ = listener.accept()
        except OSError:
            return
        try:
            for reply in (FEATURES, PROCEED) if xmpp else ():
                stream.recv(4096)
                stream.sendall(reply)
            context.wrap_socket(stream, server_side=True).close()
        except OSError:
            stream.close()


def test_violations_is_empty_for_the_intermediate_profile(server: Server) -> None:
    address = server()
    assert tls_profile.names_served_over_tls(address, [NAME]) == [NAME]
    assert tls_profile.accepted_offers_outside_profile(address, NAME) == []


OTHER_SUITES = "cipher suites outside Mozilla's intermediate profile"


@pytest.mark.parametrize(
    ("wrong", "labels"),
    [
        ({"suites": f"{SUITES}:ECDHE-RSA-AES256-SHA384"}, [OTHER_SUITES]),
        ({"suites": f"{SUITES}:AES128-SHA"}, [OTHER_SUITES]),
        ({"suites": f"{SUITES}:AES128-GCM-SHA256"}, [OTHER_SUITES]),
        ({"group": "X448"}, ["group X448"]),
        ({"group": "ffdhe2048"}, ["group ffdhe2048"]),
        ({"group": ""}, ["group X448", "group P-521"]),
        (
            {"suites": "ALL:@SECLEVEL=0", "oldest": ssl.TLSVersion.TLSv1},
            ["TLS 1.0", "TLS 1.1", OTHER_SUITES],
        ),
    ],
)
def test_violations_names_what_a_server_accepts(
    server: Server, wrong: dict[str, object], labels: list[str]
) -> None:
    found = tls_profile.accepted_offers_outside_profile(server(**wrong), NAME)
    assert [text.partition(" (")[0] for text in found][: len(labels)] == labels


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ({}, []),
        ({"suites": f"{SUITES}:AES128-SHA", "group": "X448"}, ["cipher suites outside", "group"]),
    ],
)
def test_violations_asks_for_tls_first(
    server: Server, settings: dict[str, object], labels: list[str]
) -> None:
    address = server(xmpp=True, **settings)
    assert tls_profile.negotiated_version_and_suite_text(address, NAME, tls_profile.USUAL, "xmpp")
    found = tls_profile.accepted_offers_outside_profile(address, NAME, "xmpp")
    assert len(found) == len(labels) and all(map(str.startswith, found, labels))


def test_name_that_the_server_refuses_before_tls_is_not_served(server: Server) -> None:
    address = server(xmpp=True)
    assert tls_profile.names_served_over_tls(address, [NAME]) == []


def test_names_served_over_tls_returns_nothing_for_another_protocol() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = ("127.0.0.1", int(listener.getsockname()[1]))

        def greet() -> None:
            stream, _ = listener.accept()
            stream.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            stream.close()

        threading.Thread(target=greet, daemon=True).start()
        assert tls_profile.names_served_over_tls(address, [NAME]) == []


def test_offer_that_openssl_does_not_make_is_no_refusal(server: Server) -> None:
    offer = tls_profile.Offer("a group of no release", ("-groups", "nonsense"))
    with pytest.raises(RuntimeError, match="did not offer a group of no release"):
        tls_profile.negotiated_version_and_suite_text(server(), NAME, offer)


def test_public_listeners_leaves_out_the_loopback() -> None:
    listing = """\
LISTEN 0 511 0.0.0.0:443 0.0.0.0:*
LISTEN 0 511 [::]:443 [::]:*
LISTEN 0 128 127.0.0.1:6379 0.0.0.0:*
LISTEN 0 128 [::1]:6379 [::]:*
LISTEN 0 1024 198.51.100.45:5349 0.0.0.0:*
LISTEN 0 128 *:5222 *:*
LISTEN 0 128 [fe80::1%eth0]:546 [::]:*
"""
    assert tls_profile.public_listeners(listing) == [
        ("127.0.0.1", 443), ("127.0.0.1", 5222), ("198.51.100.45", 5349), ("::1", 443),
        ("fe80::1", 546),
    ]  # fmt: skip
