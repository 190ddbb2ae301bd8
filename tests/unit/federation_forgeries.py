"""Forged descriptors, each with the code of its refusal."""

from __future__ import annotations

import dataclasses
import json
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from federation_samples import DAY, DOMAIN, NOW, OTHER_KEY, body, signed
from federation_server import Answer, PeerServer, http_answer, send, serve

from chautari.federation.transfer import UnverifiedSignedDescriptor

ESCAPE, OVERRIDE, ZERO_WIDTH = "\x1b[2J", "\u202e", "\u200b"
# Cyrillic а in himalaya, and a label of Cyrillic letters that all look Latin (сосо).
MIXED, CYRILLIC = "xn--himlaya-2fg.example.org", "xn--n1aaa.example.org"


class Forgery(NamedTuple):
    """A hostile server: what it does, and the code of the refusal."""

    code: str
    set_up: Callable[[PeerServer], None]


def content(code: str, made: Callable[[], UnverifiedSignedDescriptor]) -> Forgery:
    """Return a forgery that sends what `made` returns."""

    def set_up(server: PeerServer) -> None:
        server.answer = serve(made())

    return Forgery(code, set_up)


def changed(code: str, **changes: Any) -> Forgery:
    """Return a descriptor with other fields, signed with the pinned key."""
    return content(code, lambda: signed(body(**changes)))


def raw(code: str, found: bytes) -> Forgery:
    """Return bytes that the pinned key signed."""
    return content(code, lambda: signed(found))


def service(code: str, **changes: Any) -> Forgery:
    """Return a descriptor whose service has other fields."""
    return changed(code, services=[body()["services"][0] | changes])


def answered(code: str, answer: Answer) -> Forgery:
    """Return a server that answers in another way."""
    return Forgery(code, lambda server: setattr(server, "answer", answer))


def resigned(**how: Any) -> UnverifiedSignedDescriptor:
    return signed(body(), **how)


