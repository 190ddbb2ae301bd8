"""Rooms in Nextcloud that open meetings of BigBlueButton."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from chautari.language import _
from chautari.region.operating_systems import PHP_OF
from chautari.region.rule import Finding, Pins, placement_path
from chautari.services.bigbluebutton.pool import is_pooled
from chautari.services.bigbluebutton.secrets import SERVER_SECRET
from chautari.services.bigbluebutton.settings import BigBlueButton
from chautari.services.nextcloud import releases
from chautari.services.nextcloud.settings import Nextcloud
from chautari.services.scalelite.secrets import POOL_SECRET

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.render.context import NodeContext
    from chautari.services.base import NewRegionFacts, Secrets, Variables


def has_bigbluebutton_rooms(region: Region) -> bool:
    """Return whether people find BigBlueButton's rooms in Nextcloud."""
    rooms: str = region.settings_of(BigBlueButton).rooms
    return "bigbluebutton" in region.services_with_public_name() and rooms == releases.NAME


def room_variables(context: NodeContext) -> Variables:
    """Return where Nextcloud's rooms open their meetings; empty without rooms."""
    region = context.region
    if not has_bigbluebutton_rooms(region):
        return {"nextcloud_bigbluebutton_url": ""}
    host = region.fqdn(region.settings_of(BigBlueButton).host)
    return {"nextcloud_bigbluebutton_url": f"https://{host}/bigbluebutton/"}


def secret_variables(region: Region, secrets: Secrets) -> Variables:
    """Return the secret with which rooms call the server or the pool."""
    if not has_bigbluebutton_rooms(region):
        return {}
    spec = POOL_SECRET if is_pooled(region) else SERVER_SECRET
    return {"nextcloud_bigbluebutton_secret": secrets[spec.name]}


def settings_for_new_region(new: NewRegionFacts) -> Mapping[str, object]:
    """Return the newest release with rooms, if a new region needs them and its OS has a newer one.

    It is written down, so that a later version of Chautari does not skip the check of the app.
    """
    if "bigbluebutton" not in new.services or new.os not in PHP_OF:
        return {}
    with_rooms = releases.newest_release_with_rooms_app(new.os)
    is_newest = with_rooms == releases.newest_release_for_os(new.os)
    return {} if is_newest else {"version": with_rooms.version}


def check_rooms_app_is_pinned(region: Region, pins: Pins) -> Iterator[Finding]:
    """Rooms need a Nextcloud app, and an app is only unpacked when its checksum is known.

    A sandbox needs none: it installs what `--mirror` gives, or a double.
    """
    if not has_bigbluebutton_rooms(region) or region.sandbox is not None:
        return
    for node in region.nodes_running(releases.NAME):
        if region.nodes[node].os not in PHP_OF:
            continue  # another rule refuses the node
        selected = region.settings_of(Nextcloud).version
        version = selected or releases.newest_release_for_os(region.nodes[node].os).version
        app = releases.rooms_app_release(version, pins)
        if not app.sha256:
            other = releases.newest_release_with_rooms_app(region.nodes[node].os).version
            yield (
                placement_path(region, releases.NAME, node),
                _(
                    "no checksum is known for {name} {version}, which Nextcloud {version2} "
                    "needs for rooms; for a new Nextcloud, write services: {{nextcloud: "
                    "{{version: {other}}}}}; otherwise, to pin the app in artifacts.lock, "
                    "run: deploy lock {region}",
                    name=app.name,
                    version=app.version,
                    version2=version,
                    other=other,
                    region=region.region,
                ),
            )
