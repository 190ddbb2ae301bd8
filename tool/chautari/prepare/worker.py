"""Preflight and preparation with pyinfra, all machines in parallel, in a process of its own."""

from __future__ import annotations

import json
import logging
import shlex
import socket
import sys
import time
from pathlib import Path

from gevent.pool import Pool
from paramiko.ssh_exception import NoValidConnectionsError
from pyinfra.api.config import Config
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_host_op
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state
from pyinfra.operations import apt, server

from chautari.files import write_atomically
from chautari.language import N_
from chautari.node import dpkg_repair
from chautari.preflight import (
    dns_records,
    existing_state,
    facts,
    listeners,
    operator_lockout,
    rules,
)
from chautari.preflight.requirements import NodeRequirements
from chautari.prepare import environment_script
from chautari.prepare.limited_output import limit_client_output
from chautari.prepare.paramiko_post_quantum_kex import HybridTransport
from chautari.prepare.protocol import NodeOrder, ResultLine, WorkerOrders, as_coded_message
from chautari.report.model import Notice, Refusal
from chautari.services.registry import INSTALLED
from chautari.ssh.known_hosts import find_known_hosts_lines, read_known_hosts_text

CONNECT_SECONDS = 20
FACTS_SECONDS = 60
MAX_FACTS_BYTES = 200_000  # a machine with thousands of listeners prints some 100 kB
MAX_SHOWN = 2000  # characters of what a machine says in place of its facts
PACKAGES = ["python3", "python3-venv", "python3-apt", "python3-debian", "ca-certificates"]
# Ansible on the node needs Python 3.11; where the system's is older, a newer one stands beside it.
# Modules and the runner use the system's all the same: there is python3-apt.
PYTHONS = {"ubuntu-22.04": "python3.11"}
LOCK_WAIT = "-o DPkg::Lock::Timeout=600 -o Acquire::Retries=5"
UPDATE = Path(__file__).with_name("update_lists.sh").read_text()
# Seconds and numbers of tries, and milliseconds for what was sent and not answered.
KEEPALIVE = {
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPINTVL": 30,
    "TCP_KEEPCNT": 18,
    "TCP_USER_TIMEOUT": 600_000,
}


