"""Variables of the poll service, the same for every app that runs it, and its access data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.language import N_
from chautari.services.artifacts import Artifact
from chautari.services.base import AccessDetails
from chautari.services.polls.poll_apps import APPS, NAME
from chautari.services.polls.settings import Polls

if TYPE_CHECKING:
    from chautari.render.context import NodeContext
    from chautari.services.base import Variables


def release_to_install(context: NodeContext) -> Artifact:
    """Return the release to install: the sandbox's, the region's choice, or the newest known."""
    settings = context.region.settings_of(Polls)
    if found := context.endpoints.artifacts.get(settings.app):
        return found
    known = APPS[settings.app].release
    pins = context.loaded_region.releases.get(settings.app, {})
    return pins.get(settings.version or known.version, known)


def archives_to_download(context: NodeContext) -> list[Artifact]:
    """Return the archives to download: the release of the app."""
    return [release_to_install(context)]


def app_variables(context: NodeContext) -> Variables:
    """Return the app's release, address and settings, named after the app."""
    region, settings = context.region, context.region.settings_of(Polls)
    pinned = release_to_install(context)
    found = {
        "version": pinned.version,
        "url": pinned.url,
        "sha256": pinned.sha256,
        "domain": region.fqdn(settings.host),
        "languages": list(region.languages),
        "timezone": region.timezone,
        "keep_days": settings.keep_days,
        "admin_from_outside": settings.admin_from_outside,
        "mail_from": region.mail.from_ if region.mail else region.contact,
        "check_email": context.emails_for_checks[NAME],
    }
    return {f"{settings.app}_{name}": value for name, value in found.items()}


def access_details_for_report(context: NodeContext) -> AccessDetails:
    """Return how people open the app: its release and the administrator's login."""
    secret = f"{context.region.settings_of(Polls).app}_admin_password"
    note = f"{N_('password')}: deploy secrets show {context.region.region} {secret}"
    return AccessDetails(release_to_install(context).version, "admin", note)
