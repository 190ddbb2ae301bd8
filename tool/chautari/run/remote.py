"""Speaks to the runner on a node: its source travels along, so nothing has to be there before."""

from __future__ import annotations

import base64
import json
import secrets
import time
from importlib import resources
from typing import Any

from chautari.process import Stream
from chautari.run.target import Target, as_root, ssh_argv

Event = dict[str, Any]
# Reads the runner's source from standard input, so that no file has to be there before.
_BOOTSTRAP = (
    "import base64,json,sys;i=sys.stdin.buffer;s=i.read(int(i.readline()));"
    "g={'__name__':'runner'};exec(compile(s,'runner','exec'),g);"
    "sys.exit(g['main'](json.loads(base64.b64decode(sys.argv[1])),i,s))"
)
SSH_FAILED = 255  # ssh(1): the exit status of the remote command, or 255 if an error occurred


def new_run_id() -> str:
    """Return an id that sorts by time and that two operators do not share."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    tail = "".join(secrets.choice(letters) for _ in range(6))
    return time.strftime("%Y%m%dT%H%M%S-", time.gmtime()) + tail


def remote_command(arguments: Event) -> str:
    """Return the command line that runs the runner with `arguments` on a node."""
    packed = base64.b64encode(json.dumps(arguments, sort_keys=True).encode()).decode()
    return f'python3 -I -c "{_BOOTSTRAP}" {packed}'


def runner_stdin(payload: bytes = b"") -> bytes:
    """Return what the remote command reads: the runner's source, then the payload."""
    source = resources.files("chautari.node").joinpath("runner.py").read_bytes()
    return str(len(source)).encode() + b"\n" + source + payload


def open_stream(target: Target, arguments: Event, payload: bytes = b"") -> Stream:
    """Start an action of the runner on the node."""
    command = as_root(target, remote_command(arguments))
    return Stream(ssh_argv(target, command), runner_stdin(payload))


def ask(target: Target, arguments: Event) -> tuple[list[Event], Stream]:
    """Run one short action of the runner on the node and return its events."""
    stream = open_stream(target, arguments)
    return [json.loads(line) for line in stream if line.startswith("{")], stream
