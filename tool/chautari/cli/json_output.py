"""Results of commands as JSON on standard output."""

from __future__ import annotations

import json
from typing import Any

import click


def print_json(data: Any) -> None:
    """Print one JSON object to standard output."""
    click.echo(json.dumps(data, indent=2))
