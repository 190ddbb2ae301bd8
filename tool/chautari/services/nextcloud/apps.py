"""Nextcloud apps: those that the region names, and the one that its rooms need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.language import _
from chautari.services.artifacts import Artifact
from chautari.services.nextcloud import releases
from chautari.services.nextcloud.bigbluebutton_rooms import has_bigbluebutton_rooms
from chautari.services.nextcloud.settings import Nextcloud

if TYPE_CHECKING:
    from chautari.render.context import NodeContext
    from chautari.services.base import Variables


def app_pins_by_name(context: NodeContext, version: str) -> dict[str, Artifact | None]:
    """Return the apps that Nextcloud `version` gets, each with its pin where there is one.

    The region's own pin comes before ours.
    """
    pins = releases.APPS.get(releases.major_version(version), {})
    own = {
        name: releases.find_newest_release(of)
        for name, of in context.loaded_region.releases.items()
    }
    found: dict[str, Artifact | None]
    found = {
        name: own.get(name) or pins.get(name) for name in context.region.settings_of(Nextcloud).apps
    }
    if has_bigbluebutton_rooms(context.region):
        found[releases.ROOMS_APP] = releases.rooms_app_release(
            version, context.loaded_region.releases
        )
    return found


def app_variables(context: NodeContext, version: str) -> Variables:
    """Return the apps to install, and the apps that no archive was found for."""
    apps, missing = [], []
    for name, pin in app_pins_by_name(context, version).items():
        artifact = context.endpoints.artifacts.get(name) or pin
        reason = context.endpoints.missing.get(name)
        if artifact is None or not artifact.sha256:
            reason = reason or _(
                "no release of this app is pinned for Nextcloud {version}", version=version
            )
        if artifact is None or reason:
            missing.append({"name": name, "reason": reason})
        else:
            apps.append(
                {
                    "name": name,
                    "version": artifact.version,
                    "url": artifact.url,
                    "sha256": artifact.sha256,
                }
            )
    return {"nextcloud_apps": apps, "nextcloud_missing_apps": missing}
