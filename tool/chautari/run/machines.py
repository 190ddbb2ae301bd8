"""Preflight and prepare with pyinfra, all nodes side by side, in a process of its own.

Runs in the child process that `machines_child` starts. Orders come as JSON on standard input,
results leave as JSON lines: `pinned`, `refused`, `unreachable`, `preparing`, `prepared`, `failed`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import socket
import sys
import time
from pathlib import Path
from typing import Any

from gevent.pool import Pool
from pyinfra.api.config import Config
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state
from pyinfra.operations import apt, files, server

from chautari.node import packages
from chautari.run import dns_records, environment, facts, preflight, preflight_meetings
from chautari.run.wanted import Wanted

CONNECT_SECONDS = 20
PACKAGES = ["python3", "python3-venv", "python3-apt", "python3-debian", "ca-certificates"]
# Ansible on the node needs Python 3.11; where the system's is older, a newer one stands beside it.
# Modules and the runner use the system's all the same: there is python3-apt.
PYTHONS = {"ubuntu-22.04": "python3.11"}
LOCK_WAIT = "-o DPkg::Lock::Timeout=600 -o Acquire::Retries=5"
# A server that closes a connection at the wrong moment lets apt wait for ever: it is asked anew, at
# first soon. What a slow link brought until then is kept, and apt goes on from there.
UPDATE = (
    f"for most in 120 600 600; do timeout -k 10 $most apt-get -q update {LOCK_WAIT} && exit 0; "
    "sleep 5; done; exit 1"
)
# Seconds and numbers of tries, and milliseconds for what was sent and not answered.
KEEPALIVE = {
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPINTVL": 30,
    "TCP_KEEPCNT": 18,
    "TCP_USER_TIMEOUT": 600_000,
}


class MachineFacts(FactBase[list[str]]):
    """The lines of the facts script."""

    def command(self) -> str:
        """Return the script."""
        return facts.SCRIPT

    def process(self, output: list[str]) -> list[str]:
        """Return the lines as they came."""
        return list(output)


def say(event: str, node: str, **values: Any) -> None:
    """Print one result line."""
    sys.stdout.write(json.dumps({"event": event, "node": node} | values) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the orders, look at every node, prepare those that nothing speaks against."""
    orders = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)  # pyinfra's own talk; results go out as JSON
    nodes = {node["name"]: node for node in orders["nodes"]}
    inventory = Inventory(([(name, _data(node)) for name, node in nodes.items()], {}))
    parallel = orders["parallel"]
    config = Config(CONNECT_TIMEOUT=CONNECT_SECONDS, FAIL_PERCENT=100, PARALLEL=parallel)
    state = State(inventory, config)
    with ctx_state.use(state):
        for node in nodes.values():
            node |= {"marker": orders["marker"], "checking": orders["checking"]}
        looked = Pool(parallel).map(lambda host: _look(state, host, nodes[host.name]), inventory)
        bare = [host for host in looked if host is not None]
        if bare:
            _prepare(state, bare, nodes, orders)


def _data(node: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "ssh_hostname": node["address"],
        "ssh_port": node["port"],
        "ssh_user": node["user"],
        "ssh_known_hosts_file": node["known_hosts"],
        "ssh_strict_host_key_checking": "accept-new",
        "ssh_config_file": "/dev/null",
        "_sudo": node["user"] != "root",
        "ssh_paramiko_connect_kwargs": {"timeout": CONNECT_SECONDS, "banner_timeout": 30},
    }
    if node["key_password"]:
        data["ssh_key_password"] = node["key_password"]
    if node["key"]:
        data |= {"ssh_key": node["key"], "ssh_look_for_keys": False}
    return data


def _look(state: State, host: Host, node: dict[str, Any]) -> Host | None:
    """Return the host when it passed the preflight and still has to be prepared."""
    # What is odd about one machine must not end the work on the others.
    try:
        known_hosts = Path(node["known_hosts"])
        known_hosts.touch()
        before = known_hosts.read_text()
        try:
            host.connect(show_errors=False, raise_exceptions=True)
        except (ConnectError, OSError) as error:
            say("unreachable", host.name, message=str(error))
            return None
        steady(host.connector.client.get_transport().sock)
        _tell_pinned(host.name, node["address"], before, known_hosts.read_text())
        return _judge(state, host, node, _facts(host))
    except Exception as error:
        message = str(error) or type(error).__name__
        say("failed", host.name, task="Look at the machine", message=message)
        return None


