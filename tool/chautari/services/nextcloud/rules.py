"""Rules across the fields of a region with Nextcloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.language import _
from chautari.region.operating_systems import PHP_OF, php_version_text
from chautari.region.rule import Finding, Pins, Rule
from chautari.services.nextcloud import releases
from chautari.services.nextcloud.bigbluebutton_rooms import check_rooms_app_is_pinned
from chautari.services.nextcloud.settings import Nextcloud
from chautari.services.nextcloud.variables import intermediate_releases, release_to_install

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.render.context import NodeContext

VERSION_PATH = ("services", releases.NAME, "version")


def check_release_has_a_known_checksum(region: Region, pins: Pins) -> Iterator[Finding]:
    """A release is only unpacked when its checksum is known."""
    version = region.settings_of(Nextcloud).version
    known_pins = pins.get(releases.NAME, {})
    if version is None or version in known_pins:
        return
    systems = {region.nodes[name].os for name in region.nodes_running(releases.NAME)} & set(PHP_OF)
    fitting = [
        release
        for release in sorted(known_pins, reverse=True)
        if all(releases.release_supports_os(release, os) for os in systems)
    ]
    known = ", ".join(fitting)
    yield (
        VERSION_PATH,
        _(
            "no checksum is known for Nextcloud {version}; choose one of {known}, or pin "
            "{version} in artifacts.lock: run deploy lock {region}",
            version=version,
            known=known,
            region=region.region,
        ),
    )


def check_release_fits_the_os(region: Region, __: Pins) -> Iterator[Finding]:
    """Nextcloud 35 refuses to start on PHP 8.2, which Debian 12 has."""
    version = region.settings_of(Nextcloud).version
    if version is None:
        return
    for name in region.nodes_running(releases.NAME):
        os = region.nodes[name].os
        if os in PHP_OF and not releases.release_supports_os(version, os):
            newest = releases.newest_release_for_os(os).version
            yield (
                VERSION_PATH,
                _(
                    "Nextcloud {version} does not support PHP {php_version}, which {os} "
                    "includes; choose Nextcloud {newest} or another OS",
                    version=version,
                    php_version=php_version_text(os),
                    os=os,
                    newest=newest,
                ),
            )


def check_releases_on_the_way(context: NodeContext, installed: str) -> Iterator[Finding]:
    """An upgrade cannot skip a major version, and installs only releases with a checksum."""
    target = release_to_install(context).version
    known = {releases.major_version(item.version) for item in intermediate_releases(context)}
    first, last = releases.major_version(installed), releases.major_version(target)
    for major in range(first + 1, last):
        if major in known:
            continue
        yield (
            VERSION_PATH,
            _(
                "{node} runs Nextcloud {installed}; an upgrade to {target} must first install "
                "Nextcloud {major}, but no release of {major} is pinned. Find its newest release "
                "{major}.X.Y, and pin it in artifacts.lock: deploy lock {region} --pin "
                "nextcloud={major}.X.Y",
                node=context.node,
                installed=installed,
                target=target,
                major=major,
                region=context.region.region,
            ),
        )


RULES: tuple[Rule, ...] = (
    check_release_has_a_known_checksum,
    check_release_fits_the_os,
    check_rooms_app_is_pinned,
)
