"""Host variables of the poll service, the same ones for whichever app carries it."""

from __future__ import annotations

from typing import Any

from chautari.region.catalog import Artifact
from chautari.region.polls import APPS
from chautari.render.context import Place


def release(place: Place) -> Artifact:
    """Return the release to install: the sandbox's, the region's choice, or the newest known."""
    settings = place.region.services.of_polls()
    if found := place.internet.artifacts.get(settings.app):
        return found
    known = APPS[settings.app].release
    pins = place.inventory.releases.get(settings.app, {})
    return pins.get(settings.version or known.version, known)


def variables(place: Place) -> dict[str, Any]:
    """Return the app's release, address and settings, named after the app."""
    region, settings = place.region, place.region.services.of_polls()
    pinned = release(place)
    found = {
        "version": pinned.version,
        "url": pinned.url,
        "sha256": pinned.sha256,
        "double": place.internet.is_double(settings.app),
        "domain": region.fqdn(settings.host),
        "languages": list(region.languages),
        "timezone": region.timezone,
        "keep_days": settings.keep_days,
        "admin_from_outside": settings.admin_from_outside,
        "mail_from": region.mail.from_ if region.mail else region.contact,
        "check_email": place.check_emails["polls"],
    }
    return {f"{settings.app}_{name}": value for name, value in found.items()}
