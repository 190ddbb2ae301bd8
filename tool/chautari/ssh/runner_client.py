"""Speaks to the runner on a node: its sources travel along, so nothing has to be there before."""

from __future__ import annotations

import functools
import json
import time
import zlib
from binascii import b2a_base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chautari.process import Stream
from chautari.ssh.target import SSHTarget, as_root, ssh_argv

Event = dict[str, Any]
Payload = bytes | Callable[[], bytes]
# Takes sources from standard input and runs the first: one line, for any account's login shell.
_COMMAND = (
    "import json,sys,zlib;i=sys.stdin.buffer;"
    "m=json.loads(zlib.decompress(i.read(int(i.readline()))));exec(m[''])"
)
# Imports the node's modules from what arrived, so that no file has to be there before.
_BOOTSTRAP = """
import os
from binascii import a2b_base64
from importlib.machinery import ModuleSpec
class F:
 def find_spec(s,n,p=None,t=None):
  return ModuleSpec(n,s,is_package=n in ('chautari','chautari.node')) if n in m else None
 def create_module(s,p):pass
 def exec_module(s,o):exec(compile(m[o.__name__],o.__name__,'exec'),o.__dict__)
sys.meta_path.insert(0,F())
from chautari.node.main import main
c=main(json.loads(a2b_base64(sys.argv[1])),i)
sys.stdout.flush()
os._exit(c)
"""
# All that a survey needs: on a slow link what is sent in one go arrives in one round trip.
_OF_A_SURVEY = (
    "chautari", "chautari.node", "chautari.node.main", "chautari.node.survey",
    "chautari.node.receipts", "chautari.node.fingerprint", "chautari.node.differences",
    "chautari.node.lock", "chautari.node.addresses",
)  # fmt: skip
SSH_FAILED = 255  # ssh(1): the exit status of the remote command, or 255 if an error occurred


def new_run_id() -> str:
    """Return an id that sorts by time and that two operators do not share."""
    import secrets

    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    tail = "".join(secrets.choice(letters) for _ in range(6))
    return time.strftime("%Y%m%dT%H%M%S-", time.gmtime()) + tail


def remote_command(arguments: Event) -> str:
    """Return the command line that runs the runner with `arguments` on a node."""
    packed = b2a_base64(json.dumps(arguments, sort_keys=True).encode(), newline=False).decode()
    return f'python3 -I -S -c "{_COMMAND}" {packed}'


@functools.cache
def node_modules() -> dict[str, str]:
    """Return the sources of all that runs on a node with its own Python, by module name."""
    folder = Path(__file__).resolve().parents[1] / "node"
    found = {"chautari": "", "chautari.node": ""}
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".py") and file.name not in ("__init__.py", "chautari_events.py"):
            found[f"chautari.node.{file.name[:-3]}"] = file.read_text()
    return found


@functools.cache
def _packed_modules(surveying: bool = False) -> bytes:
    known = node_modules()
    wanted = {name: known[name] for name in _OF_A_SURVEY} if surveying else known
    packed = zlib.compress(json.dumps({"": _BOOTSTRAP} | wanted).encode(), 9)
    return str(len(packed)).encode() + b"\n" + packed


def runner_stdin(payload: bytes = b"", surveying: bool = False) -> bytes:
    """Return what the remote command reads: the modules it needs, then the payload."""
    return _packed_modules(surveying) + payload


def open_stream(target: SSHTarget, arguments: Event, payload: Payload = b"") -> Stream:
    """Start an action of the runner on the node; a payload may be computed while SSH connects."""
    command = as_root(target, remote_command(arguments))
    surveying = arguments["action"] == "survey"

    def fed() -> bytes:
        return runner_stdin(payload if isinstance(payload, bytes) else payload(), surveying)

    return Stream(ssh_argv(target, command), fed)


def ask(target: SSHTarget, arguments: Event, payload: Payload = b"") -> tuple[list[Event], Stream]:
    """Run one short action of the runner on the node and return its events.

    What is no event, such as a greeting of the login shell, is passed over.
    """
    stream = open_stream(target, arguments, payload)
    return [event for line in stream if (event := _event(line)) is not None], stream


def _event(line: str) -> Event | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None
