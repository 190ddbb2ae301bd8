"""Greenlight: web pages for BigBlueButton rooms, with separate user accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.region.rule import Finding, Pins, service_path
from chautari.services.artifacts import Image
from chautari.services.base import Role, Service
from chautari.services.bigbluebutton.settings import BigBlueButton
from chautari.services.containers import REDIS_PASSWORD, container_rules, redis
from chautari.services.greenlight import variables
from chautari.services.greenlight.secrets import SECRETS
from chautari.services.greenlight.settings import Greenlight
from chautari.services.greenlight.variables import NAME

if TYPE_CHECKING:
    from chautari.region.model import Region


def rooms_are_in_greenlight(region: Region, _: Pins) -> Iterator[Finding]:
    """Greenlight without rooms would show people an empty page."""
    rooms = region.settings_of(BigBlueButton).rooms
    if region.nodes_running(NAME) and rooms != NAME:
        yield (
            service_path(region, NAME),
            f"the rooms are in {rooms}; write bigbluebutton: {{rooms: greenlight}}, or remove "
            "greenlight here",
        )


SERVICE = Service(
    name=NAME,
    title="Greenlight",
    summary="web pages for BigBlueButton rooms, with separate user accounts",
    page="greenlight",
    settings=Greenlight,
    example={"host": "lobby", "registration": "approval"},
    roles=("nginx", "tls", "postgresql", "redis", "containers", "greenlight"),
    # Greenlight calls the pool's API while it starts.
    own_roles=(Role("greenlight", "Greenlight", after=("containers", "scalelite")),),
    databases={"postgresql": ("greenlight",)},
    image=Image("docker.io/bigbluebutton/greenlight", "3.8.2.4", "release-{}"),
    secrets=(*SECRETS, REDIS_PASSWORD),
    secret_variables=variables.secret_variables,
    sends_mail=True,
    variables={"redis": redis, "greenlight": variables.greenlight},
    rules=(*container_rules(NAME), rooms_are_in_greenlight),
    access_info=variables.access_info,
)
