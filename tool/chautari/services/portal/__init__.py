"""The region's front page, its signed descriptor, and its entries for directories."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chautari.federation.signing_key import signing_key_spec
from chautari.language import N_
from chautari.services.base import PeerStateFileSpec, Requirements, Role, Service
from chautari.services.logs_and_commands import LogsAndCommands, NodeCommand, site_error_log
from chautari.services.portal import variables
from chautari.services.portal.peer_states import PEER_STATE_CODES, STATE_FILE
from chautari.services.portal.settings import Portal
from chautari.services.portal.variables import NAME
from chautari.services.state import Folder, State

if TYPE_CHECKING:
    from chautari.region.model import Region


def service_for_region(region: Region) -> Service:
    """Return the service, which sends mail about peers if there are any."""
    return replace(SERVICE, sends_mail=bool(region.federation.peers))


SERVICE = Service(
    name=NAME,
    title="Front page",
    summary="the region's services and their state, in the reader's language",
    page="portal",
    settings=Portal,
    example={"title": "Red Andes", "accounts": "Ask the secretary of your cooperative."},
    roles=("nginx", "tls", "portal"),
    # After the last shared role, so that the node's own services respond to the first checks.
    own_roles=(Role("portal", "Front page", after=("tls", "containers")),),
    # The last serial, below which peers accept no descriptor, and what is remembered of peers. The
    # key is in the region's secrets, and the pages are made again.
    state=State(
        folders=(
            Folder("/var/lib/chautari-portal/descriptor", may_be_empty=True),
            Folder("/var/lib/chautari-portal/federation", may_be_empty=True),
        ),
        active_units=(
            "chautari-portal-update.timer",
            "chautari-portal-sign.timer",
            "chautari-portal-heartbeat.timer",
        ),
    ),
    secrets=(signing_key_spec(NAME),),
    secret_variables=variables.secret_variables,
    publishes_descriptor=True,
    federation=PeerStateFileSpec(STATE_FILE, PEER_STATE_CODES),
    service_for_region=service_for_region,
    requires=Requirements(installed="/var/lib/chautari-portal"),
    variables={"portal": variables.portal_variables},
    logs_and_commands=LogsAndCommands(
        units=("chautari-portal-*.service",),
        files=(site_error_log("portal"),),
        commands={
            "front-page-update": NodeCommand(
                ("systemctl", "start", "chautari-portal-update.service"),
                N_("check the services again, and update the front page"),
            ),
        },
    ),
    access_details_for_report=variables.access_details_for_report,
)