def write_result(result: ResultLine) -> None:
    """Write one result line."""
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the orders, inspect every machine, and prepare those that pass the preflight."""
    orders: WorkerOrders = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)  # pyinfra's own log; results go out as JSON
    nodes = {node["name"]: node for node in orders["nodes"]}
    inventory = Inventory(
        ([(name, pyinfra_connection_data(node)) for name, node in nodes.items()], {})
    )
    parallel = orders["parallel"]
    config = Config(CONNECT_TIMEOUT=CONNECT_SECONDS, PARALLEL=parallel)
    # A step reads the machine's state when it is its turn, and only then.
    state = State(inventory, config, check_for_changes=False)

    def work(host: Host) -> None:
        if release := _connect_and_find_os_to_prepare(host, nodes[host.name], orders):
            _install_environment(state, host, release, orders)

    with ctx_state.use(state):
        Pool(parallel).map(work, inventory)


def pyinfra_connection_data(node: NodeOrder) -> dict[str, object]:
    """Return how pyinfra connects to a machine."""
    data: dict[str, object] = {
        "ssh_hostname": node["address"],
        "ssh_port": node["port"],
        "ssh_user": node["user"],
        "ssh_known_hosts_file": node["known_hosts"],
        "ssh_strict_host_key_checking": "accept-new",
        "ssh_config_file": "/dev/null",
        "_sudo": node["user"] != "root",
        "ssh_paramiko_connect_kwargs": {
            "timeout": CONNECT_SECONDS,
            "banner_timeout": 30,
            "transport_factory": HybridTransport,
        },
    }
    if node["key_password"]:
        data["ssh_key_password"] = node["key_password"]
    if node["key"]:
        data |= {"ssh_key": node["key"], "ssh_look_for_keys": False}
    return data


def _connect_and_find_os_to_prepare(host: Host, node: NodeOrder, orders: WorkerOrders) -> str:
    """Return the OS of a machine that passed the preflight and has to be prepared; else nothing."""
    # An unexpected error of one machine must not end the work on the others.
    try:
        known_hosts = Path(node["known_hosts"])
        known_hosts.touch()
        before = read_known_hosts_text(known_hosts)
        try:
            host.connect(show_errors=False, raise_exceptions=True)
        except (ConnectError, OSError) as error:
            write_result(
                {"event": "unreachable", "node": host.name, "message": _connect_error_text(error)}
            )
            return ""
        set_tcp_options(host.connector.client.get_transport().sock)
        limit_client_output(host.connector.client)
        if not _report_or_unpin_first_contact_key(host.name, node, before):
            return ""
        found, said = _gather_facts(host, node)
        if found is not None:
            return (
                found.os
                if _report_preflight_and_return_must_prepare(host, node, found, orders)
                else ""
            )
        account = facts.suggested_login_account(said)
        if account and account != node["user"]:
            data = {"user": account, "said": facts.short_login_text(said)}
            other = as_coded_message(Refusal("other_login", data))
            write_result({"event": "refused", "node": host.name, "os": "", "refusals": [other]})
            return ""
        code, message = "no_output", said
    except Exception as error:
        code, message = "step_failed", _text_or_type_of_error(error)
    if _probe_finds_connection_lost(host):
        refusal = as_coded_message(Refusal("connection_lost_in_preflight"))
        write_result({"event": "unreachable", "node": host.name, "refusal": refusal})
    else:
        _write_failure(host, N_("Inspect the machine"), code, message)
    return ""


def _write_failure(host: Host, task: str, code: str, message: str) -> None:
    write_result(
        {"event": "failed", "node": host.name, "task": task, "code": code, "message": message}
    )


def _connect_error_text(error: Exception) -> str:
    """Return the system's own words for a failed connection, else those of paramiko.

    pyinfra quotes the error, and paramiko quotes one for each address that it tried.
    """
    cause = error.__context__ or error
    attempts = cause.errors.values() if isinstance(cause, NoValidConnectionsError) else [cause]
    words = {attempt.strerror for attempt in attempts if isinstance(attempt, OSError)}
    return ", ".join(sorted(filter(None, words))) or str(error)


def _text_or_type_of_error(error: Exception) -> str:
    return str(error) or type(error).__name__


def _probe_finds_connection_lost(host: Host) -> bool:
    """Return whether the connection to a machine is lost, by using it once more."""
    if not host.connected:
        return False
    transport = host.connector.client.get_transport()
    try:
        transport.global_request("keepalive@openssh.com")  # an unknown request is answered, too
    except Exception:  # paramiko raises many kinds
        return True
    return not transport.is_active()


def set_tcp_options(connected: socket.socket) -> None:
    """Let a connection send at once, survive a cut of five minutes, and end after ten."""
    # paramiko leaves Nagle's algorithm on, which costs 40 ms a step. It would wait for ever for a
    # machine that disappears.
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # not every system has them all
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _report_preflight_and_return_must_prepare(
    host: Host, node: NodeOrder, machine_facts: facts.Facts, orders: WorkerOrders
) -> bool:
    """Report the result of the preflight; return whether the machine has to be prepared."""
    checking = orders["preparation"] == "check"
    refusals = _preflight_refusals(host, node, machine_facts, checking)
    if not refusals and orders["preparation"] == "adopt":
        refusals = _back_up_adopted_files_or_refuse(host, node, machine_facts)
    result: ResultLine = {"event": "preparing", "node": host.name, "os": machine_facts.os}
    if refusals:
        write_result(
            result | {"event": "refused", "refusals": [as_coded_message(item) for item in refusals]}
        )
        return False
    ready = machine_facts.venv == orders["marker"]
    if ready or checking:
        write_result(result | {"event": "prepared", "changed": False, "outdated": not ready})
        return False
    write_result(result)
    return True


def _preflight_refusals(
    host: Host, node: NodeOrder, machine_facts: facts.Facts, checking: bool
) -> list[Refusal]:
    """Return every reason not to change the machine, and report advice about it."""
    required = NodeRequirements(**node["required"])
    refusals = rules.preflight_refusals(machine_facts, required)
    refusals += listeners.occupied_port_refusals(
        machine_facts.listeners, node["takes_over"], machine_facts.ours
    )
    refusals += existing_state.existing_state_refusals(
        _find_existing_state(node, machine_facts), node["adopt"]
    )
    refusals += operator_lockout.locked_out_operator_refusals(machine_facts.access)
    # With `checking`, the outside checks verify the names.
    names = tuple(filter(None, (*required.names, required.domain)))
    if names and not checking:
        answers = dns_records.lookup_dns_records(names, node["resolver"])
        refusals += dns_records.refusals_for_records(answers, required)
    for notice in rules.below_recommendation_notices(machine_facts, required):
        write_result({"event": "advised", "node": host.name, "notice": as_coded_message(notice)})
    if not refusals and checking and not machine_facts.venv:
        refusals = [Refusal("nothing_deployed")]
    return refusals


def _find_existing_state(node: NodeOrder, machine_facts: facts.Facts) -> existing_state.Existing:
    """Return what the roles of the machine would replace, disable or cut off."""
    firewall = listeners.PlannedFirewall(node["open_ports"], node["port"])
    return [
        *machine_facts.existing,
        *listeners.find_endangered_listeners(
            machine_facts.listeners, node["takes_over"], machine_facts.ours, firewall
        ),
    ]


def _back_up_adopted_files_or_refuse(
    host: Host, node: NodeOrder, machine_facts: facts.Facts
) -> list[Refusal]:
    """Copy what the region adopts; return why that was impossible."""
    existing = _find_existing_state(node, machine_facts)
    if not existing:
        return []
    script = existing_state.script_to_copy_adopted(existing)
    root = "" if node["user"] == "root" else "sudo -n "
    _, complaint, code = _run_script_on_host(host, f"{root}sh -c {shlex.quote(script)}")
    if code != 0:
        return [Refusal("not_adopted", {"message": complaint.strip()[:MAX_SHOWN]})]
    data = {"paths": sorted({item for _, item in existing}), "folder": existing_state.ADOPTED}
    notice = as_coded_message(Notice("adopted", data))
    write_result({"event": "advised", "node": host.name, "notice": notice})
    return []


def _report_or_unpin_first_contact_key(name: str, node: NodeOrder, before: str) -> bool:
    """Report a key that was pinned at first contact; take back one that the region does not name.

    `before` is the text of the file that pins host keys, as it was before the connection.
    """
    file, place = Path(node["known_hosts"]), (node["address"], node["port"])
    after, known = read_known_hosts_text(file), find_known_hosts_lines(before, *place)
    new = [pin for pin in find_known_hosts_lines(after, *place) if pin not in known]
    found, expected = [pin.fingerprint for pin in new], node["host_key"]
    if new and expected and expected not in found:
        unwanted = {pin.line for pin in new}
        others = [line for line in after.splitlines() if line not in unwanted]
        write_atomically(file.resolve(), "".join(f"{line}\n" for line in others))
        data = {"address": node["address"], "found": found, "expected": expected}
        refusal = as_coded_message(Refusal("host_key_unexpected", data))
        write_result({"event": "refused", "node": name, "os": "", "refusals": [refusal]})
        return False
    for text in found:
        write_result({"event": "pinned", "node": name, "fingerprint": text})
    return True


def _gather_facts(host: Host, node: NodeOrder) -> tuple[facts.Facts | None, str]:
    """Return the machine's facts, or None and what it said in their place."""
    sent_at = time.time()
    # pyinfra reads without limits, and keeps nothing that a command said before it failed.
    script = facts.facts_script(INSTALLED, node["takes_over"], node["operators"])
    said, errors, _ = _run_script_on_host(host, script)
    found = facts.parse_facts_output(said.splitlines(), sent_at, time.time())
    return found, "" if found else f"{said}\n{errors}".strip()[:MAX_SHOWN]


