"""Variables of Greenlight's role, and its access data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.language import N_
from chautari.services.base import AccessDetails
from chautari.services.bigbluebutton.pool import is_pooled
from chautari.services.bigbluebutton.secrets import SERVER_SECRET
from chautari.services.bigbluebutton.settings import BigBlueButton
from chautari.services.containers import (
    REDIS_PORT,
    image_reference,
    image_to_run,
    redis_loopback_secret_variables,
)
from chautari.services.greenlight.languages import TRANSLATIONS
from chautari.services.greenlight.secrets import SECRETS
from chautari.services.greenlight.settings import Greenlight
from chautari.services.scalelite.secrets import POOL_SECRET

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.render.context import NodeContext
    from chautari.services.base import Secrets, Variables

NAME = "greenlight"
PORT = 5050


def greenlight_variables(context: NodeContext) -> Variables:
    """Return where people find Greenlight, and which server opens its meetings."""
    region, settings = context.region, context.region.settings_of(Greenlight)
    server = region.fqdn(region.settings_of(BigBlueButton).host)
    return {
        "greenlight_image": image_reference(image_to_run(context, NAME)),
        "greenlight_version": image_to_run(context, NAME).version,
        "greenlight_domain": region.fqdn(settings.host),
        "greenlight_port": PORT,
        "greenlight_endpoint": f"https://{server}/bigbluebutton/api/",
        "greenlight_registration": settings.registration,
        "greenlight_admin_email": settings.admin or region.contact,
        "greenlight_language": TRANSLATIONS.find_first_locale_or_english(region.languages),
        "greenlight_mail_from": region.mail.from_ if region.mail else "",
        "greenlight_redis_port": REDIS_PORT,
    }


def secret_variables(region: Region, _: str, secrets: Secrets) -> Variables:
    """Return Greenlight's own secrets, Redis's, and the one that it calls the server with."""
    server = POOL_SECRET if is_pooled(region) else SERVER_SECRET
    return {
        **{spec.name: secrets[spec.name] for spec in SECRETS},
        **redis_loopback_secret_variables(NAME, secrets),
        "greenlight_server_secret": secrets[server.name],
    }


def access_details_for_report(context: NodeContext) -> AccessDetails:
    """Return how people open Greenlight: its release and the first administrator's login."""
    region = context.region
    login = region.settings_of(Greenlight).admin or region.contact
    note = (
        f"{N_('initial password')}: deploy secrets show {region.region} greenlight_admin_password"
    )
    return AccessDetails(image_to_run(context, NAME).version, login, note)
