"""Variables of Scalelite's role, and its access data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.services.base import AccessDetails
from chautari.services.bigbluebutton.lending import api_url, borrowed_server_variables
from chautari.services.bigbluebutton.pool import own_servers
from chautari.services.bigbluebutton.secrets import SERVER_SECRET
from chautari.services.containers import (
    REDIS_PORT,
    image_reference,
    image_to_run,
    redis_loopback_secret_variables,
)
from chautari.services.scalelite.secrets import SECRETS
from chautari.services.scalelite.settings import Scalelite

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.render.context import NodeContext
    from chautari.services.base import Secrets, Variables

NAME = "scalelite"
PORT = 3000


def scalelite_variables(context: NodeContext) -> Variables:
    """Return the pool's name, its servers and those of peers."""
    region = context.region
    return {
        "scalelite_image": image_reference(image_to_run(context, NAME)),
        "scalelite_version": image_to_run(context, NAME).version,
        "scalelite_domain": region.public_name(NAME, context.node),
        "scalelite_port": PORT,
        "scalelite_servers": [
            {"name": name, "url": api_url(region.public_name("bigbluebutton", name))}
            for name in own_servers(region)
        ],
        "scalelite_overflow_load": region.settings_of(Scalelite).overflow_load,
        "scalelite_redis_port": REDIS_PORT,
        **borrowed_server_variables(context),
    }


def secret_variables(_: Region, __: str, secrets: Secrets) -> Variables:
    """Return Scalelite's own secrets, Redis's, and the one that it calls the servers with."""
    return {
        **{spec.name: secrets[spec.name] for spec in SECRETS},
        **redis_loopback_secret_variables(NAME, secrets),
        "scalelite_server_secret": secrets[SERVER_SECRET.name],
    }


def access_details_for_report(context: NodeContext) -> AccessDetails:
    """Return how an operator inspects Scalelite: its release, and its command."""
    return AccessDetails(
        image_to_run(context, NAME).version,
        note="to list the pool's servers, run chautari-pool on this node",
    )
