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
from .settings import WrongSettings, value

Address = tuple[str, int]
FREESWITCH = Path("/opt/freeswitch/etc/freeswitch")
AKKA = "/usr/share/bbb-{}-akka/conf/application.conf"
GRAPHQL = Path("/usr/share/bbb-graphql-middleware/config.yml")
PADS = Path("/usr/local/bigbluebutton/bbb-pads/config/settings.json")
ETHERPAD = Path("/usr/share/etherpad-lite/settings.json")
EXPORT = Path("/usr/local/bigbluebutton/bbb-export-annotations/config/settings.json")
PLACE = re.compile(r"\$\$\{([^}]+)\}")
PREPROCESS = re.compile(r'<X-PRE-PROCESS\s+cmd="set"\s+data="([^=]+)=([^"]*)"\s*/>')


def akka(name: str) -> dict[str, str]:
    """Return the settings of one of the two; an operator's file includes the defaults itself."""
    own = settings.ETC / f"bbb-{name}-akka.conf"
    return hocon.read(own if own.exists() else Path(AKKA.format(name)))


def apps_akka() -> list[Address]:
    """Read the apps' settings, and the client's, which upstream reads here too."""
    found = akka("apps")
    client = [Path(found[f"client.clientSettings{name}FilePath"]) for name in ("", "Override")]
    merged = settings.tree(client[0], client[1])
    if not isinstance(value(merged, "public.kurento.cameraProfiles"), list):
        raise WrongSettings(f"{client[1]}: public.kurento.cameraProfiles is not a list")
    if found["services.sharedSecret"] != settings.web()["securitySalt"]:
        print("services.sharedSecret is not bbb-web's securitySalt: breakout rooms will fail")
    return [(found["http.interface"], int(found["http.port"]))]


def fsesl_akka() -> list[Address]:
    """Read how FreeSWITCH is reached."""
    found = akka("fsesl")
    if not found["freeswitch.esl.password"]:
        raise WrongSettings("freeswitch.esl.password is empty")
    return [(found["http.interface"], int(found["http.port"]))]


def graphql_server() -> list[Address]:
    """Read Hasura's environment."""
    host = os.environ.get("HASURA_GRAPHQL_SERVER_HOST", "*")
    # Hasura listens on every address unless this variable names one.
    host = "0.0.0.0" if host == "*" else host
    return [(host, int(os.environ.get("HASURA_GRAPHQL_SERVER_PORT", "8085")))]


def graphql_middleware() -> list[Address]:
    """Read the middleware's settings."""
    found = settings.tree(GRAPHQL, settings.ETC / "bbb-graphql-middleware.yml")["server"]
    return [(found["listen_host"], int(found["listen_port"]))]


def graphql_actions() -> list[Address]:
    """Hold the port of the actions."""
    return [("127.0.0.1", 8093)]


def webrtc_sfu() -> list[Address]:
    """Read the media server's settings."""
    found = settings.tree(settings.SFU, settings.SFU_OVER)
    listen = value(found, "mediasoup.webrtc.listenIps")
    if not isinstance(listen, list) or not listen:
        raise WrongSettings("mediasoup.webrtc.listenIps: expected a list of addresses")
    low, high = (int(value(found, f"mediasoup.worker.rtc{end}Port")) for end in ("Min", "Max"))
    if not 0 < low < high < 65536:
        raise WrongSettings(f"mediasoup.worker: {low}-{high} is not a port range")
    for item in listen:
        print(f"mediasoup announces {item.get('announcedIp')} for {item['ip']}, {low}-{high}/udp")
    return [(found["clientHost"], int(found["clientPort"]))]


def webrtc_recorder() -> list[Address]:
    """Read the recorder's settings; it listens on no port."""
    found = settings.tree(settings.RECORDER, settings.RECORDER_OVER)
    if int(value(found, "webrtc.rtcMinPort")) >= int(value(found, "webrtc.rtcMaxPort")):
        raise WrongSettings("webrtc: no port range")
    return []


def pads() -> list[Address]:
    """Read the pads manager's settings."""
    found = settings.tree(PADS, settings.ETC / "bbb-pads.json")["express"]
    return [(found["host"], int(found["port"]))]


def etherpad() -> list[Address]:
    """Read Etherpad's settings."""
    found = settings.tree(ETHERPAD, settings.ETC / "etherpad.json")
    return [(found["ip"], int(found["port"]))]


def export_annotations() -> list[Address]:
    """Read the settings of the export."""
    settings.tree(EXPORT, settings.ETC / "bbb-export-annotations.json")
    return []


