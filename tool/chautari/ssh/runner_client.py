"""Run actions of the runner on a node; its sources travel along, so nothing is installed before."""

from __future__ import annotations

import functools
import json
import secrets
import time
import zlib
from binascii import b2a_base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from chautari.language import Text, _
from chautari.process import OutputLimits, RunningCommand
from chautari.ssh.account_fallback import is_accepted, try_accounts
from chautari.ssh.message_validation import MalformedMessage, parse_answer
from chautari.ssh.target import SSHTarget, command_as_root, ssh_argv

Arguments = dict[str, Any]  # of an action of the runner; plain JSON data
Payload = bytes | Callable[[], bytes]
Answer = TypeVar("Answer")
# A node may be faulty or hostile. A real run sends at most 5 MB, in lines of at most a few 100 kB.
NODE_LIMITS = OutputLimits(line_bytes=1 << 20, total_bytes=8 << 20, lines=200_000)
MAX_EVENTS = 100_000  # of one run, over all its connections
MAX_SHOWN = 2000  # characters of what a machine says in place of an answer
UNREADABLE: Text = "the node sent an unreadable response"
TOO_MUCH: Text = "the node sent too much data for one response"
# Reads sources from standard input and runs the first: one line, for any account's login shell.
# A login shell may have printed something without an end of line, so the first line is empty.
_COMMAND = (
    "import json,sys,zlib;print();i=sys.stdin.buffer;"
    "m=json.loads(zlib.decompress(i.read(int(i.readline()))));exec(m[''])"
)
# Imports the node's modules from memory, so that no file has to exist on the node.
_BOOTSTRAP = """
import os
from binascii import a2b_base64
from importlib.machinery import ModuleSpec
class F:
 def find_spec(s,n,p=None,t=None):
  return ModuleSpec(n,s,is_package=any(k.startswith(n+'.') for k in m)) if n in m else None
 def create_module(s,p):pass
 def exec_module(s,o):exec(compile(m[o.__name__],o.__name__,'exec'),o.__dict__)
sys.meta_path.insert(0,F())
from chautari.node.main import main
c=main(json.loads(a2b_base64(sys.argv[1])),i)
sys.stdout.flush()
os._exit(c)
"""
# The modules of frequent actions; on a slow connection, fewer bytes save a round trip.
_MODULES_OF_ACTION = {
    "survey": (
        "chautari", "chautari.node", "chautari.node.main", "chautari.node.survey",
        "chautari.node.receipts", "chautari.node.current_resources",
        "chautari.node.changes_since_receipt", "chautari.node.lock", "chautari.node.optional_facts",
    ),
    "state_files": (
        "chautari", "chautari.node", "chautari.node.main", "chautari.node.service_state_files",
    ),
    "artifact_digest": (
        "chautari", "chautari.node", "chautari.node.main", "chautari.node.download_digest",
    ),
    "service_logs": (
        "chautari", "chautari.node", "chautari.node.main", "chautari.node.service_logs",
    ),
}  # fmt: skip
_NODE_FOLDER = Path(__file__).resolve().parents[1] / "node"
# Other modules that restores use.
_OTHER_RESTORE_MODULES = (
    "main", "lock", "audit_log", "process_ancestry", "translation", "backup", "backup.manifest",
    "backup.state_file",
)  # fmt: skip
_PACKAGES_WITHOUT_CODE = ("chautari", "chautari.node")  # none that a node would run
# What SSH prints of a connection that was lost.
_LOST = ("closed", "reset", "broken pipe", "not responding")
SSH_FAILED = 255  # ssh(1): the exit status of the remote command, or 255 if an error occurred


