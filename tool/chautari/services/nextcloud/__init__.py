"""Nextcloud: files, calendars and contacts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from chautari.language import N_
from chautari.services.base import FrontPageEntry, PeerStateFileSpec, Requirements, Role, Service
from chautari.services.logs_and_commands import LogsAndCommands, NodeCommand, site_error_log
from chautari.services.nextcloud import capacity, releases, sources, variables
from chautari.services.nextcloud.bigbluebutton_rooms import settings_for_new_region
from chautari.services.nextcloud.peer_states import PEER_STATE_CODES, STATE_FILE
from chautari.services.nextcloud.rules import RULES, check_releases_on_the_way
from chautari.services.nextcloud.secrets import SECRETS
from chautari.services.nextcloud.settings import Nextcloud, NextcloudApp
from chautari.services.state import Folder, State

if TYPE_CHECKING:
    from chautari.region.model import Region

ROLE = Role("nextcloud", "Nextcloud", after=("postgresql", "redis", "php"))

PAUSE = "/usr/local/libexec/chautari/nextcloud-pause"
RESTORE = "/usr/local/libexec/chautari/nextcloud-restore"
# The release, its apps' code, logs and temporary files are made again.
STATE = State(
    folders=(
        # Where the data has a disk of its own, an upgrade makes its safety copy there.
        Folder("/var/lib/nextcloud/data", exclude=(".chautari-upgrade",)),
        Folder("/var/lib/nextcloud/config"),
        Folder("/var/lib/nextcloud/custom_apps", may_be_empty=True),
        Folder("/var/lib/nextcloud/themes", may_be_empty=True),
        Folder("/var/lib/nextcloud/pins", may_be_empty=True),
        # Which servers of peers the role made trusted.
        Folder("/var/lib/chautari-nextcloud", may_be_empty=True),
    ),
    pause=(PAUSE, "begin"),
    resume=(PAUSE, "end"),
    adapt=(RESTORE, "adapt"),
    after_restore=(RESTORE, "finish"),
    active_units=("nextcloud-cron.timer",),
)


def service_for_region(region: Region) -> Service:
    """Return the service with the unit that works with peers, if the region has any."""
    if not region.federation.peers:
        return SERVICE
    units = (*STATE.active_units, "nextcloud-federation.timer")
    return replace(SERVICE, state=STATE._replace(active_units=units))


SERVICE = Service(
    name="nextcloud",
    title="Nextcloud",
    summary="files, calendars and contacts",
    page="nextcloud",
    settings=Nextcloud,
    example={"host": "cloud", "quota": "5 GB"},
    first_settings=settings_for_new_region,
    capacity=capacity.capacity_limits,
    roles=("nginx", "tls", "postgresql", "redis", "php", "nextcloud"),
    own_roles=(ROLE,),
    databases={"postgresql": ("nextcloud",)},
    state=STATE,
    releases=releases.RELEASES,
    archives=(releases.NAME, releases.ROOMS_APP, *get_args(NextcloudApp)),
    sources=sources.SOURCES,
    missing_pins=sources.missing_pins,
    artifacts=variables.archives_to_download,
    older_artifacts=variables.intermediate_releases,
    secrets=SECRETS,
    secret_variables=variables.secret_variables,
    sends_mail=True,
    check_mailbox="chautari-check",
    requires=Requirements(memory_mb=900, disk_mb=4000, installed="/opt/nextcloud/current"),
    variables={"nextcloud": variables.nextcloud_variables, "redis": variables.redis_variables},
    rules=RULES,
    rules_for_installed_release=check_releases_on_the_way,
    access_details_for_report=variables.access_details_for_report,
    front_page=FrontPageEntry("/status.php", '"maintenance":false', lambda _: "all"),
    release_tags=releases.RELEASE_TAGS,
    translations=variables.translations_of_release_to_install,
    failed_logins="nextcloud",
    logs_and_commands=LogsAndCommands(
        units=("nextcloud-*.service", "php*-fpm.service", "postgresql*.service"),
        files=("/var/log/nextcloud/nextcloud.log", site_error_log("nextcloud")),
        commands={
            "occ": NodeCommand(("occ",), N_("run Nextcloud's own commands"), "status"),
        },
    ),
    federation=PeerStateFileSpec(STATE_FILE, PEER_STATE_CODES),
    service_for_region=service_for_region,
)