def webhooks() -> list[Address]:
    """Read the webhooks' settings."""
    found = settings.tree(settings.HOOKS, settings.HOOKS_OVER)
    api = found["modules"]["../out/webhooks/index.js"]["config"]["api"]
    return [(api["bind"], int(api["port"]))]


def caption_inbox() -> list[Address]:
    """Read the settings of recordings."""
    settings.tree(settings.RECORD, settings.RECORD_OVER)
    return []


def variables(text: str) -> dict[str, str]:
    """Return FreeSWITCH's variables, each with the others put in."""
    found: dict[str, str] = {}
    for name, content in PREPROCESS.findall(text):
        found[name] = PLACE.sub(lambda place: found.get(place[1], ""), content)
    return found


def parameter(file: Path, name: str) -> str:
    """Return one parameter of one of FreeSWITCH's files."""
    try:
        for item in ET.parse(file).getroot().iter("param"):
            if item.get("name") == name:
                return item.get("value", "")
    except (ET.ParseError, OSError) as error:
        raise WrongSettings(f"{file}: {error}") from error
    return ""


def freeswitch(folder: Path = FREESWITCH) -> list[Address]:
    """Read FreeSWITCH's files: the event socket comes first, then the sockets of its profile."""
    try:
        known = variables((folder / "vars.xml").read_text())
        ET.parse(folder / "vars.xml")
        ET.parse(folder / "autoload_configs/conference.conf.xml")
    except (ET.ParseError, OSError) as error:
        raise WrongSettings(f"{folder}: {error}") from error
    switch = folder / "autoload_configs/switch.conf.xml"
    low, high = (int(parameter(switch, f"rtp-{end}-port")) for end in ("start", "end"))
    print(f"RTP {known.get('external_rtp_ip')}, {low}-{high}/udp")
    socket = folder / "autoload_configs/event_socket.conf.xml"
    found = [(parameter(socket, "listen-ip"), int(parameter(socket, "listen-port")))]
    for name in ("ws-binding", "wss-binding"):
        host, _, port = parameter(folder / "sip_profiles/external.xml", name).rpartition(":")
        host = PLACE.sub(lambda place: known.get(place[1], ""), host)
        if port:
            found.append((host or known.get("local_ip_v4", "0.0.0.0"), int(port)))
    return found


PARTS: dict[str, Callable[[], list[Address]]] = {
    "bbb-apps-akka": apps_akka,
    "bbb-fsesl-akka": fsesl_akka,
    "bbb-graphql-server": graphql_server,
    "bbb-graphql-middleware": graphql_middleware,
    "bbb-graphql-actions": graphql_actions,
    "bbb-webrtc-sfu": webrtc_sfu,
    "bbb-webrtc-recorder": webrtc_recorder,
    "bbb-pads": pads,
    "etherpad": etherpad,
    "bbb-export-annotations": export_annotations,
    "bbb-webhooks": webhooks,
    "bbb-rap-caption-inbox": caption_inbox,
    "freeswitch": freeswitch,
}


class Plain(socketserver.StreamRequestHandler):
    """Answers HTTP with a sentence."""

    timeout = 10

    def handle(self) -> None:
        """Answer one request."""
        while self.rfile.readline() not in (b"", b"\r\n", b"\n"):
            pass
        text = json.dumps({"double": "This is a double of a part of BigBlueButton."}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
        self.wfile.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + text)


class Events(socketserver.StreamRequestHandler):
    """FreeSWITCH's event socket, as far as a login goes."""

    timeout = 10

    def handle(self) -> None:
        """Ask for the password."""
        right = parameter(FREESWITCH / "autoload_configs/event_socket.conf.xml", "password")
        self.wfile.write(b"Content-Type: auth/request\n\n")
        given = self.rfile.readline().decode().strip().removeprefix("auth ")
        said = "+OK accepted" if given == right else "-ERR invalid"
        self.wfile.write(f"Content-Type: command/reply\nReply-Text: {said}\n\n".encode())


class Server(socketserver.ThreadingTCPServer):
    """One port."""

    allow_reuse_address = True
    daemon_threads = True


def serve(part: str, ready: Callable[[str], None]) -> None:
    """Serve one part until the end."""
    addresses = PARTS[part]()
    handlers: list[Any] = [Events, Plain, Plain] if part == "freeswitch" else [Plain]
    for address, handler in zip(addresses, handlers * len(addresses), strict=False):
        server = Server(address, handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    if part == "freeswitch":
        Path("/opt/freeswitch/var/run/freeswitch/freeswitch.pid").write_text(f"{os.getpid()}\n")
    ready(f"double of {part} on {addresses}")
    threading.Event().wait()
