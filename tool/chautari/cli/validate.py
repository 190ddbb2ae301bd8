"""`deploy validate [NAME|FILE…]`: lists every error; connects to no machine."""

from __future__ import annotations

import click

from chautari.cli.options import RegionName, json_option, print_json
from chautari.errors import BadInput, InvalidRegion
from chautari.paths import inventories_root
from chautari.region import load, locate


@click.command("validate")
@click.argument("regions", nargs=-1, type=RegionName())
@json_option
def command(regions: tuple[str, ...], as_json: bool) -> int:
    """Check region files, and list every error with its line and a fix.

    Without a name, the command checks all regions under inventories/.
    """
    root = inventories_root()
    selected = regions or tuple(locate.region_names(root))
    if not selected:
        raise BadInput(f"no region under {root}/", fix="write inventories/NAME/region.yml")
    results = [_validate_region(name) for name in selected]
    if as_json:
        print_json({"ok": all(item["ok"] for item in results), "regions": results})
    return 0 if all(item["ok"] for item in results) else 2


def _validate_region(name: str) -> dict[str, object]:
    try:
        load.load(locate.find_region_file(name, inventories_root()))
        click.echo(f"{name}: valid", err=True)
    except InvalidRegion as error:
        click.echo(str(error), err=True)
        return {"region": name, "ok": False, "problems": _problem_objects(error)}
    except BadInput as error:
        click.echo(str(error), err=True)
        problem = {"file": "", "line": 0, "column": 0, "where": "", "message": error.message}
        return {"region": name, "ok": False, "problems": [problem]}
    return {"region": name, "ok": True, "problems": []}


def _problem_objects(error: InvalidRegion) -> list[dict[str, object]]:
    return [
        {
            "file": str(item.file),
            "line": item.line,
            "column": item.column,
            "where": item.where,
            "message": item.message,
        }
        for item in error.problems
    ]
