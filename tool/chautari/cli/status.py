"""`deploy status [NAME]`: shows the state of a region on one screen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import RegionName, identity_option, json_option
from chautari.cli.output import echo
from chautari.deploy import status
from chautari.deploy.outdated import ReleaseComparison
from chautari.deploy.region_dashboard import make_dashboard
from chautari.deploy.request import Request
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_all_regions, find_region_file
from chautari.region.names import name_problem
from chautari.report import messages
from chautari.report.dashboard import Dashboard, print_dashboard
from chautari.report.jsonreport import backup_object, peer_object
from chautari.report.terminal import print_backups
from chautari.report.text_format import to_one_line


@click.command("status")
@click.argument("name", required=False, type=RegionName())
@click.option(
    "--details", is_flag=True, help="Show how to fix each problem, and show the last deploys."
)
@identity_option
@json_option
def command(name: str | None, details: bool, identities: tuple[Path, ...], as_json: bool) -> int:
    """Show the state of a region on one screen: nodes, services, backups, peers and problems.

    The exit code is 1 if something is broken, for example if a backup is older than 26 hours.
    Warnings do not change the exit code. Without a name, the command lists the regions.
    """
    if name is None:
        found = [n for n in find_all_regions(regions_root()) if name_problem(n) is None]
        print_json({"regions": found}) if as_json else echo("\n".join(found))
        return 0
    loaded_region = load_region(find_region_file(name, regions_root()))
    request = Request(loaded_region, "deploy status", identities=identities)
    result = status.region_status(request)
    dashboard = make_dashboard(loaded_region.region, result, time.time())
    stored = all(item.state != "broken" for item in result.backups)
    ok = stored and not dashboard.count("broken")
    if as_json:
        print_json(_status_object(name, result, dashboard), ok=ok)
        return 0 if ok else 1
    print_dashboard(dashboard, complete=details)
    if details:
        _print_details(result)
    return 0 if ok else 1


def _print_details(result: status.RegionStatus) -> None:
    echo(_("\nLast deploys"))
    for state in result.nodes:
        echo(f"  {state['node']:<16} {to_one_line(status.run_result_text(state))}")
    if result.backups:
        print_backups(result.backups)
    lines = list(_describe_outdated_releases(result.releases))
    if lines:
        echo()
    for line in lines:
        echo(line)


def _status_object(name: str, result: status.RegionStatus, dashboard: Dashboard) -> dict[str, Any]:
    return {
        "region": name,
        "nodes": result.nodes,
        **result.releases,
        "backups": [backup_object(item) for item in result.backups],
        "health": {
            item.node: item.health.model_dump() if item.health else None for item in result.health
        },
        "peers": {peer.name: peer_object(peer) for peer in result.peers},
        "problems": [asdict(item) for item in dashboard.findings],
        "topics": [asdict(item) for item in dashboard.topics],
    }


def _describe_outdated_releases(releases: ReleaseComparison) -> Iterator[str]:
    """Yield a line for each release with a newer one, and one for all that are not known."""
    for item in releases["outdated"] or ():
        yield messages.status_text("release_outdated", item)
    if unknown := releases["releases_unknown"]:
        servers = sorted({urlsplit(item["source"]).hostname or "" for item in unknown})
        names = [item["name"] for item in unknown]
        yield messages.status_text("releases_unknown", {"names": names, "servers": servers})
