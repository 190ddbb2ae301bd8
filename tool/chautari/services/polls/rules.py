"""Rules across the fields of a region with polls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.language import _
from chautari.region.operating_systems import PHP_OF, php_version_text
from chautari.region.rule import Finding, Pins, Rule, field_path
from chautari.services.polls.poll_apps import APPS, NAME
from chautari.services.polls.settings import Polls

if TYPE_CHECKING:
    from chautari.region.model import Region


def check_release_has_a_known_checksum(region: Region, pins: Pins) -> Iterator[Finding]:
    """Where upstream publishes no checksum, a region must have one of its own.

    A sandbox needs none: it installs what `--mirror` gives, or a double.
    """
    settings = region.settings_of(Polls)
    app = APPS[settings.app]
    version = settings.version or app.release.version
    if version in pins.get(settings.app, {}) or (region.sandbox and settings.version is None):
        return
    yield (
        field_path(region, NAME, "version"),
        _(
            "no checksum is known for {title} {version}; to pin the release in "
            "artifacts.lock, run: deploy lock {region}",
            title=app.title,
            version=version,
            region=region.region,
        ),
    )


def check_app_fits_the_os(region: Region, __: Pins) -> Iterator[Finding]:
    """An app that upstream no longer develops supports no newer PHP."""
    app = APPS[region.settings_of(Polls).app]
    for name in region.nodes_running(NAME):
        os = region.nodes[name].os
        if os in PHP_OF and not app.supports_os(os):
            supported = " or ".join(os for os in PHP_OF if app.supports_os(os))
            yield (
                ("nodes", name, "os"),
                _(
                    "{title} does not support PHP {php_version}, which {os} includes; move "
                    "polls to a node with os: {supported}",
                    title=app.title,
                    php_version=php_version_text(os),
                    os=os,
                    supported=supported,
                ),
            )


RULES: tuple[Rule, ...] = (check_release_has_a_known_checksum, check_app_fits_the_os)
