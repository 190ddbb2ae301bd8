"""`deploy backup recovery-sheet NAME`: print the page that is kept on paper."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from chautari.backup.recovery_sheet import recovery_sheet, repositories_without_stored_key
from chautari.backup.restore_order import NodeContextSource
from chautari.backup.scope import nodes_with_backup
from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, region_argument
from chautari.cli.output import echo
from chautari.deploy.request import Request, ensure_context
from chautari.errors import BadInput
from chautari.files import unusable_file_error
from chautari.language import Text, _
from chautari.paths import regions_root
from chautari.process import run
from chautari.region.load import load_region
from chautari.region.locate import find_region_file

WARNING: Text = (
    "The recovery sheet contains the keys of all backups. Anyone who has this sheet can read "
    "the data of all members."
)


@click.command("recovery-sheet")
@region_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the sheet to this new file, which only your account can read. `-` writes it to "
    "standard output.",
)  # fmt: skip
@click.option("--printer", metavar="PRINTER", help="Print the sheet with lp on this printer.")
@identity_option
@json_option
def command(
    name: str, output: Path | None, printer: str | None, as_json: bool, **options: Any
) -> None:
    """Print a page that contains everything needed to restore the region from its backups.

    The page contains the addresses, the passphrases, the keys and the commands. It is 80 columns
    wide, and meant to be printed on paper. The command asks where to print it.
    """
    if as_json and printer is None and output is None:
        raise click.UsageError(
            _("--json asks no questions. Fix: add --output FILE or --printer PRINTER.")
        )
    loaded_region = load_region(find_region_file(name, regions_root()))
    region = loaded_region.region.region
    if not nodes_with_backup(loaded_region.region):
        raise BadInput(
            _("region {region} stores no backups, so there is nothing to recover", region=region),
            fix=_("say in region.yml where to store backups, for example backup: {to: [PEER]}"),
        )
    request = Request(loaded_region, "deploy backup recovery-sheet", **options)
    context = ensure_context(request, lambda text: echo(text, err=True), save_secrets=False)
    source = NodeContextSource(context.loaded_region, context.endpoints)
    missing = repositories_without_stored_key(source, context.secrets)
    if missing:
        echo(
            _(
                "No key is stored yet for {missing}. Run deploy backup {region}, then print "
                "the sheet again.",
                missing=", ".join(missing),
                region=region,
            ),
            err=True,
        )
    text = recovery_sheet(source, context.secrets, time.time())
    echo(_(WARNING), err=True)
    if not as_json:
        _print_or_write_sheet(text, output, printer)
        return
    to_stdout = printer is None and str(output) == "-"
    if not to_stdout:
        _print_or_write_sheet(text, output, printer)
    print_json(
        {
            "region": region,
            "output": None if output is None else str(output),
            "printer": printer,
            "keys_missing": list(missing),
            "sheet": text if to_stdout else None,
        }
    )


def _print_or_write_sheet(text: str, output: Path | None, printer: str | None) -> None:
    if printer is None and output is None:
        answer = click.prompt(
            _(
                "Where to print it? Enter the name of a printer or of a new file, or - for this "
                "terminal"
            ),
            err=True,
        )
        if answer != "-" and "/" not in answer and "." not in answer:
            printer = answer
        else:
            output = Path(answer)
    if printer is not None:
        # Through standard input: no file is left on this machine.
        run(["lp", "-d", printer, "-t", "recovery"], stdin=text.encode())
        echo(
            _(
                "The sheet was sent to the printer {printer}. Delete the print jobs that the "
                "printer has stored.",
                printer=printer,
            ),
            err=True,
        )
    elif str(output) == "-":
        click.echo(text, nl=False)
        if sys.stdout.isatty():
            echo(_("Clear this terminal and its history when you are done."), err=True)
    elif output is not None:
        _write_private_file(output, text)
        echo(
            _(
                "{output} was written. Only your account can read this file. Print the file, "
                "then delete it: shred -u {output}",
                output=output,
            ),
            err=True,
        )


def _write_private_file(file: Path, text: str) -> None:
    """Write a new file that only this account can read.

    Raises:
        BadInput: when the file exists: it could be a link, or readable by others.
    """
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise BadInput(
            _("{file} already exists", file=file),
            fix=_("write the name of a new file after --output"),
        ) from None
    except OSError as error:
        raise unusable_file_error(file, error) from None
    with os.fdopen(handle, "w") as stream:
        os.fchmod(handle, 0o600)
        stream.write(text)
