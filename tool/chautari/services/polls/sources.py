"""Which release of the polls' app a region has to pin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.services.artifact_sources import MissingPin
from chautari.services.polls.poll_apps import APPS
from chautari.services.polls.settings import Polls

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.region.rule import Pins


def missing_pins(region: Region, pins: Pins) -> Iterator[MissingPin]:
    """Yield the app's release if it has no pin."""
    settings = region.settings_of(Polls)
    version = settings.version or APPS[settings.app].release.version
    if version not in pins.get(settings.app, {}):
        yield MissingPin(settings.app, version)
