"""Jitsi Meet: video meetings in the browser."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chautari.language import N_
from chautari.services.base import FrontPageEntry, Port, Role, Service
from chautari.services.jitsi import capacity, lending, variables
from chautari.services.jitsi.languages import TRANSLATIONS
from chautari.services.jitsi.packages import PACKAGES, RELEASE_TAGS
from chautari.services.jitsi.rules import RULES
from chautari.services.jitsi.secrets import (
    SECRETS,
    meeting_starter_password_spec,
    peer_password_spec,
)
from chautari.services.jitsi.settings import Jitsi
from chautari.services.logs_and_commands import LogsAndCommands, NodeCommand
from chautari.services.state import Folder, State

if TYPE_CHECKING:
    from chautari.region.model import Region

VIDEOBRIDGE = Role(
    "videobridge",
    "Video bridge",
    after=("repository", "turn"),
    ports=(Port("10000", "udp", "Media of meetings"),),
)
ROLE = Role("jitsi", "Jitsi Meet", after=("tls", "turn", "videobridge"))
# Accounts of members. Keys and certificates follow from the region's secrets.
STATE = State(
    folders=(Folder("/var/lib/prosody", exclude=("*.key", "*.crt"), may_be_empty=True),),
    units=("prosody.service",),
    active_units=("prosody.service", "jicofo.service"),
)


def service_for_region(region: Region) -> Service:
    """Return the service with passwords of members and peers, and the port for other bridges."""
    people = tuple(map(meeting_starter_password_spec, region.settings_of(Jitsi).members))
    peers = tuple(map(peer_password_spec, region.federation.lenders_of(lending.BRIDGE)))
    ports = variables.PORTS + variables.ports_for_bridges(region)
    return replace(SERVICE, secrets=SECRETS + people + peers, ports=ports)


SERVICE = Service(
    name="jitsi",
    title="Jitsi Meet",
    summary="video meetings in the browser",
    page="jitsi",
    settings=Jitsi,
    example={"host": "meet", "access": "members", "members": ["ana"]},
    first_settings=lambda new: {"members": [new.operator]},
    capacity=capacity.capacity_limits,
    roles=("nginx", "tls", "repository", "turn", "videobridge", "jitsi"),
    own_roles=(VIDEOBRIDGE, ROLE),
    state=STATE,
    packages=PACKAGES,
    secrets=SECRETS,
    secret_variables=variables.meeting_secret_variables,
    ports=variables.PORTS,
    local_ports=variables.LOCAL_PORTS,
    variables={
        "turn": variables.turn_variables,
        "videobridge": variables.videobridge_variables,
        "jitsi": variables.jitsi_variables,
    },
    rules=RULES,
    access_details_for_report=variables.access_details_for_report,
    front_page=FrontPageEntry("/", "Jitsi Meet", variables.account_requirement),
    release_tags=(RELEASE_TAGS,),
    translations=lambda _: TRANSLATIONS,
    site_file="{name}.conf",
    failed_logins="prosody",
    logs_and_commands=LogsAndCommands(
        units=("prosody.service", "jicofo.service", "jitsi-videobridge2.service", "coturn.service"),
        files=(
            "/var/log/prosody/prosody.log",
            "/var/log/jitsi/jicofo.log",
            "/var/log/jitsi/jvb.log",
        ),
        commands={
            "prosodyctl": NodeCommand(
                ("prosodyctl",), N_("control Prosody, the XMPP server"), "about"
            ),
        },
    ),
    peer_ports=lending.firewall_ports_for_borrowed_bridges,
    peer_secret_variables=lending.meeting_peer_secret_variables,
    service_for_region=service_for_region,
)
