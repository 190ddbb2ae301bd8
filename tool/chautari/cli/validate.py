"""`deploy validate [NAME|FILE…]`: lists every error; connects to no machine."""

from __future__ import annotations

from typing import Any

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import RegionName, json_option
from chautari.cli.output import echo
from chautari.errors import ChautariError
from chautari.files import to_displayable_error
from chautari.language import _
from chautari.paths import regions_root
from chautari.region import load, locate


@click.command("validate")
@click.argument("regions", nargs=-1, type=RegionName())
@json_option
def command(regions: tuple[str, ...], as_json: bool) -> int:
    """Check region files, and list every error with its line and a fix.

    The command also warns about values that are valid but probably wrong, such as a private
    address.

    Without a name, the command checks all regions in inventories/.
    """
    selected = regions or locate.find_all_regions(regions_root())
    results = [_validate_region(name) for name in selected]
    if as_json:
        errors = [problem for item in results for problem in item["problems"]]
        print_json({"regions": results, "errors": errors}, ok=not errors)
    return 0 if all(item["ok"] for item in results) else 2


def _validate_region(name: str) -> dict[str, Any]:
    try:
        found = load.load_region(locate.find_region_file(name, regions_root()))
    except (ChautariError, OSError) as error:
        expected = to_displayable_error(error)
        if expected is None:
            raise
        echo(str(expected), err=True)
        return {"region": name, "ok": False, "problems": expected.items(), "warnings": []}
    for warning in found.warnings:
        echo(_("{warning} (warning)", warning=warning), err=True)
    echo(_("{name}: valid", name=name), err=True)
    warnings = [item.as_object() for item in found.warnings]
    return {"region": name, "ok": True, "problems": [], "warnings": warnings}
