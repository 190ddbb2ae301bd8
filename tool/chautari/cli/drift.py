"""`deploy drift NAME`: shows what changed on the nodes since their last deploy."""

from __future__ import annotations

from typing import Any

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, node_option, region_argument
from chautari.cli.output import echo
from chautari.deploy import drift
from chautari.deploy.request import Request
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file


@click.command("drift")
@region_argument
@node_option
@identity_option
@json_option
def command(name: str, as_json: bool, **options: Any) -> int:
    """Show the files, packages, units and settings that changed since the last deploy.

    The command sends only one request to each node, needs no secrets and changes nothing. The exit
    code is 1 if something changed, or if a node did not respond.
    """
    loaded_region = load_region(find_region_file(name, regions_root()))
    nodes = drift.drift_of_nodes(Request(loaded_region, "deploy drift", **options))
    if as_json:
        print_json({"ok": all(node.ok for node in nodes), "nodes": [n.as_object() for n in nodes]})
    else:
        echo("\n".join(node.describe() for node in nodes))
        if any(node.answer and node.answer["roles"] for node in nodes):
            echo(
                _(
                    "\nTo undo these changes, run: deploy region {region}",
                    region=loaded_region.region.region,
                )
            )
    return 0 if all(node.ok for node in nodes) else 1
