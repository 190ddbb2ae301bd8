"""What bbb-conf looks at: settings, units, sockets, this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import part_servers, sessions, settings

SITE = Path("/etc/nginx/sites-available/bigbluebutton")
ENABLED = Path("/etc/nginx/sites-enabled/bigbluebutton")
SIP = Path("/usr/share/bigbluebutton/nginx/sip.nginx")
UNITS = Path("/usr/lib/systemd/system")
ALWAYS = ("nginx", "freeswitch", "redis-server", "bbb-apps-akka", "bbb-fsesl-akka")
OPTIONAL = (
    "bbb-graphql-actions", "bbb-graphql-middleware", "bbb-graphql-server", "bbb-webrtc-sfu",
    "bbb-webrtc-recorder", "etherpad", "bbb-web", "bbb-webhooks", "bbb-pads",
    "bbb-export-annotations", "bbb-rap-caption-inbox", "bbb-rap-resque-worker", "bbb-rap-starter",
)  # fmt: skip
LINE = "—" * 29 + "►"


def command_output(*words: str) -> str:
    """Return what a command prints."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout


def command_succeeds(*words: str) -> bool:
    """Say whether a command ends well."""
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def unit_states() -> dict[str, str]:
    """Return the state of each unit, in upstream's order."""
    units = [*ALWAYS, *(name for name in OPTIONAL if (UNITS / f"{name}.service").exists())]
    found = command_output("systemctl", "is-active", *units).split()
    return dict(zip(units, found, strict=False))


def unit_status_lines(states: Mapping[str, str]) -> list[str]:
    """Return the lines of `bbb-conf --status`."""
    return [
        f"{unit} {LINE[len(unit) :]} [{'✔' if state == 'active' else '✘'} - {state}]"
        for unit, state in states.items()
    ]


def default_ipv4_address() -> str:
    """Return this machine's IPv4 address on the interface of the default route."""
    default = re.search(
        r"default .*?dev (\S+)", command_output("ip", "-4", "route", "show", "default")
    )
    device = ["dev", default[1]] if default else []
    match = re.search(
        r"inet (\S+)/", command_output("ip", "-4", "address", "show", "scope", "global", *device)
    )
    return match[1] if match else "127.0.0.1"


def nginx_directive_values(file: Path, name: str) -> list[str]:
    """Return the values of one directive in one of nginx's files."""
    if not file.exists():
        return []
    lines = [line for line in file.read_text().splitlines() if "#" not in line]
    return [
        match[1].strip() for match in map(re.compile(rf"\s*{name}\s+(.*?);").match, lines) if match
    ]


@dataclass
class ServerFacts:
    """All that a check needs to know."""

    release: str
    web: Mapping[str, str]
    sfu: Mapping[str, Any]
    client: Mapping[str, Any]
    recorder: Mapping[str, Any]
    record: Mapping[str, Any]
    stun: tuple[str, ...]
    variables: Mapping[str, str]
    external: Mapping[str, str]
    rtp: str
    states: Mapping[str, str]
    address: str
    memory: int
    cores: int
    names: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    sip: list[str] = field(default_factory=list)

    @property
    def server_url(self) -> str:
        """Return this server's address for browsers."""
        return self.web["bigbluebutton.web.serverURL"]


def gather_facts() -> ServerFacts:
    """Look at everything."""
    folder = part_servers.FREESWITCH
    switch = folder / "autoload_configs/switch.conf.xml"
    profile = folder / "sip_profiles/external.xml"
    names = ("ext-rtp-ip", "ext-sip-ip", "ws-binding", "wss-binding")
    low, high = (
        part_servers.freeswitch_parameter(switch, f"rtp-{end}-port") for end in ("start", "end")
    )
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return ServerFacts(
        release=settings.installed_release(),
        web=settings.bbb_web_settings(),
        sfu=settings.read_with_overrides(settings.SFU, settings.SFU_OVER),
        client=settings.read_with_overrides(settings.CLIENT, settings.CLIENT_OVER),
        recorder=settings.read_with_overrides(settings.RECORDER, settings.RECORDER_OVER),
        record=settings.read_with_overrides(settings.RECORD, settings.RECORD_OVER),
        stun=sessions.read_stun_and_turn_servers(settings.TURN, settings.TURN_OVER).stun,
        variables=part_servers.freeswitch_variables((folder / "vars.xml").read_text()),
        external={name: part_servers.freeswitch_parameter(profile, name) for name in names},
        rtp=f"{low}-{high}",
        states=unit_states(),
        address=default_ipv4_address(),
        memory=int(memory[1]) // 1000 if memory else 0,
        cores=os.cpu_count() or 1,
        names=nginx_directive_values(SITE, "server_name"),
        ports=nginx_directive_values(SITE, "listen"),
        sip=nginx_directive_values(SIP, "proxy_pass"),
    )


def owner_and_group(folder: Path) -> str:
    """Return who owns a folder."""
    return f"{folder.owner()}:{folder.group()}" if folder.exists() else "nobody"


def is_command_installed(command: str) -> bool:
    """Say whether a command can be found."""
    return (
        shutil.which(command, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin") is not None
    )
