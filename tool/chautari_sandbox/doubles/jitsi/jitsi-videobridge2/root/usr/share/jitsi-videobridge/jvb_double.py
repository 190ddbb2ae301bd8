"""Double of Jitsi Videobridge: joins the brewery, tells health and statistics, carries no media."""

import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from double_xmpp import Connection, LoginRefused, read_hocon

VERSION = "double"
state: dict[str, Any] = {"drain": False, "joined": {}}


def bridge_statistics(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the statistics under upstream's names; a double has no conference, ever."""
    relay = settings["videobridge"].get("relay", {})
    place = {"relay_id": relay.get("relay-id", "")} if relay.get("enabled") == "true" else {}
    if "region" in relay:
        place["region"] = relay["region"]
    return place | {
        "double": True, "version": VERSION, "healthy": True, "drain": state["drain"],
        "conferences": 0, "participants": 0, "endpoints": 0, "stress_level": 0.0,
        "bit_rate_download": 0, "bit_rate_upload": 0, "total_bytes_received": 0,
        "total_packets_sent": 0, "total_ice_succeeded": 0, "total_ice_failed": 0,
        "muc_clients_configured": len(xmpp_connections(settings)),
        "muc_clients_connected": len(state["joined"]), "mucs_joined": len(state["joined"]),
    }  # fmt: skip


def xmpp_connections(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the configured XMPP connections, by name."""
    found: dict[str, Any] = settings["videobridge"]["apis"]["xmpp-client"]["configs"]
    return found


class Api(BaseHTTPRequestHandler):
    """Health, version, statistics and drain, as far as upstream's private API is used."""

    settings: dict[str, Any]

    def do_GET(self) -> None:
        """Answer what is asked."""
        answers: dict[str, Any] = {
            "/about/health": {},
            "/about/version": {"name": "JVB", "version": VERSION, "os": "double"},
            "/colibri/stats": bridge_statistics(self.settings),
            "/colibri/drain": {"drain": state["drain"]},
        }
        self._send_json_or_404(answers.get(self.path))

    def do_POST(self) -> None:
        """Switch drain on or off."""
        if self.path in ("/colibri/drain/enable", "/colibri/drain/disable"):
            state["drain"] = self.path.endswith("/enable")
            self._send_json_or_404({})
        else:
            self._send_json_or_404(None)

    def _send_json_or_404(self, data: Any) -> None:
        body = b"" if data is None else json.dumps(data).encode()
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet: health is asked often."""


def statistics_for_presence(settings: dict[str, Any]) -> str:
    """Return the statistics as they are told to the focus."""
    items = "".join(
        f"<stat name='{name}' value='{value}'/>"
        for name, value in bridge_statistics(settings).items()
    )
    return f"<stats xmlns='http://jitsi.org/protocol/colibri'>{items}</stats>"


def keep_joined(name: str, account: dict[str, str], settings: dict[str, Any]) -> None:
    """Stay in the brewery, and come back when the connection breaks."""
    while True:
        try:
            nick = account["MUC_NICKNAME"]
            link = Connection(
                account["HOSTNAME"], account["DOMAIN"], account["USERNAME"],
                account["PASSWORD"], nick,
            )  # fmt: skip
            told = 0.0
            while True:
                if time.monotonic() - told > 10:
                    link.join(account["MUC_JIDS"], nick, statistics_for_presence(settings))
                    told = time.monotonic()
                for stanza in link.receive_stanzas():
                    room = stanza.get("from", "").partition("/")[0]
                    if stanza.get("type") != "error" and room == account["MUC_JIDS"].lower():
                        state["joined"][name] = room
        except (OSError, LoginRefused, KeyError) as error:
            state["joined"].pop(name, None)
            print(f"{name}: {error!r}; trying again", flush=True)
            time.sleep(3)


def main(file: str) -> None:
    """Run until stopped."""
    settings = read_hocon(Path(file).read_text())
    bridge = settings["videobridge"]
    media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    media.bind(("0.0.0.0", int(bridge.get("ice", {}).get("udp", {}).get("port", 10000))))
    for name, account in xmpp_connections(settings).items():
        threading.Thread(target=keep_joined, args=(name, account, settings), daemon=True).start()
    private = bridge.get("http-servers", {}).get("private", {})
    Api.settings = settings
    address = private.get("host", "127.0.0.1"), int(private.get("port", 8080))
    print("this is the sandbox's double of Jitsi Videobridge", flush=True)
    ThreadingHTTPServer(address, Api).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
