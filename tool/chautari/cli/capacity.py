"""`deploy capacity NAME`: how many people, accounts and GB of files a region has room for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from chautari.capacity.machine_sizes import (
    AssumedSize,
    MeasuredSize,
    parse_assumed_size,
    sizes_of_machines,
)
from chautari.capacity.region_capacity import ServiceCapacity, capacity_of_region, total_of_kind
from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, region_argument
from chautari.cli.output import echo
from chautari.cli.text_checked_like_region_file import CheckedText
from chautari.errors import BadInput
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.render.provider import known_endpoints
from chautari.report import capacity_texts
from chautari.report.plain_table import table_lines
from chautari.services.capacity_figures import CapacityLimit, Kind
from chautari.suggestions import fix_for_unknown_word


@click.command("capacity")
@region_argument
@click.option(
    "--assume", "assumed", multiple=True, type=CheckedText("NODE:KEY=VALUE,…", parse_assumed_size),
    help="Assume these values for the machine of a node: cores, memory (GB), disk (free GB) "
    "and mbit (Mbit/s in each direction). You can repeat this option.",
)  # fmt: skip
@identity_option
@json_option
def command(
    name: str, assumed: tuple[AssumedSize, ...], identities: tuple[Path, ...], as_json: bool
) -> int:
    """Show how many people, accounts and GB of files fit into a region, and what limits it first.

    The command reads the memory, disk and processor of each machine over SSH, and changes nothing.
    It cannot measure the speed of the connection: specify this speed with --assume. The command
    shows the source of each figure.

    \b
    deploy capacity andes --assume bog1:mbit=100
    deploy capacity andes --assume bog1:cores=8,memory=16,disk=500,mbit=250
    """
    loaded_region = load_region(find_region_file(name, regions_root()), with_peers=False)
    for item in assumed:
        if item.node not in loaded_region.region.nodes:
            fix = fix_for_unknown_word(item.node, list(loaded_region.region.nodes))
            raise BadInput(_("this region has no node {node!r}", node=item.node), fix=fix)
    sizes = sizes_of_machines(loaded_region, known_endpoints(loaded_region), assumed, identities)
    found = capacity_of_region(
        loaded_region.region, {node: item.size for node, item in sizes.items()}
    )
    if as_json:
        print_json(_capacity_object(loaded_region.region.region, sizes, found))
    else:
        _print_capacity(sizes, found)
    return 0


def _capacity_object(
    region: str, sizes: dict[str, MeasuredSize], capacities: tuple[ServiceCapacity, ...]
) -> dict[str, Any]:
    return {
        "ok": True,
        "region": region,
        "totals": {kind: total_of_kind(capacities, kind) for kind in get_args(Kind)},
        "machines": {
            node: item.size._asdict() | {"problem": item.problem or None}
            for node, item in sizes.items()
        },
        "services": [item.as_object() for item in capacities],
    }


def _print_capacity(
    sizes: dict[str, MeasuredSize], capacities: tuple[ServiceCapacity, ...]
) -> None:
    for kind in get_args(Kind):
        amount = capacity_texts.amount_text(total_of_kind(capacities, kind))
        echo(f"{amount:>9}  {_(capacity_texts.KINDS[kind])}")
    echo()
    for line in table_lines(
        (_("Service"), _("Node"), _("Room for"), _("Limited by")), _capacity_table_rows(capacities)
    ):
        echo(line)
    echo()
    for node, item in sizes.items():
        if item.problem:
            echo(
                _("{node} could not be measured: {problem}", node=node, problem=item.problem),
                err=True,
            )
    for service in capacities:
        if unknown := service.unknown_resources():
            echo(capacity_texts.unknown_resources_text(service.node, unknown))
    echo(_(capacity_texts.ESTIMATES))
    echo(_("Sources:"))
    for source in dict.fromkeys(limit.source for item in capacities for limit in item.limits):
        echo("  " + _source_text(source))


def _capacity_table_rows(capacities: tuple[ServiceCapacity, ...]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for item in capacities:
        if not item.limits:
            rows.append((item.service, item.node, _(capacity_texts.NOT_KNOWN), ""))
        for limit in item.first_limits():
            known = limit.number is not None
            resource = _(capacity_texts.RESOURCES[limit.resource]) if known else ""
            rows.append((item.service, item.node, _limit_text(limit), resource))
    return rows


def _source_text(source: str) -> str:
    """Return a source, or several of them, in the language of the command."""
    whole = _(source)
    return whole if whole != source else "; ".join(map(_, source.split("; ")))


def _limit_text(limit: CapacityLimit) -> str:
    kind = _(capacity_texts.KINDS[limit.kind])
    amount = capacity_texts.amount_text(limit.number, limit.is_estimate)
    return f"{kind}: {amount}" if limit.number is None else f"{amount} {kind}"