def _run_script_on_host(host: Host, script: str) -> tuple[str, str, int]:
    """Run a shell script on the machine; return what it printed, its errors and its exit code."""
    command = f"sh -c {shlex.quote(script)}"
    _, output, errors = host.connector.client.exec_command(command, timeout=FACTS_SECONDS)
    said, complaint = output.read(MAX_FACTS_BYTES), errors.read(MAX_FACTS_BYTES)
    # A machine that prints more is not waited for.
    finished = output.channel.exit_status_ready() or len(said) < MAX_FACTS_BYTES
    code = output.channel.recv_exit_status() if finished else -1
    output.channel.close()
    return said.decode(errors="replace"), complaint.decode(errors="replace"), code


def _install_environment(state: State, host: Host, release: str, orders: WorkerOrders) -> None:
    """Install Python and the environment for Ansible, and report the result.

    Machines are independent: a failure of one, of any kind, does not delay the others.
    """
    broken = None
    try:
        python = PYTHONS.get(release, "python3")
        _add_installation_steps(state, host, python, orders)
        with ctx_host.use(host):
            for step in host.op_hash_order:
                if not run_host_op(state, host, step):
                    break
    except Exception as error:
        # pyinfra gives no reason if it cannot list the packages of a machine.
        broken = (
            ("packages_unreadable", "")
            if host in state.failed_hosts
            else ("step_failed", _text_or_type_of_error(error))
        )
    _report_result(state, host, broken)


