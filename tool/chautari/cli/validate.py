"""`deploy validate [NAME|FILE…]`: lists every error; connects to no machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import RegionName, json_option
from chautari.cli.output import echo
from chautari.errors import ChautariError, InvalidRegion, ProblemInFile
from chautari.files import to_displayable_error
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
        print_json({"ok": all(item["ok"] for item in results), "regions": results})
    return 0 if all(item["ok"] for item in results) else 2


def _validate_region(name: str) -> dict[str, object]:
    try:
        found = load.load_region(locate.find_region_file(name, regions_root()))
    except InvalidRegion as error:
        echo(str(error), err=True)
        return _validation_result(name, False, error.problems)
    except (ChautariError, OSError) as error:
        expected = to_displayable_error(error)
        if expected is None:
            raise
        echo(str(expected), err=True)
        problem = ProblemInFile(Path(), 0, 0, "", expected.message)
        return _validation_result(name, False, [problem], fix=expected.fix)
    for warning in found.warnings:
        echo(f"{warning} (warning)", err=True)
    echo(f"{name}: valid", err=True)
    return _validation_result(name, True, [], found.warnings)


def _validation_result(
    name: str,
    ok: bool,
    problems: Sequence[ProblemInFile],
    warnings: Sequence[ProblemInFile] = (),
    fix: str = "",
) -> dict[str, object]:
    """Return the result of one region; a problem of a file has its fix in its message."""
    return {
        "region": name,
        "ok": ok,
        "problems": _problem_objects(problems, fix),
        "warnings": _problem_objects(warnings),
    }


def _problem_objects(problems: Sequence[ProblemInFile], fix: str = "") -> list[dict[str, object]]:
    return [
        {
            "file": str(item.file) if item.line else "",
            "line": item.line,
            "column": item.column,
            "where": item.where,
            "message": item.message,
            "fix": fix,
        }
        for item in problems
    ]