def steady(connected: socket.socket) -> None:
    """Let a connection send at once, live through a cut of five minutes, and end after ten."""
    # paramiko leaves Nagle's algorithm on, which costs 40 ms a step; and it waits for ever for a
    # machine that went away without a word.
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # not every system has them all
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _judge(state: State, host: Host, node: dict[str, Any], found: facts.Facts) -> Host | None:
    """Return the host when nothing speaks against it and it still has to be prepared."""
    wanted = Wanted(**node["wanted"])
    node["os"] = found.os
    refusals = preflight.check(found, wanted)
    # A node that is only looked at gets its answer about names from the checks from outside.
    if wanted.names and not node["checking"]:
        answers = dns_records.lookup(wanted.names, node["resolver"])
        refusals += preflight_meetings.records(answers, wanted)
    for notice in preflight_meetings.advice(found, wanted):
        say("advised", host.name, notice=notice)
    if refusals:
        reasons = [dataclasses.asdict(refusal) for refusal in refusals]
        say("refused", host.name, os=found.os, refusals=reasons)
        return None
    if node["checking"] and not found.venv:
        reason = {"what": preflight.NOTHING_YET, "fix": "deploy the region first"}
        say("refused", host.name, os=found.os, refusals=[reason])
        return None
    if found.venv == node["marker"] or node["checking"]:
        say("prepared", host.name, os=found.os, changed=False)
        return None
    state.activate_host(host)
    say("preparing", host.name, os=found.os)
    return host


def _tell_pinned(name: str, address: str, before: str, after: str) -> None:
    new = [line for line in after.splitlines() if line not in before and address in line]
    for line in new:
        say("pinned", name, key=" ".join(line.split()[1:3]))


def _facts(host: Host) -> facts.Facts:
    asked = time.time()
    with ctx_host.use(host):
        # The script asks for sudo itself, so that an account without it is refused, not asked.
        lines = host.get_fact(MachineFacts, _sudo=False)
    return facts.parse(lines or [], asked, time.time())


def _prepare(
    state: State, hosts: list[Host], nodes: dict[str, dict[str, Any]], orders: dict[str, Any]
) -> None:
    """Install Python and the runner's virtual environment, aside and then in one step."""
    by_python: dict[str, list[Host]] = {}
    for host in hosts:
        by_python.setdefault(PYTHONS.get(nodes[host.name]["os"], "python3"), []).append(host)
    for python, same in by_python.items():
        _add_steps(state, same, python, orders["requirements"], orders["marker"])
    # pyinfra raises when every host failed; each one's own error is told below.
    with contextlib.suppress(PyinfraError):
        run_ops(state)
    for host in hosts:
        _tell_prepared(state, host)


def packages_for(python: str) -> list[str]:
    """Return what is installed where the environment is made with `python`."""
    return list(dict.fromkeys([*PACKAGES, python, f"{python}-venv"]))


def _add_steps(
    state: State, hosts: list[Host], python: str, requirements: str, marker: str
) -> None:
    new = f"{environment.RUNNER}/venv-{marker[:12]}"
    lock = f"{environment.RUNNER}/requirements.lock"
    steps = environment.steps(new, lock, marker, python)
    add_op(
        state, server.shell, name="Read the lists of packages", commands=[UPDATE], host=hosts,
    )  # fmt: skip
    add_op(
        state, server.shell, name="Finish an installation that was cut short",
        commands=[packages.FINISH], host=hosts,
    )  # fmt: skip
    add_op(
        state, apt.packages, name="Install Python", packages=packages_for(python),
        no_recommends=True, extra_install_args=LOCK_WAIT, host=hosts,
    )  # fmt: skip
    add_op(
        state, files.directory, name="Make the runner's folder", path=environment.RUNNER,
        host=hosts,
    )  # fmt: skip
    add_op(
        state, files.put, name="Put the hash-locked requirements",
        src=io.StringIO(requirements), dest=lock, mode="644", host=hosts,
    )  # fmt: skip
    add_op(
        state, server.shell, name="Install the runner's environment", host=hosts,
        commands=[f"flock -w 900 {environment.RUNNER}/prepare.lock sh -ec '{steps}'"],
    )  # fmt: skip


def _tell_prepared(state: State, host: Host) -> None:
    if host not in state.failed_hosts:
        say("prepared", host.name, os="", changed=True)
        return
    for key, operation in state.ops[host].items():
        meta = operation.operation_meta
        if meta.is_complete() and not meta.did_succeed():
            tail = "\n".join((meta.stderr or meta.stdout).splitlines()[-8:])
            say("failed", host.name, task=", ".join(state.op_meta[key].names), message=tail)
            return
    say("failed", host.name, task="prepare", message="preparing the machine failed")
