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

from . import services, sessions, settings

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


def run(*words: str) -> str:
    """Return what a command prints."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout


def succeeds(*words: str) -> bool:
    """Say whether a command ends well."""
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def states() -> dict[str, str]:
    """Return the state of each unit, in upstream's order."""
    units = [*ALWAYS, *(name for name in OPTIONAL if (UNITS / f"{name}.service").exists())]
    found = run("systemctl", "is-active", *units).split()
    return dict(zip(units, found, strict=False))


def status_lines(found: Mapping[str, str]) -> list[str]:
    """Return the lines of `bbb-conf --status`."""
    return [
        f"{unit} {LINE[len(unit) :]} [{'✔' if state == 'active' else '✘'} - {state}]"
        for unit, state in found.items()
    ]


def address() -> str:
    """Return this machine's IPv4 address on the interface of the default route."""
    default = re.search(r"default .*?dev (\S+)", run("ip", "-4", "route", "show", "default"))
    device = ["dev", default[1]] if default else []
    match = re.search(
        r"inet (\S+)/", run("ip", "-4", "address", "show", "scope", "global", *device)
    )
    return match[1] if match else "127.0.0.1"


def directive(file: Path, name: str) -> list[str]:
    """Return the values of one directive in one of nginx's files."""
    if not file.exists():
        return []
    lines = [line for line in file.read_text().splitlines() if "#" not in line]
    return [
        match[1].strip() for match in map(re.compile(rf"\s*{name}\s+(.*?);").match, lines) if match
    ]


@dataclass
class Facts:
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
    def url(self) -> str:
        """Return this server's address for browsers."""
        return self.web["bigbluebutton.web.serverURL"]


def gather() -> Facts:
    """Look at everything."""
    folder = services.FREESWITCH
    switch = folder / "autoload_configs/switch.conf.xml"
    profile = folder / "sip_profiles/external.xml"
    names = ("ext-rtp-ip", "ext-sip-ip", "ws-binding", "wss-binding")
    low, high = (services.parameter(switch, f"rtp-{end}-port") for end in ("start", "end"))
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return Facts(
        release=settings.release(),
        web=settings.web(),
        sfu=settings.tree(settings.SFU, settings.SFU_OVER),
        client=settings.tree(settings.CLIENT, settings.CLIENT_OVER),
        recorder=settings.tree(settings.RECORDER, settings.RECORDER_OVER),
        record=settings.tree(settings.RECORD, settings.RECORD_OVER),
        stun=sessions.read_servers(settings.TURN, settings.TURN_OVER).stun,
        variables=services.variables((folder / "vars.xml").read_text()),
        external={name: services.parameter(profile, name) for name in names},
        rtp=f"{low}-{high}",
        states=states(),
        address=address(),
        memory=int(memory[1]) // 1000 if memory else 0,
        cores=os.cpu_count() or 1,
        names=directive(SITE, "server_name"),
        ports=directive(SITE, "listen"),
        sip=directive(SIP, "proxy_pass"),
    )


def owner(folder: Path) -> str:
    """Return who owns a folder."""
    return f"{folder.owner()}:{folder.group()}" if folder.exists() else "nobody"


def has(command: str) -> bool:
    """Say whether a command can be found."""
    return (
        shutil.which(command, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin") is not None
    )
