"""A person in a browser, as checks need one: XMPP by BOSH or by websocket, over TLS."""

from __future__ import annotations

import base64
import os
import random
import secrets
import socket
import ssl
import struct
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from xml.sax.saxutils import quoteattr

BIND_HTTP = "http://jabber.org/protocol/httpbind"
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
CLIENT = "{jabber:client}"
MUC = "http://jabber.org/protocol/muc"
FOCUS = "http://jitsi.org/protocol/focus"
SERVICES = "urn:xmpp:extdisco:2"
DISCO = "http://jabber.org/protocol/disco#info"
WAIT_SECONDS = 20


class XMPPConnection(Protocol):
    """A way to send stanzas and to hear some."""

    def begin_stream(self, domain: str) -> None:
        """Begin a stream to a domain, or begin it anew after a login."""

    def send(self, text: str) -> None:
        """Send one stanza."""

    def receive(self) -> list[ET.Element]:
        """Return what has arrived, waiting a moment for it."""

    def close(self) -> None:
        """Hang up."""


class XMPPOverBosh:
    """XMPP over requests that the server answers when it has something to say."""

    def __init__(self, web: Any, url: str) -> None:
        """Talk to `url` by the session `web`."""
        self.web, self.url, self.sid, self.domain = web, url, "", ""
        self.rid = random.randrange(1 << 31)
        self.heard: list[ET.Element] = []

    def begin_stream(self, domain: str) -> None:
        """Begin a session, or restart its stream."""
        if self.sid:
            self._send_bosh_request("xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'")
            return
        self.domain = domain
        body = self._send_bosh_request(
            f"to='{domain}' wait='5' hold='1' ver='1.6' xml:lang='en' xmpp:version='1.0'"
            " xmlns:xmpp='urn:xmpp:xbosh'"
        )
        self.sid = body.get("sid", "")
        assert self.sid, f"{domain} did not open a BOSH session: {body.attrib}"

    def send(self, text: str) -> None:
        """Send one stanza."""
        self._send_bosh_request("", text)

    def receive(self) -> list[ET.Element]:
        """Return what has arrived; an empty request waits at the server."""
        if not self.heard:
            self._send_bosh_request("")
        found, self.heard = self.heard, []
        return found

    def close(self) -> None:
        """End the session."""
        if self.sid:
            self._send_bosh_request("type='terminate'")

    def _send_bosh_request(self, attributes: str, inner: str = "") -> ET.Element:
        self.rid += 1
        sid = f"sid='{self.sid}'" if self.sid else ""
        text = f"<body rid='{self.rid}' xmlns='{BIND_HTTP}' {sid} {attributes}>{inner}</body>"
        answer = self.web.post(
            self.url, data=text, headers={"Content-Type": "text/xml; charset=utf-8"}
        )
        assert answer.status_code == 200, f"{self.url}: {answer.status_code} {answer.text[:200]}"
        body = ET.fromstring(answer.text)
        self.heard += list(body)
        return body


class XMPPOverWebsocket:
    """XMPP over a websocket (RFC 7395)."""

    def __init__(self, host: str, path: str, address: str, ca_file: str) -> None:
        """Connect to `host` at `address` and shake hands."""
        context = ssl.create_default_context(cafile=ca_file)
        plain = socket.create_connection((address, 443), timeout=WAIT_SECONDS)
        self.stream = context.wrap_socket(plain, server_hostname=host)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self.stream.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: xmpp\r\n\r\n".encode()
        )
        self.file = self.stream.makefile("rb")
        first = self.file.readline().decode().strip()
        assert " 101 " in f"{first} ", f"{host}{path} did not open a websocket: {first}"
        while self.file.readline().strip():
            pass

    def begin_stream(self, domain: str) -> None:
        """Begin a stream."""
        self.send(f"<open xmlns='{FRAMING}' to='{domain}' version='1.0'/>")

    def send(self, text: str) -> None:
        """Send one stanza in one masked frame."""
        data, mask = text.encode(), os.urandom(4)
        size = bytes([0x80 | len(data)])
        if len(data) > 125:
            size = struct.pack(">BH", 0x80 | 126, len(data))
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self.stream.sendall(b"\x81" + size + mask + masked)

    def receive(self) -> list[ET.Element]:
        """Return the next stanza."""
        while True:
            head = self.file.read(2)
            assert len(head) == 2, "the server closed the websocket"
            size = head[1] & 0x7F
            if size == 126:
                size = struct.unpack(">H", self.file.read(2))[0]
            data = self.file.read(size)
            if head[0] & 0x0F == 1:
                return [ET.fromstring(data)]

    def close(self) -> None:
        """Hang up."""
        self.stream.close()


