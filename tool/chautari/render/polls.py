"""Host variables of the poll service, the same ones for whichever app carries it."""

from __future__ import annotations

from typing import Any

from chautari.region.catalog import Artifact
from chautari.region.polls import APPS
from chautari.render.context import NodeContext


def release(context: NodeContext) -> Artifact:
    """Return the release to install: the sandbox's, the region's choice, or the newest known."""
    settings = context.region.services.of_polls()
    if found := context.endpoints.artifacts.get(settings.app):
        return found
    known = APPS[settings.app].release
    pins = context.inventory.releases.get(settings.app, {})
    return pins.get(settings.version or known.version, known)


def variables(context: NodeContext) -> dict[str, Any]:
    """Return the app's release, address and settings, named after the app."""
    region, settings = context.region, context.region.services.of_polls()
    pinned = release(context)
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
        "check_email": context.check_emails["polls"],
    }
    return {f"{settings.app}_{name}": value for name, value in found.items()}
