"""Rules across the fields of a region with Scalelite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.language import _
from chautari.region.rule import Finding, Pins, Rule
from chautari.services.scalelite.settings import Scalelite

if TYPE_CHECKING:
    from chautari.region.model import Region

# The first release that applies a tag in DEFAULT_CREATE_PARAMS (upstream's pull request 1066).
TAGS_SINCE = (1, 6, 0)


def check_release_knows_tags_of_servers(region: Region, __: Pins) -> Iterator[Finding]:
    """Older releases would never open a meeting on a borrowed server."""
    version = region.settings_of(Scalelite).version
    if (
        version is not None
        and region.federation.lenders_of("bigbluebutton")
        and tuple(map(int, version.split("."))) < TAGS_SINCE
    ):
        yield (
            ("services", "scalelite", "version"),
            _(
                "Scalelite {version} cannot use borrowed servers; write version 1.6.0 or "
                "newer, or remove bigbluebutton from federation.borrow",
                version=version,
            ),
        )


RULES: tuple[Rule, ...] = (check_release_knows_tags_of_servers,)
