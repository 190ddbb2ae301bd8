"""Preflight and prepare with pyinfra, all nodes side by side, in a process of its own.

Runs in the child process that `machines_child` starts. Orders come as JSON on standard input,
results leave as JSON lines: `pinned`, `refused`, `unreachable`, `preparing`, `prepared`, `lost`,
`failed`.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import socket
import sys
import time
from importlib import resources
from pathlib import Path
from typing import Any

from gevent.pool import Pool
from pyinfra.api.config import Config
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.facts import FactBase, get_fact
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_host_op
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state
from pyinfra.operations import apt, server

from chautari.node import packages
from chautari.preflight import dns_records, facts, rules
from chautari.preflight.requirements import NodeRequirements
from chautari.prepare import environment
from chautari.report.model import Refusal
from chautari.services.registry import INSTALLED

CONNECT_SECONDS = 20
PACKAGES = ["python3", "python3-venv", "python3-apt", "python3-debian", "ca-certificates"]
# Ansible on the node needs Python 3.11; where the system's is older, a newer one stands beside it.
# Modules and the runner use the system's all the same: there is python3-apt.
PYTHONS = {"ubuntu-22.04": "python3.11"}
LOCK_WAIT = "-o DPkg::Lock::Timeout=600 -o Acquire::Retries=5"
UPDATE = (resources.files(__package__) / "update_lists.sh").read_text()
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
        return facts.script(INSTALLED)

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
    config = Config(CONNECT_TIMEOUT=CONNECT_SECONDS, PARALLEL=parallel)
    # What a step finds on the machine is asked when it is that step's turn, and only then.
    state = State(inventory, config, check_for_changes=False)

    def work(host: Host) -> None:
        if _look(host, nodes[host.name]):
            _prepare(state, host, nodes[host.name]["os"], orders)

    with ctx_state.use(state):
        for node in nodes.values():
            node |= {"marker": orders["marker"], "checking": orders["checking"]}
        Pool(parallel).map(work, inventory)


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


def _look(host: Host, node: dict[str, Any]) -> bool:
    """Return whether the machine passed the preflight and still has to be prepared."""
    # What is odd about one machine must not end the work on the others.
    try:
        known_hosts = Path(node["known_hosts"])
        known_hosts.touch()
        before = known_hosts.read_text()
        try:
            host.connect(show_errors=False, raise_exceptions=True)
        except (ConnectError, OSError) as error:
            say("unreachable", host.name, message=str(error))
            return False
        steady(host.connector.client.get_transport().sock)
        _tell_pinned(host.name, node["address"], before, known_hosts.read_text())
        if (found := _facts(host)) is not None:
            return _judge(host, node, found)
        code, message = "no_output", ""
    except Exception as error:
        code, message = "step_failed", _words(error)
    if _is_cut(host):
        refusal = Refusal("connection_lost_in_preflight")
        say("unreachable", host.name, refusal=dataclasses.asdict(refusal))
    else:
        say("failed", host.name, task="Inspect the machine", code=code, message=message)
    return False


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _is_cut(host: Host) -> bool:
    """Return whether the link to a machine that was reached is gone, by using it once more."""
    if not host.connected:
        return False
    transport = host.connector.client.get_transport()
    try:
        transport.global_request("keepalive@openssh.com")  # whoever does not know it says so
    except Exception:  # paramiko has many words for it
        return True
    return not transport.is_active()


def steady(connected: socket.socket) -> None:
    """Let a connection send at once, live through a cut of five minutes, and end after ten."""
    # paramiko leaves Nagle's algorithm on, which costs 40 ms a step; and it waits for ever for a
    # machine that went away without a word.
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # not every system has them all
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _judge(host: Host, node: dict[str, Any], found: facts.Facts) -> bool:
    """Return whether nothing speaks against the machine and it still has to be prepared."""
    wanted = NodeRequirements(**node["wanted"])
    node["os"] = found.os
    refusals = rules.check(found, wanted)
    # A node that is only looked at gets its answer about names from the checks from outside.
    if wanted.names and not node["checking"]:
        answers = dns_records.lookup(wanted.names, node["resolver"])
        refusals += dns_records.records(answers, wanted)
    for notice in rules.advice(found, wanted):
        say("advised", host.name, notice=dataclasses.asdict(notice))
    if refusals:
        reasons = [dataclasses.asdict(refusal) for refusal in refusals]
        say("refused", host.name, os=found.os, refusals=reasons)
        return False
    if node["checking"] and not found.venv:
        refusal = Refusal("nothing_deployed")
        say("refused", host.name, os=found.os, refusals=[dataclasses.asdict(refusal)])
        return False
    ready = found.venv == node["marker"]
    if ready or node["checking"]:
        say("prepared", host.name, os=found.os, changed=False, outdated=not ready)
        return False
    say("preparing", host.name, os=found.os)
    return True


def _tell_pinned(name: str, address: str, before: str, after: str) -> None:
    new = [line for line in after.splitlines() if line not in before and address in line]
    for line in new:
        say("pinned", name, key=" ".join(line.split()[1:3]))


def _facts(host: Host) -> facts.Facts | None:
    """Return what the machine told of itself; None when not a word came."""
    asked = time.time()
    with ctx_host.use(host):
        # The script asks for sudo itself, so that an account without it is refused, not asked.
        lines = get_fact(
            host.state, host, MachineFacts, kwargs={"_sudo": False}, apply_failed_hosts=False
        )
    return facts.parse(lines, asked, time.time()) if lines else None


def _prepare(state: State, host: Host, release: str, orders: dict[str, Any]) -> None:
    """Install Python and the runner's virtual environment, aside and then in one step.

    Every machine goes its own way: one that breaks off, however it does, keeps none waiting.
    """
    broken = None
    try:
        python = PYTHONS.get(release, "python3")
        _add_steps(state, host, python, orders)
        with ctx_host.use(host):
            for step in host.op_hash_order:
                if not run_host_op(state, host, step):
                    break
    except Exception as error:
        # A machine whose packages cannot be listed has failed for pyinfra, which says no more.
        broken = (
            ("packages_unreadable", "")
            if host in state.failed_hosts
            else ("step_failed", _words(error))
        )
    _report_result(state, host, broken)


def packages_for(python: str) -> list[str]:
    """Return what is installed where the environment is made with `python`."""
    return list(dict.fromkeys([*PACKAGES, python, f"{python}-venv"]))


def _add_steps(state: State, host: Host, python: str, orders: dict[str, Any]) -> None:
    script = environment.script(orders["marker"], python, orders["who"])
    add_op(
        state, server.shell, name="Read the lists of packages", commands=[UPDATE], host=host,
    )  # fmt: skip
    add_op(
        state, server.shell, name="Finish an installation that was cut short",
        commands=[packages.FINISH], host=host,
    )  # fmt: skip
    add_op(
        state, apt.packages, name="Install Python", packages=packages_for(python),
        no_recommends=True, extra_install_args=LOCK_WAIT, host=host,
    )  # fmt: skip
    add_op(
        state, server.shell, name="Install the runner's environment",
        commands=[script], _stdin=orders["requirements"], host=host,
    )  # fmt: skip


def _report_result(state: State, host: Host, broken: tuple[str, str] | None) -> None:
    """Report the machine's result: it is prepared only if every step succeeded.

    `broken` is the code and message of an exception that interrupted the steps.
    """
    task, said = _stopped_at(state, host)
    if not task and not broken:
        say("prepared", host.name, os="", changed=True)
    elif _is_cut(host):
        refusal = Refusal("connection_lost_in_preparation", {"step": f"“{task}”" if task else ""})
        say("disconnected", host.name, refusal=dataclasses.asdict(refusal))
    else:
        code, message = ("step_failed", said) if said else broken or ("no_result", "")
        say("failed", host.name, task=task or "prepare", code=code, message=message)


def _stopped_at(state: State, host: Host) -> tuple[str, str]:
    """Return the first step that did not come to a good end, and the last of what it said."""
    for key, operation in state.ops[host].items():
        meta = operation.operation_meta
        name = ", ".join(state.op_meta[key].names)
        if not meta.is_complete():
            return name, ""
        if not meta.did_succeed():
            return name, "\n".join((meta.stderr or meta.stdout).splitlines()[-8:])
    return "", ""
