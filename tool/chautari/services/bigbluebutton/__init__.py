"""BigBlueButton: meetings with slides, notes and recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from chautari.language import N_
from chautari.services.base import (
    FrontPageEntry,
    MoveProcedure,
    NewRegionFacts,
    Requirements,
    Role,
    Service,
)
from chautari.services.bigbluebutton import capacity, move, preflight, variables
from chautari.services.bigbluebutton.lending import LENDING
from chautari.services.bigbluebutton.packages import NAME, OS_OF, PACKAGES, RELEASE_TAGS
from chautari.services.bigbluebutton.pool import is_pooled, own_servers
from chautari.services.bigbluebutton.rules import RULES
from chautari.services.bigbluebutton.secrets import SECRETS, peer_secret_spec
from chautari.services.bigbluebutton.settings import BigBlueButton
from chautari.services.logs_and_commands import LogsAndCommands, NodeCommand, site_error_log
from chautari.services.state import Folder, State

if TYPE_CHECKING:
    from chautari.region.model import Region

REQUIRES = Requirements(
    os=tuple(OS_OF.values()), arch=("amd64",), memory_mb=0, installed="/usr/bin/bbb-conf"
)

# Recordings. Upstream's databases only hold meetings that are open, and the role sets the secret.
STATE = State(
    folders=tuple(
        Folder(path, may_be_empty=True)
        for path in (*move.FOLDERS, "/var/bigbluebutton/captions", "/var/bigbluebutton/events")
    )
)


def service_for_region(region: Region) -> Service:
    """Return the service of the region's release line; in a pool it runs on several nodes.

    Each peer to which servers are lent has a secret. A region that uses no server itself shows none
    on its front page.
    """
    release = region.settings_of(BigBlueButton).release
    peers = tuple(map(peer_secret_spec, region.federation.borrowers_of(NAME)))
    return replace(
        SERVICE,
        title=f"BigBlueButton {release}",
        requires=REQUIRES._replace(os=(OS_OF[release],)),
        per_node=is_pooled(region),
        secrets=SECRETS + peers,
        front_page=SERVICE.front_page if own_servers(region) else None,
    )


def settings_for_new_region(new: NewRegionFacts) -> Mapping[str, object]:
    """Return the release line that the node's OS runs, and the service that has the rooms."""
    found: dict[str, object] = {}
    if line := next((line for line, os in OS_OF.items() if os == new.os), ""):
        found["release"] = line
    if "greenlight" in new.services:
        found["rooms"] = "greenlight"
    return found


SERVICE = Service(
    name=NAME,
    title="BigBlueButton",
    summary="meetings with slides, notes and recordings",
    page="bigbluebutton",
    settings=BigBlueButton,
    example={"host": "rooms", "recordings": True, "keep_days": 90},
    first_settings=settings_for_new_region,
    capacity=capacity.capacity_limits,
    roles=("nginx", "tls", "repository", "turn", "bigbluebutton"),
    own_roles=(Role("bigbluebutton", "BigBlueButton", after=("tls", "turn")),),
    state=STATE,
    packages=PACKAGES,
    secrets=SECRETS,
    secret_variables=variables.secret_variables,
    ports=variables.PORTS,
    local_ports=variables.LOCAL_PORTS,
    owns_https=True,
    per_node_fix="place scalelite on another node to use several servers as a pool",
    needs_dns=True,
    requires=REQUIRES,
    variables={
        "turn": variables.turn_variables,
        "bigbluebutton": variables.bigbluebutton_variables,
    },
    rules=RULES,
    preflight=preflight.RULES,
    advice=preflight.below_recommendation_notices,
    access_details_for_report=variables.access_details_for_report,
    front_page=FrontPageEntry(
        "/bigbluebutton/api",
        "<returncode>SUCCESS</returncode>",
        lambda _: "host",
        opened_in=("greenlight", "nextcloud"),
    ),
    release_tags=(RELEASE_TAGS,),
    logs_and_commands=LogsAndCommands(
        units=(
            "bbb-*.service",
            "freeswitch.service",
            "etherpad.service",
            "haproxy.service",
            "coturn.service",
        ),
        files=(
            "/var/log/bigbluebutton/bbb-web.log",
            "/var/log/bigbluebutton/bbb-rap-worker.log",
            site_error_log("bigbluebutton"),
        ),
        commands={
            "bbb-conf": NodeCommand(
                ("bbb-conf",),
                N_("show or change the configuration and the state of the server"),
                "--status",
            ),
            "bbb-record": NodeCommand(
                ("bbb-record",), N_("list and manage the recordings"), "--list"
            ),
        },
    ),
    move=MoveProcedure(tuple(OS_OF), move.move_steps),
    lending=LENDING,
    service_for_region=service_for_region,
)
