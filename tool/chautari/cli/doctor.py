"""`deploy doctor`: checks this machine for missing tools and shows how to install them."""

from __future__ import annotations

from dataclasses import asdict

import click

from chautari.cli.options import json_option, print_json


@click.command("doctor")
@json_option
def command(as_json: bool) -> int:
    """Check this machine for what a deploy and the sandbox need, and show how to install it."""
    from chautari_sandbox.doctor import findings

    found = findings()
    if as_json:
        ok = all(item.ok for item in found)
        print_json({"ok": ok, "findings": [asdict(item) for item in found]})
    else:
        for item in found:
            click.echo(f"{'ok     ' if item.ok else 'MISSING'} {item.name}: {item.detail}")
            if not item.ok:
                click.echo(f"        → {item.fix}")
    return 0 if all(item.ok for item in found) else 1
