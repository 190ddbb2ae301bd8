"""`deploy status [NAME]`: shows what runs on the nodes, and how the last run ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import RegionName, identity_option, json_option
from chautari.cli.output import echo
from chautari.deploy import status
from chautari.deploy.outdated import ReleaseComparison
from chautari.deploy.request import Request
from chautari.node.events import RunFinished
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_all_regions, find_region_file, name_problem
from chautari.report import messages
from chautari.report.jsonreport import backup_object
from chautari.report.message_templates import Data
from chautari.report.text_format import to_one_line


@click.command("status")
@click.argument("name", required=False, type=RegionName())
@identity_option
@json_option
def command(name: str | None, identities: tuple[Path, ...], as_json: bool) -> int:
    """Show the last deploy of each node, its backups, and newer releases of the services.

    A backup that failed or is older than 26 hours is shown as broken, and the exit code is 1.
    Without a name, the command lists the regions.
    """
    if name is None:
        found = [n for n in find_all_regions(regions_root()) if name_problem(n) is None]
        print_json({"regions": found}) if as_json else echo("\n".join(found))
        return 0
    loaded_region = load_region(find_region_file(name, regions_root()))
    request = Request(loaded_region, "deploy status", identities=identities)
    states, releases, backups = status.region_status(request)
    stored = all(item.state != "broken" for item in backups)
    ok = stored and all(state["reachable"] for state in states)
    if as_json:
        objects = [backup_object(item) for item in backups]
        print_json({"region": name, "nodes": states, **releases, "backups": objects}, ok=ok)
    else:
        for state in states:
            echo(f"{state['node']:<16} {to_one_line(_describe_node_status(state))}")
        if backups:
            from chautari.report.terminal import print_backups  # its tables take long to import

            print_backups(backups)
        for line in _describe_outdated_releases(releases):
            echo(line)
    return 0 if ok else 1


def _describe_node_status(state: status.NodeStatus) -> str:
    if not state["reachable"]:
        return messages.status_text("unreachable", {"message": state["message"]})
    if busy := state["busy"]:
        data = {"operator": busy.get("operator"), "run": busy.get("run")}
        return messages.status_text("run_active", data)
    if not state["run"]:
        return messages.status_text("never_deployed", {})
    finished, started = state["finished"], state["started"]
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(started)) if started else "unknown time"
    failed = finished.get("failed_checks", 0) if finished else 0
    result: Data = {"run": state["run"], "when": when, "failed": failed}
    return messages.status_text(_run_result_code(finished), result)


def _describe_outdated_releases(releases: ReleaseComparison) -> Iterator[str]:
    """Yield a line for each release with a newer one, and one for all that are not known."""
    for item in releases["outdated"] or ():
        yield messages.status_text("release_outdated", item)
    if unknown := releases["releases_unknown"]:
        servers = sorted({urlsplit(item["source"]).hostname or "" for item in unknown})
        names = [item["name"] for item in unknown]
        yield messages.status_text("releases_unknown", {"names": names, "servers": servers})


def _run_result_code(finished: RunFinished | None) -> str:
    if finished is None:
        return "run_interrupted"
    if not finished["ok"]:
        return "run_failed"
    return "checks_failed" if finished.get("failed_checks") else "run_succeeded"
