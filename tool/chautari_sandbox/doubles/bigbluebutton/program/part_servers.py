"""The other parts: each reads its settings as upstream's does and holds upstream's ports."""

from __future__ import annotations

import json
import os
import re
import socketserver
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import hocon, settings
from .settings import WrongSettings, value_at_path

Address = tuple[str, int]
FREESWITCH = Path("/opt/freeswitch/etc/freeswitch")
AKKA = "/usr/share/bbb-{}-akka/conf/application.conf"
GRAPHQL = Path("/usr/share/bbb-graphql-middleware/config.yml")
PADS = Path("/usr/local/bigbluebutton/bbb-pads/config/settings.json")
ETHERPAD = Path("/usr/share/etherpad-lite/settings.json")
EXPORT = Path("/usr/local/bigbluebutton/bbb-export-annotations/config/settings.json")
PLACE = re.compile(r"\$\$\{([^}]+)\}")
PREPROCESS = re.compile(r'<X-PRE-PROCESS\s+cmd="set"\s+data="([^=]+)=([^"]*)"\s*/>')


def akka_settings(name: str) -> dict[str, str]:
    """Return the settings of one of the two; an operator's file includes the defaults itself."""
    own = settings.ETC / f"bbb-{name}-akka.conf"
    return hocon.read_hocon_file(own if own.exists() else Path(AKKA.format(name)))


def apps_akka_addresses() -> list[Address]:
    """Read the apps' settings, and the client's, which upstream reads here too."""
    found = akka_settings("apps")
    client = [Path(found[f"client.clientSettings{name}FilePath"]) for name in ("", "Override")]
    merged = settings.read_with_overrides(client[0], client[1])
    if not isinstance(value_at_path(merged, "public.kurento.cameraProfiles"), list):
        raise WrongSettings(f"{client[1]}: public.kurento.cameraProfiles is not a list")
    if found["services.sharedSecret"] != settings.bbb_web_settings()["securitySalt"]:
        print("services.sharedSecret is not bbb-web's securitySalt: breakout rooms will fail")
    return [(found["http.interface"], int(found["http.port"]))]


def fsesl_akka_addresses() -> list[Address]:
    """Read how FreeSWITCH is reached."""
    found = akka_settings("fsesl")
    if not found["freeswitch.esl.password"]:
        raise WrongSettings("freeswitch.esl.password is empty")
    return [(found["http.interface"], int(found["http.port"]))]


def graphql_server_addresses() -> list[Address]:
    """Read Hasura's environment."""
    host = os.environ.get("HASURA_GRAPHQL_SERVER_HOST", "*")
    # Hasura listens on every address unless this variable names one.
    host = "0.0.0.0" if host == "*" else host
    return [(host, int(os.environ.get("HASURA_GRAPHQL_SERVER_PORT", "8085")))]


def graphql_middleware_addresses() -> list[Address]:
    """Read the middleware's settings."""
    found = settings.read_with_overrides(GRAPHQL, settings.ETC / "bbb-graphql-middleware.yml")[
        "server"
    ]
    return [(found["listen_host"], int(found["listen_port"]))]


def graphql_actions_addresses() -> list[Address]:
    """Hold the port of the actions."""
    return [("127.0.0.1", 8093)]


def webrtc_sfu_addresses() -> list[Address]:
    """Read the media server's settings."""
    found = settings.read_with_overrides(settings.SFU, settings.SFU_OVER)
    listen = value_at_path(found, "mediasoup.webrtc.listenIps")
    if not isinstance(listen, list) or not listen:
        raise WrongSettings("mediasoup.webrtc.listenIps: expected a list of addresses")
    low, high = (
        int(value_at_path(found, f"mediasoup.worker.rtc{end}Port")) for end in ("Min", "Max")
    )
    if not 0 < low < high < 65536:
        raise WrongSettings(f"mediasoup.worker: {low}-{high} is not a port range")
    for item in listen:
        print(f"mediasoup announces {item.get('announcedIp')} for {item['ip']}, {low}-{high}/udp")
    return [(found["clientHost"], int(found["clientPort"]))]


def webrtc_recorder_addresses() -> list[Address]:
    """Read the recorder's settings; it listens on no port."""
    found = settings.read_with_overrides(settings.RECORDER, settings.RECORDER_OVER)
    if int(value_at_path(found, "webrtc.rtcMinPort")) >= int(
        value_at_path(found, "webrtc.rtcMaxPort")
    ):
        raise WrongSettings("webrtc: no port range")
    return []


def pads_addresses() -> list[Address]:
    """Read the pads manager's settings."""
    found = settings.read_with_overrides(PADS, settings.ETC / "bbb-pads.json")["express"]
    return [(found["host"], int(found["port"]))]


def etherpad_addresses() -> list[Address]:
    """Read Etherpad's settings."""
    found = settings.read_with_overrides(ETHERPAD, settings.ETC / "etherpad.json")
    return [(found["ip"], int(found["port"]))]


def export_annotations_addresses() -> list[Address]:
    """Read the settings of the export."""
    settings.read_with_overrides(EXPORT, settings.ETC / "bbb-export-annotations.json")
    return []


