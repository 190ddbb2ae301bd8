"""`deploy upgrade NAME`: shows what an upgrade of a service would do."""

from __future__ import annotations

from typing import Any

import click

from chautari.cli.options import (
    CommandWithProviderOptions,
    identity_option,
    json_option,
    region_argument,
)
from chautari.cli.output import echo
from chautari.cli.reporting import run_and_report
from chautari.deploy import pipeline
from chautari.deploy.upgrade_preview import (
    region_with_version,
    requested_or_first_service_to_upgrade,
)
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file


@click.command("upgrade", cls=CommandWithProviderOptions)
@region_argument
@click.option(
    "--service", default="", metavar="SERVICE", help="Upgrade this service. Default: the first one."
)
@click.option(
    "--to", default="", metavar="VERSION",
    help="Upgrade to this release. Default: the newest pinned release that the OS supports.",
)  # fmt: skip
@identity_option
@json_option
def command(name: str, service: str, to: str, as_json: bool, **options: Any) -> int:
    """Show what an upgrade of a service would do. Nothing changes.

    The command lists the releases that the upgrade goes through, and the apps that do not support
    the new release. It also shows the downloads, the disk space, and how long the service will be
    unavailable. To upgrade, set `version` in region.yml and run `deploy region NAME`.
    """
    loaded_region = load_region(find_region_file(name, regions_root()))
    found = requested_or_first_service_to_upgrade(loaded_region, service)
    upgraded = region_with_version(loaded_region, found, to or None)
    nodes = tuple(loaded_region.region.nodes_running(found))
    code = run_and_report(
        pipeline.plan, "upgrade", name, as_json, loaded_region=upgraded, nodes=nodes, **options
    )
    if not as_json:
        version = _('set `version: "{to}"`', to=to) if to else _("remove `version`")
        line = _(
            "To upgrade, {version} under services.{found} in region.yml, then run:",
            version=version,
            found=found,
        )
        echo(_("{line}\n  deploy region {region}", line=line, region=loaded_region.region.region))
    return code
