"""`deploy status [NAME]`: shows what runs on the nodes, and how the last run ended."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from chautari.cli.options import RegionName, identity_option, json_option, print_json
from chautari.deploy import status
from chautari.deploy.request import Request
from chautari.paths import inventories_root
from chautari.region.load import find, load, names
from chautari.report.text import one_line


@click.command("status")
@click.argument("name", required=False, type=RegionName())
@identity_option
@json_option
def command(name: str | None, identities: tuple[Path, ...], as_json: bool) -> int:
    """Show what is running on a region's nodes. Without a name, list the regions."""
    if name is None:
        found = names(inventories_root())
        print_json({"regions": found}) if as_json else click.echo("\n".join(found))
        return 0
    inventory = load(find(name, inventories_root()))
    states = status.node_states(Request(inventory, "deploy status", identities=identities))
    if as_json:
        print_json({"region": name, "nodes": states})
    else:
        for state in states:
            click.echo(f"{state['node']:<16} {one_line(_told(state))}")
    return 0 if all(state["reachable"] for state in states) else 1


def _told(state: dict[str, Any]) -> str:
    if not state["reachable"]:
        return f"not reachable: {state['message']}"
    if state["busy"]:
        return f"a run of {state['busy'].get('operator')} is running: {state['busy'].get('run')}"
    if not state["run"]:
        return "no deploy has run here yet"
    finished = state["finished"]
    if finished is None:
        return f"run {state['run']} was interrupted; deploy again"
    started = state["started"]
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(started)) if started else "unknown time"
    if not finished["ok"]:
        return f"run {state['run']} of {when} failed"
    if failed := finished.get("failed_checks", 0):
        return f"run {state['run']} of {when} finished, but {failed} of its checks failed"
    return f"run {state['run']} of {when} succeeded"
