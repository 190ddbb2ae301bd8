"""What operators look at on a node that runs a service: its units, log files and commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class NodeCommand(NamedTuple):
    """A command of a service, which runs as root on the service's node.

    Attributes:
        argv: the program and its first arguments; those of the operator follow.
        purpose: what it does, such as `list the recordings`.
        example: arguments that change nothing.
    """

    argv: tuple[str, ...]
    purpose: str
    example: str = ""


@dataclass(frozen=True)
class LogsAndCommands:
    """Where a service's messages are, and its commands.

    Attributes:
        units: units of systemd; `*` stands for any text.
        files: log files, which may end with a pattern; access logs of the web server are left out.
        commands: commands by the name under which operators run them.
    """

    units: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    commands: Mapping[str, NodeCommand] = field(default_factory=dict)


def site_error_log(site: str) -> str:
    """Return nginx's error log of a site, by the name of the site's file."""
    return f"/var/log/nginx/{site}.error.log"