def new_run_id() -> str:
    """Return an id that sorts by time and that no other operator's run has."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    tail = "".join(secrets.choice(letters) for _ in range(6))
    return time.strftime("%Y%m%dT%H%M%S-", time.gmtime()) + tail


def runner_command_line(arguments: Arguments) -> str:
    """Return the command line that runs the runner with `arguments` on a node."""
    packed = b2a_base64(json.dumps(arguments, sort_keys=True).encode(), newline=False).decode()
    return f'python3 -I -S -c "{_COMMAND}" {packed}'


@functools.cache
def runner_module_sources() -> dict[str, str]:
    """Return the sources of all modules that a run needs on a node, by module name."""
    sources = dict.fromkeys(_PACKAGES_WITHOUT_CODE, "")
    for file in sorted(_NODE_FOLDER.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".py") and file.name not in ("__init__.py", "chautari_events.py"):
            sources[f"chautari.node.{file.name[:-3]}"] = file.read_text()
    return sources


def _source_of_module(name: str) -> str:
    """Return the source of a module or package below `chautari.node`."""
    if name in _PACKAGES_WITHOUT_CODE:
        return ""
    path = _NODE_FOLDER.joinpath(*name.split(".")[2:])
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()


@functools.cache
def restore_module_sources() -> dict[str, str]:
    """Return the sources of all modules that a restore needs on a node, by module name."""
    sources = dict.fromkeys(_PACKAGES_WITHOUT_CODE, "")
    for module in _OTHER_RESTORE_MODULES:
        name = f"chautari.node.{module}"
        sources[name] = _source_of_module(name)
    for file in sorted((_NODE_FOLDER / "restore").glob("*.py")):
        name = f"chautari.node.restore.{file.stem}".removesuffix(".__init__")
        sources[name] = file.read_text()
    return sources


@functools.cache
def _packed_modules(action: str) -> bytes:
    if action in _MODULES_OF_ACTION:
        modules = {name: _source_of_module(name) for name in _MODULES_OF_ACTION[action]}
    else:
        is_restore = action.startswith("restore_")
        modules = restore_module_sources() if is_restore else runner_module_sources()
    packed = zlib.compress(json.dumps({"": _BOOTSTRAP} | modules).encode(), 9)
    return str(len(packed)).encode() + b"\n" + packed


def runner_stdin(payload: bytes = b"", action: str = "") -> bytes:
    """Return what the remote command reads: the modules that `action` needs, then the payload."""
    known = action in _MODULES_OF_ACTION or action.startswith("restore_")
    return _packed_modules(action if known else "") + payload


def start_runner_action(
    target: SSHTarget, arguments: Arguments, payload: Payload = b""
) -> RunningCommand:
    """Start an action of the runner on the node; a payload may be computed while SSH connects."""
    command = command_as_root(target, runner_command_line(arguments))

    def stdin() -> bytes:
        content = payload if isinstance(payload, bytes) else payload()
        return runner_stdin(content, arguments["action"])

    return RunningCommand(ssh_argv(target, command), stdin, NODE_LIMITS)


class RunnerReply(NamedTuple, Generic[Answer]):
    """How a short action ended.

    Attributes:
        answer: what the node answered; None when nothing valid came.
        code: exit code of SSH, or of the remote command.
        error: what is wrong with the answer, or what SSH or the machine said in its place.
        cut: whether the connection may have broken off, so that another try can succeed.
    """

    answer: Answer | None
    code: int | None
    error: str
    cut: bool = False

    @property
    def last_error(self) -> str:
        """Return the last line of `error`; empty when there is none."""
        return self.error.splitlines()[-1] if self.error else ""


def call_runner(
    target: SSHTarget, arguments: Arguments, kind: type[Answer], payload: Payload = b""
) -> RunnerReply[Answer]:
    """Run a short action on the node and return its answer, which is named like the action.

    Other output, such as a greeting of the login shell, is passed over. If the node refuses the
    account, the target's other accounts are tried.
    """
    return try_accounts(
        target,
        lambda login: _call_runner_once(login, arguments, kind, payload),
        lambda reply: is_accepted(reply.answer is not None, reply.code, reply.error),
    )


def _call_runner_once(
    target: SSHTarget, arguments: Arguments, kind: type[Answer], payload: Payload
) -> RunnerReply[Answer]:
    stream = start_runner_action(target, arguments, payload)
    answer, problem, said = None, "", ""
    for line in stream:
        try:
            answer = answer or parse_answer(line, arguments["action"], kind)
        except MalformedMessage:
            problem = _(UNREADABLE)
        if answer is None and len(said) < MAX_SHOWN:
            said = f"{said}\n{line[:MAX_SHOWN]}".strip()
    if stream.flooded:
        answer, problem = None, _(TOO_MUCH)
    cut = not problem and not stream.stopped and stream.code == SSH_FAILED
    error = problem or stream.stderr or said
    return RunnerReply(answer, stream.code, error, cut and _may_have_lost_connection(stream.stderr))


def _may_have_lost_connection(error: str) -> bool:
    """Return whether SSH reports a lost connection; at its quietest it prints nothing."""
    return not error.strip() or any(words in error.lower() for words in _LOST)
