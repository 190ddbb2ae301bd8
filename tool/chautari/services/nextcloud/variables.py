"""Variables of Nextcloud's role, the release it installs, and its access data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from chautari.language import N_
from chautari.services.artifacts import Artifact, version_key
from chautari.services.base import AccessDetails
from chautari.services.nextcloud import apps, bigbluebutton_rooms, federation, languages, releases
from chautari.services.nextcloud.secrets import SECRETS
from chautari.services.nextcloud.settings import Nextcloud

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.render.context import NodeContext
    from chautari.services.base import Secrets, Variables
    from chautari.services.languages import Translations


def nextcloud_variables(context: NodeContext) -> Variables:
    """Return Nextcloud's release, address and settings."""
    region = context.region
    settings = region.settings_of(Nextcloud)
    release = release_to_install(context)
    return {
        "nextcloud_version": release.version,
        "nextcloud_url": release.url,
        "nextcloud_sha256": release.sha256,
        "nextcloud_older_releases": [
            {"version": item.version, "url": item.url, "sha256": item.sha256}
            for item in intermediate_releases(context)
        ],
        "nextcloud_domain": region.fqdn(settings.host),
        "nextcloud_quota": settings.quota,
        "nextcloud_languages": translations_of_release_to_install(context).candidates_for_languages(
            region.languages
        ),
        "nextcloud_phone_region": region.country or "",
        "nextcloud_maintenance_window_start": maintenance_hour(region.timezone),
        "nextcloud_low_bandwidth": region.bandwidth == "low",
        "nextcloud_mail_from": region.mail.from_ if region.mail else region.contact,
        "nextcloud_check_email": context.emails_for_checks[releases.NAME],
        **apps.app_variables(context, release.version),
        **bigbluebutton_rooms.room_variables(context),
        **federation.federation_variables(context),
    }


def redis_variables(_: NodeContext) -> Variables:
    """Return who may use the Redis socket."""
    return {"redis_socket_group_members": ["www-data"]}


def secret_variables(region: Region, _: str, secrets: Secrets) -> Variables:
    """Return Nextcloud's own secrets, and the one of its rooms."""
    own = {spec.name: secrets[spec.name] for spec in SECRETS}
    return own | bigbluebutton_rooms.secret_variables(region, secrets)


def release_to_install(context: NodeContext) -> Artifact:
    """Return the release to install: the sandbox's, the region's choice, or the OS's newest."""
    if found := context.endpoints.artifacts.get(releases.NAME):
        return found
    selected = context.region.settings_of(Nextcloud).version
    if selected is not None:
        return context.loaded_region.releases[releases.NAME][selected]
    return releases.newest_release_for_os(context.region.nodes[context.node].os)


def intermediate_releases(context: NodeContext) -> list[Artifact]:
    """Return one known release of each older major that the node's OS supports.

    An upgrade cannot skip a major. It is the newest one that the region pins, else the newest one
    that this version contains. In a sandbox, these are the ones that its mirror serves.
    """
    os = context.region.os_or_substitute_of(context.node)
    target = releases.major_version(release_to_install(context).version)
    known = context.loaded_region.releases.get(releases.NAME, {})
    newest: dict[int, Artifact] = {}
    shipped = {item.version for item in releases.RELEASES if item == known.get(item.version)}
    for version in sorted(known, key=lambda item: (item not in shipped, version_key(item))):
        major = releases.major_version(version)
        if major < target and releases.release_supports_os(version, os):
            newest[major] = known[version]
    return context.endpoints.available_artifacts(newest.values())


def archives_to_download(context: NodeContext) -> list[Artifact]:
    """Return the release and the archives of its apps."""
    release = release_to_install(context)
    pins = apps.app_pins_by_name(context, release.version).values()
    return [release, *(pin for pin in pins if pin is not None)]


def translations_of_release_to_install(context: NodeContext) -> Translations:
    """Return all translations of the release that will be installed."""
    return languages.translations_of_version(release_to_install(context).version)


def access_details_for_report(context: NodeContext) -> AccessDetails:
    """Return how people open Nextcloud: its release and the administrator's login."""
    note = f"{N_('password')}: deploy secrets show {context.region.region} nextcloud_admin_password"
    return AccessDetails(release_to_install(context).version, "admin", note)


def maintenance_hour(timezone: str) -> int:
    """Return the hour in UTC at which it is one o'clock at night in `timezone`, in winter time.

    Nextcloud runs heavy jobs in the four hours that begin then.
    """
    winter = datetime(2026, 1, 15, 1, 0, tzinfo=ZoneInfo(timezone))
    return winter.astimezone(UTC).hour
