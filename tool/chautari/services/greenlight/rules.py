"""Rules across the fields of a region with Greenlight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.language import _
from chautari.region.rule import Finding, Pins, placement_path
from chautari.services.bigbluebutton.settings import BigBlueButton
from chautari.services.greenlight.variables import NAME

if TYPE_CHECKING:
    from chautari.region.model import Region


def check_greenlight_is_used_for_rooms(region: Region, __: Pins) -> Iterator[Finding]:
    """Greenlight without rooms would show people an empty page."""
    rooms = region.settings_of(BigBlueButton).rooms
    if region.nodes_running(NAME) and rooms != NAME:
        yield (
            placement_path(region, NAME),
            _(
                "greenlight has no effect if `rooms` is {rooms}; write bigbluebutton: "
                "{{rooms: greenlight}}, or remove greenlight from this node",
                rooms=rooms,
            ),
        )
