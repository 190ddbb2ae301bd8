"""What the doubles of jicofo and the videobridge share: a small XMPP client and a HOCON reader."""

import base64
import re
import socket
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import quoteattr

STREAMS = "http://etherx.jabber.org/streams"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
CLIENT = "jabber:client"
MUC = "http://jabber.org/protocol/muc"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_TOKEN = re.compile(r'\s+|#[^\n]*|//[^\n]*|"((?:[^"\\]|\\.)*)"|([{}\[\],:=])|([^\s{}\[\],:="#]+)')


class LoginRefused(Exception):
    """The server did not let us in."""


class Connection:
    """One session with an XMPP server, over TLS that is verified for the account's domain."""

    def __init__(self, host: str, domain: str, user: str, password: str, resource: str) -> None:
        """Connect, log in and bind the resource."""
        self.domain, self._socket = domain, socket.create_connection((host, 5222), timeout=20)
        self._open_stream()
        self.send(f"<starttls xmlns='{TLS}'/>")
        self._expect_next_login_element(f"{{{TLS}}}proceed")
        context = ssl.create_default_context(cafile=AUTHORITIES)
        self._socket = context.wrap_socket(self._socket, server_hostname=domain)
        self._open_stream()
        plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{plain}</auth>")
        self._expect_next_login_element(f"{{{SASL}}}success")
        self._open_stream()
        self.send(
            f"<iq type='set' id='bind'><bind xmlns='{BIND}'>"
            f"<resource>{resource}</resource></bind></iq>"
        )
        self.jid = self._expect_next_login_element(f"{{{CLIENT}}}iq").findtext(
            f".//{{{BIND}}}jid", ""
        )
        self._socket.settimeout(5)

    def send(self, text: str) -> None:
        """Send stanzas."""
        self._socket.sendall(text.encode())

    def join(self, room: str, nick: str, extra: str = "") -> None:
        """Enter a room, or tell it our presence anew."""
        to = quoteattr(f"{room}/{nick}")
        self.send(f"<presence to={to}><x xmlns='{MUC}'/>{extra}</presence>")

    def receive_stanzas(self) -> Iterator[ET.Element]:
        """Give the stanzas that arrive within a few seconds.

        Raises:
            ConnectionError: when the server has closed the stream.
        """
        yield from self._completed_elements()
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return
        if not data:
            raise ConnectionError("the server closed the stream")
        self._parser.feed(data)
        yield from self._completed_elements()

    def _open_stream(self) -> None:
        self._parser: Any = ET.XMLPullParser(("start", "end"))
        self._depth = 0
        self.send(
            f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}'"
            f" version='1.0' to='{self.domain}'>"
        )
        self._expect_next_login_element(f"{{{STREAMS}}}features")

    def _expect_next_login_element(self, tag: str) -> ET.Element:
        while True:
            for element in self._completed_elements():
                if element.tag != tag or element.get("type") == "error":
                    raise LoginRefused(ET.tostring(element, encoding="unicode"))
                return element
            data = self._socket.recv(65536)
            if not data:
                raise LoginRefused("the server closed the stream")
            self._parser.feed(data)

    def _completed_elements(self) -> Iterator[ET.Element]:
        events = self._parser.read_events()
        for event, element in events:
            self._depth += 1 if event == "start" else -1
            if event == "end" and self._depth == 1:
                yield element


def read_hocon(text: str) -> dict[str, Any]:
    """Return the settings of a HOCON file, as far as ours use that language."""
    tokens = [
        (match[1] if match[1] is not None else match[2] or match[3], match[1] is not None)
        for match in _TOKEN.finditer(text)
        if match[1] is not None or match[2] or match[3]
    ]
    return _parse_object(iter([*tokens, ("}", False)]))


def _parse_object(tokens: Iterator[tuple[str, bool]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    path: list[str] = []
    for text, quoted in tokens:
        if text == "}" and not quoted:
            break
        if text in (",", ":", "=") and not quoted:
            continue
        if text == "{" and not quoted:
            _merge_nested_value(found, path, _parse_object(tokens))
            path = []
        elif text == "[" and not quoted:
            _merge_nested_value(found, path, _parse_array(tokens))
            path = []
        elif path:
            _merge_nested_value(found, path, text)
            path = []
        else:
            path = [text] if quoted else text.split(".")
    return found


def _parse_array(tokens: Iterator[tuple[str, bool]]) -> list[Any]:
    items: list[Any] = []
    for text, quoted in tokens:
        if text == "]" and not quoted:
            break
        if text == "{" and not quoted:
            items.append(_parse_object(tokens))
        elif text != "," or quoted:
            items.append(text)
    return items


def _merge_nested_value(settings: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        settings = settings.setdefault(part, {})
    if isinstance(value, dict) and isinstance(settings.get(path[-1]), dict):
        settings[path[-1]].update(value)
    else:
        settings[path[-1]] = value
