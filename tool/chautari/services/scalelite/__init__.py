"""Scalelite: a pool of several BigBlueButton servers."""

from __future__ import annotations

from chautari.language import N_
from chautari.services.artifacts import Image
from chautari.services.base import Role, Service
from chautari.services.bigbluebutton.lending import borrowed_server_secret_variables
from chautari.services.containers import (
    REDIS_PASSWORD,
    redis_loopback_variables,
    region_rules_of_container_service,
)
from chautari.services.logs_and_commands import LogsAndCommands, NodeCommand, site_error_log
from chautari.services.release_tags import ReleaseTags
from chautari.services.scalelite import variables
from chautari.services.scalelite.rules import RULES
from chautari.services.scalelite.secrets import SECRETS
from chautari.services.scalelite.settings import Scalelite
from chautari.services.scalelite.variables import NAME
from chautari.services.state import State

SERVICE = Service(
    name=NAME,
    title="Scalelite",
    summary="a pool of several BigBlueButton servers",
    page="scalelite",
    settings=Scalelite,
    example={"version": "1.8.5"},
    roles=("nginx", "tls", "postgresql", "redis", "containers", "scalelite"),
    own_roles=(Role("scalelite", "Scalelite", after=("containers",)),),
    databases={"postgresql": ("scalelite",)},
    # Redis holds the servers and open meetings; the role adds the servers again.
    state=State(units=("scalelite-api.service", "scalelite-poller.service")),
    image=Image("docker.io/blindsidenetwks/scalelite", "1.8.5", "v{}"),
    secrets=(*SECRETS, REDIS_PASSWORD),
    secret_variables=variables.secret_variables,
    host_of="bigbluebutton",
    variables={"redis": redis_loopback_variables, "scalelite": variables.scalelite_variables},
    rules=(*region_rules_of_container_service(NAME), *RULES),
    access_details_for_report=variables.access_details_for_report,
    logs_and_commands=LogsAndCommands(
        units=(
            "scalelite-*.service",
            "chautari-scalelite-*.service",
            "redis-server.service",
            "postgresql*.service",
        ),
        files=(site_error_log("scalelite"),),
        commands={
            "pool": NodeCommand(("chautari-pool",), N_("list and manage the servers in the pool"))
        },
    ),
    peer_secret_variables=borrowed_server_secret_variables,
    release_tags=(ReleaseTags(NAME, "https://github.com/blindsidenetworks/scalelite"),),
)