class Participant:
    """Someone who opened the meeting page: a guest, or a member with a password."""

    def __init__(
        self, line: XMPPConnection, domain: str, name: str = "", password: str = ""
    ) -> None:
        """Log in at `domain`; without a name as a guest."""
        self.connection, self.domain = line, domain
        line.begin_stream(domain)
        plain = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        mechanism = "PLAIN" if name else "ANONYMOUS"
        line.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{plain if name else ''}</auth>")
        reply = self.wait_for_stanza(
            lambda item: item.tag in (f"{{{SASL}}}success", f"{{{SASL}}}failure")
        )
        if reply.tag != f"{{{SASL}}}success":
            raise PermissionError(f"{domain} refused the login of {name or 'a guest'}")
        line.begin_stream(domain)
        bound = self.send_request("set", "", f"<bind xmlns='{BIND}'/>")
        self.jid = bound.findtext(f".//{{{BIND}}}jid", "")
        assert self.jid, ET.tostring(bound, encoding="unicode")

    def wait_for_stanza(self, matches: Callable[[ET.Element], bool]) -> ET.Element:
        """Return the first stanza for which `matches` is true."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            for stanza in self._incoming_stanzas():
                if matches(stanza):
                    return stanza
        raise AssertionError(f"{self.domain} did not respond within {WAIT_SECONDS} s")

    def _incoming_stanzas(self) -> Iterator[ET.Element]:
        yield from self.connection.receive()

    def send_request(self, kind: str, to: str, inner: str) -> ET.Element:
        """Send a request and return its answer."""
        name = secrets.token_hex(4)
        target = f"to={quoteattr(to)}" if to else ""
        self.connection.send(
            f"<iq xmlns='jabber:client' type='{kind}' id='{name}' {target}>{inner}</iq>"
        )
        return self.wait_for_stanza(
            lambda item: item.tag == f"{CLIENT}iq" and item.get("id") == name
        )

    def try_to_open_room(self, focus: str, room: str) -> str:
        """Ask Jicofo to open a room; return "ready" or the name of the refusal."""
        answer = self.send_request(
            "set", focus, f"<conference xmlns='{FOCUS}' room={quoteattr(room)}/>"
        )
        conference = answer.find(f"{{{FOCUS}}}conference")
        if answer.get("type") == "result" and conference is not None:
            return "ready" if conference.get("ready") == "true" else "not ready"
        return name_of_stanza_error(answer)

    def try_to_join_room(self, room: str, nick: str) -> str:
        """Enter a room; return "inside" or the name of the refusal."""
        own = f"{room}/{nick}"
        self.connection.send(
            f"<presence xmlns='jabber:client' to={quoteattr(own)}><x xmlns='{MUC}'/></presence>"
        )
        answer = self.wait_for_stanza(
            lambda item: item.tag == f"{CLIENT}presence" and item.get("from") in (own, room)
        )
        return name_of_stanza_error(answer) if answer.get("type") == "error" else "inside"

    def send_message(self, room: str, text: str) -> None:
        """Say something to everyone in a room."""
        self.connection.send(
            f"<message xmlns='jabber:client' type='groupchat' to={quoteattr(room)}>"
            f"<body>{text}</body></message>"
        )

    def wait_for_sender_of_text(self, text: str) -> str:
        """Wait until someone says `text`, and return who."""
        heard = self.wait_for_stanza(
            lambda item: item.tag == f"{CLIENT}message" and item.findtext(f"{CLIENT}body") == text
        )
        return heard.get("from", "")

    def relay_servers(self, domain: str) -> list[dict[str, str]]:
        """Return the TURN and STUN servers that a domain offers, with credentials."""
        answer = self.send_request("get", domain, f"<services xmlns='{SERVICES}'/>")
        return [dict(item.attrib) for item in answer.iter(f"{{{SERVICES}}}service")]

    def discover_components(self, domain: str) -> dict[str, str]:
        """Return the types of components that a domain announces, each with its host."""
        return announced_components(self.send_request("get", domain, f"<query xmlns='{DISCO}'/>"))

    def leave(self) -> None:
        """Close the page."""
        self.connection.close()


def announced_components(stanza: ET.Element) -> dict[str, str]:
    """Return the types of components in an answer to service discovery, each with its host."""
    return {
        item.get("type", ""): item.get("name", "")
        for item in stanza.iter(f"{{{DISCO}}}identity")
        if item.get("category") == "component"
    }


def name_of_stanza_error(stanza: ET.Element) -> str:
    """Return the name of the error that a stanza carries."""
    names = [item.tag for item in stanza.iter() if item.tag.startswith(f"{{{STANZAS}}}")]
    kinds = [name.rpartition("}")[2] for name in names]
    return next((kind for kind in kinds if kind != "text"), "an unnamed error")