def webhooks_addresses() -> list[Address]:
    """Read the webhooks' settings."""
    found = settings.read_with_overrides(settings.HOOKS, settings.HOOKS_OVER)
    api = found["modules"]["../out/webhooks/index.js"]["config"]["api"]
    return [(api["bind"], int(api["port"]))]


def caption_inbox_addresses() -> list[Address]:
    """Read the settings of recordings."""
    settings.read_with_overrides(settings.RECORD, settings.RECORD_OVER)
    return []


def freeswitch_variables(text: str) -> dict[str, str]:
    """Return FreeSWITCH's variables, each with the others put in."""
    found: dict[str, str] = {}
    for name, content in PREPROCESS.findall(text):
        found[name] = PLACE.sub(lambda place: found.get(place[1], ""), content)
    return found


def freeswitch_parameter(file: Path, name: str) -> str:
    """Return one parameter of one of FreeSWITCH's files."""
    try:
        for item in ET.parse(file).getroot().iter("param"):
            if item.get("name") == name:
                return item.get("value", "")
    except (ET.ParseError, OSError) as error:
        raise WrongSettings(f"{file}: {error}") from error
    return ""


def freeswitch_addresses(folder: Path = FREESWITCH) -> list[Address]:
    """Read FreeSWITCH's files: the event socket comes first, then the sockets of its profile."""
    try:
        known = freeswitch_variables((folder / "vars.xml").read_text())
        ET.parse(folder / "vars.xml")
        ET.parse(folder / "autoload_configs/conference.conf.xml")
    except (ET.ParseError, OSError) as error:
        raise WrongSettings(f"{folder}: {error}") from error
    switch = folder / "autoload_configs/switch.conf.xml"
    low, high = (int(freeswitch_parameter(switch, f"rtp-{end}-port")) for end in ("start", "end"))
    print(f"RTP {known.get('external_rtp_ip')}, {low}-{high}/udp")
    socket = folder / "autoload_configs/event_socket.conf.xml"
    found = [
        (
            freeswitch_parameter(socket, "listen-ip"),
            int(freeswitch_parameter(socket, "listen-port")),
        )
    ]
    for name in ("ws-binding", "wss-binding"):
        host, _, port = freeswitch_parameter(folder / "sip_profiles/external.xml", name).rpartition(
            ":"
        )
        host = PLACE.sub(lambda place: known.get(place[1], ""), host)
        if port:
            found.append((host or known.get("local_ip_v4", "0.0.0.0"), int(port)))
    return found


PARTS: dict[str, Callable[[], list[Address]]] = {
    "bbb-apps-akka": apps_akka_addresses,
    "bbb-fsesl-akka": fsesl_akka_addresses,
    "bbb-graphql-server": graphql_server_addresses,
    "bbb-graphql-middleware": graphql_middleware_addresses,
    "bbb-graphql-actions": graphql_actions_addresses,
    "bbb-webrtc-sfu": webrtc_sfu_addresses,
    "bbb-webrtc-recorder": webrtc_recorder_addresses,
    "bbb-pads": pads_addresses,
    "etherpad": etherpad_addresses,
    "bbb-export-annotations": export_annotations_addresses,
    "bbb-webhooks": webhooks_addresses,
    "bbb-rap-caption-inbox": caption_inbox_addresses,
    "freeswitch": freeswitch_addresses,
}


class HTTPHandler(socketserver.StreamRequestHandler):
    """Answers HTTP with a sentence."""

    timeout = 10

    def handle(self) -> None:
        """Answer one request."""
        while self.rfile.readline() not in (b"", b"\r\n", b"\n"):
            pass
        text = json.dumps({"double": "This is a double of a part of BigBlueButton."}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
        self.wfile.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + text)


class EventSocketHandler(socketserver.StreamRequestHandler):
    """FreeSWITCH's event socket, as far as a login goes."""

    timeout = 10

    def handle(self) -> None:
        """Ask for the password."""
        right = freeswitch_parameter(
            FREESWITCH / "autoload_configs/event_socket.conf.xml", "password"
        )
        self.wfile.write(b"Content-Type: auth/request\n\n")
        given = self.rfile.readline().decode().strip().removeprefix("auth ")
        said = "+OK accepted" if given == right else "-ERR invalid"
        self.wfile.write(f"Content-Type: command/reply\nReply-Text: {said}\n\n".encode())


class PortServer(socketserver.ThreadingTCPServer):
    """One port."""

    allow_reuse_address = True
    daemon_threads = True


def serve_part(part: str, ready: Callable[[str], None]) -> None:
    """Serve one part until the end."""
    addresses = PARTS[part]()
    handlers: list[Any] = (
        [EventSocketHandler, HTTPHandler, HTTPHandler] if part == "freeswitch" else [HTTPHandler]
    )
    for address, handler in zip(addresses, handlers * len(addresses), strict=False):
        server = PortServer(address, handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    if part == "freeswitch":
        Path("/opt/freeswitch/var/run/freeswitch/freeswitch.pid").write_text(f"{os.getpid()}\n")
    ready(f"double of {part} on {addresses}")
    threading.Event().wait()