def apt_packages_for_python(python: str) -> list[str]:
    """Return the packages for an environment that `python` creates."""
    return list(dict.fromkeys([*PACKAGES, python, f"{python}-venv"]))


def _add_installation_steps(state: State, host: Host, python: str, orders: WorkerOrders) -> None:
    script = environment_script.install_script(orders["marker"], python, orders["operator"])
    add_op(
        state, server.shell, name=N_("Update the package lists"), commands=[UPDATE], host=host,
    )  # fmt: skip
    add_op(
        state, server.shell, name=N_("Complete an interrupted installation"),
        commands=[dpkg_repair.REPAIR], host=host,
    )  # fmt: skip
    add_op(
        state, apt.packages, name=N_("Install Python"), packages=apt_packages_for_python(python),
        no_recommends=True, extra_install_args=LOCK_WAIT, host=host,
    )  # fmt: skip
    add_op(
        state, server.shell, name=N_("Install the environment for Ansible"),
        commands=[script], _stdin=orders["requirements"], host=host,
    )  # fmt: skip


def _report_result(state: State, host: Host, broken: tuple[str, str] | None) -> None:
    """Report the machine's result: it is prepared only if every step succeeded.

    `broken` is the code and message of an exception that interrupted the steps.
    """
    task, output = _find_failed_step(state, host)
    if not task and not broken:
        write_result({"event": "prepared", "node": host.name, "changed": True})
    elif _probe_finds_connection_lost(host):
        refusal = Refusal("connection_lost_in_preparation", {"step": f"“{task}”" if task else ""})
        write_result(
            {"event": "disconnected", "node": host.name, "refusal": as_coded_message(refusal)}
        )
    else:
        code, message = ("step_failed", output) if output else broken or ("no_result", "")
        _write_failure(host, task or "prepare", code, message)


def _find_failed_step(state: State, host: Host) -> tuple[str, str]:
    """Return the first step that did not succeed, and the last lines of its output."""
    for key, operation in state.ops[host].items():
        meta = operation.operation_meta
        name = ", ".join(state.op_meta[key].names)
        if not meta.is_complete():
            return name, ""
        if not meta.did_succeed():
            last = (meta.stderr or meta.stdout).splitlines()[-8:]
            return name, "\n".join(line[:MAX_SHOWN] for line in last)
    return "", ""
