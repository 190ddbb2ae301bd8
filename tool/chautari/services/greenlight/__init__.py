"""Greenlight: a website for BigBlueButton rooms, with its own user accounts."""

from __future__ import annotations

from chautari.language import N_
from chautari.services.artifacts import Image
from chautari.services.base import FrontPageEntry, Role, Service
from chautari.services.containers import (
    REDIS_PASSWORD,
    redis_loopback_variables,
    region_rules_of_container_service,
)
from chautari.services.greenlight import variables
from chautari.services.greenlight.languages import TRANSLATIONS
from chautari.services.greenlight.rules import check_greenlight_is_used_for_rooms
from chautari.services.greenlight.secrets import SECRETS
from chautari.services.greenlight.settings import Greenlight
from chautari.services.greenlight.variables import NAME
from chautari.services.logs_and_commands import LogsAndCommands, NodeCommand, site_error_log
from chautari.services.release_tags import ReleaseTags
from chautari.services.state import Folder, State

SERVICE = Service(
    name=NAME,
    title="Greenlight",
    summary="a website for BigBlueButton rooms, with its own user accounts",
    page="greenlight",
    settings=Greenlight,
    example={"host": "lobby", "registration": "approval"},
    roles=("nginx", "tls", "postgresql", "redis", "containers", "greenlight"),
    # Greenlight calls the pool's API while it starts.
    own_roles=(Role("greenlight", "Greenlight", after=("containers", "scalelite")),),
    databases={"postgresql": ("greenlight",)},
    # Slides and pictures that people uploaded; a file never changes.
    state=State(
        folders=(Folder("/var/lib/greenlight/storage", may_be_empty=True),),
        units=("greenlight.service",),
    ),
    image=Image("docker.io/bigbluebutton/greenlight", "3.8.2.4", "release-{}"),
    secrets=(*SECRETS, REDIS_PASSWORD),
    secret_variables=variables.secret_variables,
    sends_mail=True,
    variables={"redis": redis_loopback_variables, "greenlight": variables.greenlight_variables},
    rules=(*region_rules_of_container_service(NAME), check_greenlight_is_used_for_rooms),
    access_details_for_report=variables.access_details_for_report,
    front_page=FrontPageEntry("/health_check", "success", lambda _: "host"),
    logs_and_commands=LogsAndCommands(
        units=("greenlight.service", "redis-server.service", "postgresql*.service"),
        files=(site_error_log("greenlight"),),
        commands={
            "greenlight-rake": NodeCommand(
                ("podman", "exec", "greenlight", "bundle", "exec", "rake"),
                N_("run Greenlight's administration tasks"),
                "--tasks",
            ),
        },
    ),
    release_tags=(ReleaseTags(NAME, "https://github.com/bigbluebutton/greenlight", "release-{}"),),
    translations=lambda _: TRANSLATIONS,
)
