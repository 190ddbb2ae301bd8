"""`deploy dns NAME`: the DNS records to make, and which of them are there."""

from __future__ import annotations

from typing import Any, Literal

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import json_option, region_argument
from chautari.cli.output import echo
from chautari.dns_zone import records, states
from chautari.dns_zone.states import RecordState, ZoneState
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import find_region_file
from chautari.render.provider import known_endpoints
from chautari.report import dns_record_texts
from chautari.report.plain_table import table_lines

DEFAULT_MINUTES = 30
MAX_MINUTES = 24 * 60
SECONDS_PER_MINUTE = 60.0
_SHOWN_MISSING = 8


@click.command("dns")
@region_argument
@click.option(
    "--format", "form", type=click.Choice(["table", "zone"]), default="table", show_default=True,
    help="Print a table with the state of each record, or the lines of a zone file. `zone` "
    "does not query name servers.",
)  # fmt: skip
@click.option(
    "--wait", "minutes", type=click.IntRange(1, MAX_MINUTES), is_flag=False,
    flag_value=DEFAULT_MINUTES, metavar="[MINUTES]",
    help="Wait until all records are right, but at most this many minutes. Write this option "
    "after the name of the region. Default: 30 minutes.",
)  # fmt: skip
@json_option
def command(name: str, form: Literal["table", "zone"], minutes: int | None, as_json: bool) -> int:
    """Show the DNS records that a region needs, and which of them are right, wrong or missing.

    The command asks the domain's own name servers, so that no cache hides a change. The exit code
    is 1 if a required record is missing or if a record is wrong.

    \b
    deploy dns andes
    deploy dns andes --format zone
    deploy dns andes --wait 60
    """
    if form == "zone" and (as_json or minutes):
        raise click.UsageError(
            _(
                "--format zone does not query name servers, and prints no JSON. Fix: remove "
                "--json and --wait, or --format zone."
            )
        )
    loaded_region = load_region(find_region_file(name, regions_root()), with_peers=False)
    region = loaded_region.region
    if form == "zone":
        echo(records.zone_file_text(region, records.desired_records(region)), nl=False)
        return 0
    found = _look_up_records_once_or_until_right(loaded_region, minutes)
    if as_json:
        print_json({"region": region.region, "domain": region.domain, **found.as_object()})
    else:
        _print_zone(loaded_region, found)
    return 0 if found.ok else 1


def _look_up_records_once_or_until_right(
    loaded_region: LoadedRegion, minutes: int | None
) -> ZoneState:
    resolver = known_endpoints(loaded_region).resolver

    def look() -> ZoneState:
        return states.compare_zone_with_desired_records(loaded_region.region, resolver)

    if not minutes:
        return look()
    return states.wait_until_records_are_right(
        look, SECONDS_PER_MINUTE * minutes, _print_awaited_records
    )


def _print_awaited_records(zone_state: ZoneState) -> None:
    """Print to standard error which records the command still waits for."""
    waiting = [f"{x.record.name} {x.record.kind}" for x in zone_state.records if x.is_problem]
    more = len(waiting) - _SHOWN_MISSING
    rest = _(" and {more} more", more=more) if more > 0 else ""
    echo(
        _("Waiting for: {waiting}{rest}", waiting=", ".join(waiting[:_SHOWN_MISSING]), rest=rest),
        err=True,
    )


def _print_zone(loaded_region: LoadedRegion, zone_state: ZoneState) -> None:
    region = loaded_region.region
    for line in table_lines(
        (_("Name"), _("Type"), _("Value"), _("State")), _dns_record_table_rows(zone_state)
    ):
        echo(line)
    echo()
    if zone_state.zone.problem:
        data = {"domain": region.domain, "region": region.region, "zone": zone_state.zone.name}
        message, fix = dns_record_texts.zone_problem_texts(zone_state.zone.problem, data)
        echo(_("{message}\n  Fix: {fix}", message=message, fix=fix), err=True)
        return
    for item in zone_state.records:
        if text := dns_record_texts.record_step_text(item.state, _record_text_data(item)):
            echo(text)
    if not records.caa_issuer(region) and region.sandbox is None:
        echo(_("The name of the certificate authority for CAA records is not known."), err=True)
    if zone_state.is_from_cache:
        echo(_(dns_record_texts.FROM_CACHE), err=True)
    else:
        for server in zone_state.silent_servers:
            echo(_("The name server {server} did not answer.", server=server), err=True)
    if zone_state.ok:
        servers = [server.name for server in zone_state.zone.servers]
        asked = (
            _(" (asked: {servers})", servers=", ".join(servers))
            if servers and not zone_state.is_from_cache
            else ""
        )
        echo(_("All required records are right{asked}.", asked=asked))
    else:
        echo(_("Then run: deploy dns {region} --wait", region=region.region))


def _dns_record_table_rows(zone_state: ZoneState) -> list[tuple[str, ...]]:
    return [
        (
            item.record.name,
            item.record.kind,
            item.record.value or ", ".join(item.found),
            _(dns_record_texts.STATE_WORDS[item.state]),
        )
        for item in zone_state.records
    ]


def _record_text_data(item: RecordState) -> dict[str, Any]:
    return item.as_object()
