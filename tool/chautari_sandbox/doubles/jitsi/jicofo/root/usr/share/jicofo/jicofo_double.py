"""Double of jicofo: opens rooms for those who may, and knows the bridges; no media sessions."""

import json
import sys
import threading
import time
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from double_xmpp import CLIENT, Connection, LoginRefused, read_hocon

FOCUS = "http://jitsi.org/protocol/focus"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
EMPTY_SECONDS = 10
state: dict[str, Any] = {"connected": False, "bridges": {}, "rooms": {}}


def domain_of(jid: str) -> str:
    """Return the domain of an address."""
    return jid.partition("/")[0].rpartition("@")[2]


class Focus:
    """The session of the focus."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Log in and enter the brewery."""
        self.settings: dict[str, Any] = settings["jicofo"]
        client = self.settings["xmpp"]["client"]
        self.proxy = client["client-proxy"]
        self.link = Connection(
            client.get("hostname", "localhost"), client["domain"], client.get("username", "focus"),
            client["password"], "focus",
        )  # fmt: skip
        self.link.send("<presence/>")
        self.brewery = self.settings["bridge"]["brewery-jid"].lower()
        self.link.join(self.brewery, "focus")
        state.update(connected=True, bridges={}, rooms={})

    def answer_until_disconnected(self) -> None:
        """Answer until the connection breaks."""
        while True:
            for stanza in self.link.receive_stanzas():
                if stanza.tag == f"{{{CLIENT}}}presence":
                    self.handle_presence(stanza)
                elif stanza.tag == f"{{{CLIENT}}}iq" and stanza.get("type") in ("get", "set"):
                    self.handle_request(stanza)
            self.leave_empty_rooms()

    def handle_presence(self, stanza: ET.Element) -> None:
        """Follow who is in the brewery and in the rooms."""
        sender, kind = stanza.get("from", ""), stanza.get("type")
        room, _, nick = sender.partition("/")
        if kind == "subscribe":
            self.link.send(f"<presence type='subscribed' to={quoteattr(sender)}/>")
        if nick in ("", "focus") or kind == "error":
            return
        if room == self.brewery:
            if kind == "unavailable":
                state["bridges"].pop(nick, None)
            else:
                state["bridges"][nick] = {
                    item.get("name"): item.get("value") for item in stanza.iter("{*}stat")
                }
        elif room in state["rooms"]:
            people = state["rooms"][room]["people"]
            (people.discard if kind == "unavailable" else people.add)(nick)
            state["rooms"][room]["since"] = time.monotonic()

    def handle_request(self, stanza: ET.Element) -> None:
        """Open a room for a member, or say why not; the rest is answered politely."""
        conference = stanza.find(f"{{{FOCUS}}}conference")
        head = f"id={quoteattr(stanza.get('id', ''))} to={quoteattr(stanza.get('from', ''))}"
        if conference is None:
            self.link.send(f"<iq type='result' {head}/>")
            return
        room = conference.get("room", "")
        if room not in state["rooms"] and not self.may_open(stanza.get("from", "")):
            self.link.send(
                f"<iq type='error' {head}><error type='auth'>"
                f"<not-authorized xmlns='{STANZAS}'/></error></iq>"
            )
            return
        if room not in state["rooms"]:
            state["rooms"][room] = {"people": set(), "since": time.monotonic()}
            self.link.join(room, "focus")
        guarded = str(bool(self.login_domain())).lower()
        self.link.send(
            f"<iq type='result' {head}><conference xmlns='{FOCUS}' room={quoteattr(room)}"
            f" ready='true' focusjid={quoteattr(self.link.jid.partition('/')[0])}>"
            f"<property name='authentication' value='{guarded}'/></conference></iq>"
        )

    def login_domain(self) -> str:
        """Return the domain whose people may open rooms; empty for everyone."""
        guard = self.settings.get("authentication", {})
        on = guard.get("enabled") == "true" and guard.get("type") == "XMPP"
        return str(guard.get("login-url", "")) if on else ""

    def may_open(self, sender: str) -> bool:
        """Say whether a person may open a room; the proxy keeps the address in the resource."""
        real = sender.partition("/")[2] if domain_of(sender) == self.proxy else sender
        return self.login_domain() in ("", domain_of(real))

    def leave_empty_rooms(self) -> None:
        """Leave rooms that nobody is in any more."""
        for room, known in list(state["rooms"].items()):
            if not known["people"] and time.monotonic() - known["since"] > EMPTY_SECONDS:
                self.link.send(f"<presence type='unavailable' to={quoteattr(room + '/focus')}/>")
                del state["rooms"][room]


class Api(BaseHTTPRequestHandler):
    """Health and statistics."""

    def do_GET(self) -> None:
        """Answer what is asked."""
        bridges = {
            "bridge_count": len(state["bridges"]),
            "operational_bridge_count": len(state["bridges"]),
        }
        stats = {"double": True, "conferences": len(state["rooms"]), "bridge_selector": bridges}
        healthy = (200, "OK") if state["connected"] else (503, "XMPP ping failed")
        answers = {"/about/health": healthy, "/stats": (200, json.dumps(stats))}
        code, text = answers.get(self.path, (404, ""))
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json" if text[:1] == "{" else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet: health is asked often."""


def keep_connected(settings: dict[str, Any]) -> None:
    """Stay logged in, and come back when the connection breaks."""
    while True:
        try:
            Focus(settings).answer_until_disconnected()
        except (OSError, LoginRefused) as error:
            state.update(connected=False, bridges={}, rooms={})
            print(f"{error!r}; trying again", flush=True)
            time.sleep(3)


def main(file: str) -> None:
    """Run until stopped."""
    settings = read_hocon(Path(file).read_text())
    threading.Thread(target=keep_connected, args=(settings,), daemon=True).start()
    rest = settings["jicofo"].get("rest", {})
    print("this is the sandbox's double of jicofo", flush=True)
    address = rest.get("host", "127.0.0.1"), int(rest.get("port", 8888))
    ThreadingHTTPServer(address, Api).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