def drip(connection: socket.socket, path: str) -> None:
    """Send a byte now and then, for longer than anyone waits."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    for _ in range(400):
        connection.sendall(b" ")
        time.sleep(0.05)


def drip_headers(connection: socket.socket, path: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(90):
        connection.sendall(b"X-%d: y\r\n" % number)
        time.sleep(0.2)


def stay_silent(connection: socket.socket, path: str) -> None:
    connection.recv(1)  # until the other side gives up


def without(name: str) -> bytes:
    found = body()
    del found[name]
    return json.dumps(found).encode()


def text_with(old: str, new: str) -> bytes:
    """Return the text of a descriptor in which `old` is replaced."""
    text = json.dumps(body())
    assert old in text
    return text.replace(old, new).encode()


def format_is(text: str) -> bytes:
    return text_with('"format": 1', f'"format": {text}')


def other_certificate(server: PeerServer) -> None:
    server.certificate_name = "cloud.example.net"
    server.answer = serve(signed())


def other_authority(server: PeerServer) -> None:
    folder = server.folder / "other"
    folder.mkdir()
    other = dataclasses.replace(server, folder=folder)
    server.folder, server.authority = folder, other.authority
    other.close()
    server.answer = serve(signed())


def speak_http(server: PeerServer) -> None:
    server.with_tls = False


TRUNCATED = UnverifiedSignedDescriptor(signed().content, signed().signature[:-70])
LATER = json.dumps(body(NOW, contact=f"eve@{DOMAIN}")).encode()
FORGERIES: dict[str, Forgery] = {
    # Signatures and keys
    "changed after signing": content(
        "signature_wrong", lambda: UnverifiedSignedDescriptor(LATER, signed().signature)
    ),
    "signed by another key": content("signed_by_other_key", lambda: resigned(key=OTHER_KEY)),
    "another key inside and out": content(
        "signed_by_other_key", lambda: signed(body(key=OTHER_KEY), key=OTHER_KEY)
    ),
    "names another key": changed("names_other_key", key=OTHER_KEY),
    "signed for another purpose": content(
        "signature_for_other_purpose", lambda: resigned(namespace="file")
    ),
    "truncated signature": content("signature_unreadable", lambda: TRUNCATED),
    "empty signature": content(
        "signature_unreadable", lambda: UnverifiedSignedDescriptor(signed().content, b"")
    ),
    "descriptor in place of the signature": content(
        "signature_unreadable",
        lambda: UnverifiedSignedDescriptor(signed().content, signed().content),
    ),
    "oversized signature": content(
        "too_large", lambda: UnverifiedSignedDescriptor(signed().content, b"-" * 5000)
    ),
    # Time and order
    "replay of an older one": changed("older_serial", issued=NOW - 2 * DAY),
    "same serial, other content": changed(
        "serial_reused", issued=NOW - DAY, contact=f"eve@{DOMAIN}"
    ),
    "expired": changed("expired", issued=NOW - 31 * DAY),
    "issued in the future": changed("issued_in_future", issued=NOW + 3 * DAY),
    "issued in the future, serial of today": changed(
        "issued_in_future", issued=NOW + 3 * DAY, serial=NOW
    ),
    "serial in the future": changed("issued_in_future", serial=NOW + 10 * DAY),
    "valid for ten years": changed("lifetime_invalid", expires="2036-12-01T00:00:00Z"),
    "expires before its issue": changed("lifetime_invalid", expires="2026-01-01T00:00:00Z"),
    "a day that does not exist": changed("field_invalid", expires="2026-02-30T00:00:00Z"),
    # Identity
    "of another domain": changed("other_domain", domain="andes.example.net", services=[]),
    "of a parent domain": changed("other_region", domain="example.org"),
    "of another region": changed("other_region", region="karakoram"),
    "service outside the domain": service("field_invalid", address="https://bank.example.net/"),
    "service on a domain with the same end": service(
        "field_invalid", address=f"https://evil{DOMAIN}/"
    ),
    "service without TLS": service("field_invalid", address=f"http://cloud.{DOMAIN}/"),
    "service address with an account": service(
        "field_invalid", address=f"https://{DOMAIN}@example.net/"
    ),
    "script as the address of a service": service("field_invalid", address="javascript:alert(1)"),
    "private address as domain of a peer": changed("field_invalid", peers=["192.168.1.1"]),
    "mixed scripts": changed("field_invalid", peers=[MIXED]),
    "Cyrillic letters that look Latin": changed("field_invalid", peers=[CYRILLIC]),
    "letters outside ASCII": changed("field_invalid", peers=["hіmalaya.example.org"]),
    # Characters
    "Jinja in a title": service("template_mark", title="{{ lookup('pipe', 'id') }}"),
    "Jinja in a version": service("template_mark", version="{% x %}"),
    "Jinja in a key": changed("template_mark", **{"{{ x }}": 1}),
    "terminal escape": service("hidden_character", title=f"Cloud{ESCAPE}"),
    "newline in the contact": changed("hidden_character", contact=f"ops@{DOMAIN}\nbcc: x"),
    "direction override": service("hidden_character", title=f"Cloud{OVERRIDE}"),
    "zero-width space": service("hidden_character", title=f"Clo{ZERO_WIDTH}ud"),
    "NUL": changed("hidden_character", region="hima\0laya"),
    "HTML in a title": service("field_invalid", title="<script>x</script>"),
    "path as the name of the region": changed("field_invalid", region="../../etc"),
    "shell in the contact": changed("field_invalid", contact=f"$(id)@{DOMAIN}"),
    # Form
    "unknown field": changed("field_invalid", ansible_connection="local"),
    "missing field": raw("field_invalid", without("contact")),
    "text as serial": changed("field_invalid", serial=str(NOW)),
    "true as serial": changed("field_invalid", serial=True),
    "negative serial": changed("field_invalid", serial=-1),
    "another format": changed("field_invalid", format=2),
    "too many services": changed("field_invalid", services=body()["services"] * 61),
    "very long title": service("field_invalid", title="x" * 61),
    "the same key twice": raw("duplicate_key", format_is('1, "format": 1')),
    "deep nesting": raw("nested_too_deep", b'{"a":' * 9 + b"1" + b"}" * 9),
    "very deep nesting": raw("nested_too_deep", b"[" * 60_000),
    "huge number": raw("number_out_of_range", format_is("9" * 5000)),
    "number with an exponent": raw("number_out_of_range", format_is("1e999")),
    "NaN": raw("number_out_of_range", format_is("NaN")),
    "half of a surrogate pair": raw("hidden_character", text_with("himalaya", "\\ud800")),
    "invalid UTF-8": raw("not_utf8", b'{"region": "\xff\xfe"}'),
    "not JSON": raw("not_json", b"region: himalaya"),
    "a list": raw("not_json", b"[]"),
    "empty": raw("not_json", b""),
    "65 kB": raw("too_large", b" " * (64 << 10) + b"{}"),
    # Server
    "redirect": answered(
        "redirected",
        send(http_answer(b"", "302 Found", "Location: http://169.254.169.254/\r\n")),
    ),
    "not found": answered("http_status", send(http_answer(b"", "404 Not Found"))),
    "compressed": answered(
        "compressed", send(http_answer(b"x", headers="Content-Encoding: gzip\r\n"))
    ),
    "endless body": answered("too_large", send(http_answer(b"x" * 200_000, length=10**12))),
    "interrupted body": answered("no_answer", send(http_answer(b"{}", length=5000))),
    "thousands of headers": answered("no_answer", send(http_answer(b"", headers="X: y\r\n" * 200))),
    "not HTTP": answered("no_answer", send(b"SSH-2.0-OpenSSH_9.2\r\n")),
    "closes at once": answered("no_answer", send(b"")),
    "drips its body": answered("too_slow", drip),
    "drips its headers": answered("too_slow", drip_headers),
    "stays silent": answered("too_slow", stay_silent),
    "certificate of another name": Forgery("certificate_invalid", other_certificate),
    "certificate of another authority": Forgery("certificate_invalid", other_authority),
    "HTTP without TLS": Forgery("no_answer", speak_http),
}  # fmt: skip
