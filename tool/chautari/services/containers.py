"""Services that run in upstream's containers: what they share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.language import _
from chautari.region.rule import Finding, Pins, Rule, placement_path
from chautari.services.artifacts import Artifact
from chautari.services.secret_spec import (
    WORD,
    WORD_FORM,
    SecretSpec,
    generate_lowercase_secret,
)

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.render.context import NodeContext
    from chautari.services.base import Secrets, Variables

REDIS_PORT = 6379
REDIS_PASSWORD = SecretSpec(
    "containers_redis_password",
    "greenlight",
    "password of the Redis server that Greenlight and Scalelite use",
    generate_lowercase_secret,
    also_for=("scalelite",),
    pattern=WORD,
    form=WORD_FORM,
)


def image_to_run(context: NodeContext, name: str) -> Artifact:
    """Return the image of the service called `name`: the sandbox's, or the region's pinned one."""
    if found := context.endpoints.artifacts.get(name):
        return found
    upstream = context.region.service_with_region_settings(name).image
    assert upstream is not None
    version = getattr(context.region.services.settings_or_defaults_of(name), "version", None)
    return upstream.to_artifact(name, version, context.loaded_region.releases)


def image_reference(artifact: Artifact) -> str:
    """Return an image as the container engine takes it; the digest alone selects it."""
    return f"{artifact.url}@sha256:{artifact.sha256}"


def redis_loopback_variables(_: NodeContext) -> Variables:
    """Return that Redis answers on the loopback interface, where containers connect."""
    return {"redis_port": REDIS_PORT, "redis_socket_group_members": []}


def redis_loopback_secret_variables(name: str, secrets: Secrets) -> Variables:
    """Return the Redis password for Redis and for the service called `name`."""
    password = secrets[REDIS_PASSWORD.name]
    return {"redis_password": password, f"{name}_redis_password": password}


def region_rules_of_container_service(name: str) -> tuple[Rule, ...]:
    """Return the rules that a service called `name` shares with the other one in containers."""

    def redis_is_its_own(region: Region, __: Pins) -> Iterator[Finding]:
        """It connects to Redis with a password over loopback; Nextcloud's Redis has neither."""
        for node in region.nodes_running(name):
            if "nextcloud" in region.nodes[node].services:
                yield (
                    placement_path(region, name, node),
                    _(
                        "{name} needs its own Redis, but this node also runs nextcloud; move "
                        "one of these services to another node",
                        name=name,
                    ),
                )

    def servers_exist(region: Region, __: Pins) -> Iterator[Finding]:
        """Rooms and pools need a server."""
        if region.nodes_running(name) and not region.nodes_running("bigbluebutton"):
            yield (
                placement_path(region, name),
                _(
                    "{name} requires BigBlueButton, but no node runs it; add bigbluebutton "
                    "to a node",
                    name=name,
                ),
            )

    return (redis_is_its_own, servers_exist)
