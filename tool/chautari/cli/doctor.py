"""`deploy doctor`: what this machine lacks, and the command that mends it."""

from __future__ import annotations

from dataclasses import asdict

import click

from chautari.cli.options import json_option, print_json


@click.command("doctor")
@json_option
def command(as_json: bool) -> int:
    """Find out what this machine lacks for deploying and for the sandbox."""
    from chautari_sandbox.doctor import findings

    found = findings()
    if as_json:
        ok = all(item.ok for item in found)
        print_json({"ok": ok, "findings": [asdict(item) for item in found]})
    else:
        for item in found:
            click.echo(f"{'ok  ' if item.ok else 'LACK'} {item.name}: {item.detail}")
            if not item.ok:
                click.echo(f"     → {item.fix}")
    return 0 if all(item.ok for item in found) else 1
