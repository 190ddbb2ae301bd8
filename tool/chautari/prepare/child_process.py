"""Start the child process that runs the preflight and prepares nodes, and read its results."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chautari.account import account_name
from chautari.language import N_
from chautari.parallel import PARALLEL
from chautari.preflight.existing_state import APT
from chautari.preflight.facts import short_login_text, suggested_login_account
from chautari.preflight.requirements import NodeRequirements
from chautari.prepare.protocol import NodeOrder, Preparation, ResultLine, WorkerOrders
from chautari.process import RunningCommand
from chautari.region.load import LoadedRegion
from chautari.render.context import NodeContext
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.placement import (
    open_ports_of_node,
    public_names_of_node,
    roles_of_node,
)
from chautari.render.role_inputs import list_takeovers
from chautari.render.shared_role_variables import package_repositories_of_node
from chautari.report import messages
from chautari.report.model import NodeReport, Notice, Refusal, TaskFailure
from chautari.ssh.account_choice import load_memory, memory_key
from chautari.ssh.account_fallback import accepted_account
from chautari.ssh.key_problems import rejected_key_refusal
from chautari.ssh.known_hosts import may_contain_host_key
from chautari.ssh.target import SSHTarget

if TYPE_CHECKING:
    from chautari.region.model import Region

Listener = Callable[[str, Mapping[str, Any]], None]
# What one machine fetches of node/requirements.lock, as `pip download --no-deps` shows it.
WHEELS_MB = 11
_REQUIREMENTS = Path(__file__).resolve().parents[1] / "node" / "requirements.lock"


@functools.cache
def node_requirements_text() -> str:
    """Return the hash-locked requirements of the environment on the nodes."""
    return _REQUIREMENTS.read_text()


@functools.cache
def node_requirements_digest() -> str:
    """Return the digest of the locked requirements, which a prepared node has as its marker."""
    return hashlib.sha256(node_requirements_text().encode()).hexdigest()


def run_preflight_and_prepare(
    region: Region,
    targets: Sequence[SSHTarget],
    tell: Listener,
    preparation: Preparation = "adopt",
    resolver: str | None = None,
    parallel: int = PARALLEL,
) -> dict[str, NodeReport]:
    """Run the preflight on every target, and prepare those that pass it.

    The preparation `check` changes nothing: a node that was never deployed is refused. `resolver`
    is a name server that knows the region's names, if the system's does not. At most `parallel`
    nodes are prepared at the same time.

    Returns a report for each node; the state `converged` means that the node may converge.
    """
    orders: WorkerOrders = {
        "nodes": [_worker_input_for_node(region, target, resolver or "") for target in targets],
        "requirements": node_requirements_text(),
        "marker": node_requirements_digest(),
        "operator": f"{account_name()} from {platform.node()}",
        "preparation": preparation,
        "parallel": parallel,
    }
    by_name = {target.name: target for target in targets}
    reports = {target.name: NodeReport(target.name, target.address, "failed") for target in targets}
    child = RunningCommand((sys.executable, "-m", "chautari.prepare.__main__"), _to_json(orders))
    for line in child:
        result: ResultLine = json.loads(line)
        tell(result["node"], dict(result))
        _apply_result(reports[result["node"]], result, by_name[result["node"]], region.region)
    for report in reports.values():
        if report.state == "failed" and report.failure is None:
            _mark_unfinished(report, child)
    return reports


def _mark_unfinished(report: NodeReport, child: RunningCommand) -> None:
    """Fail a node whose result the child did not report; the other nodes' results stay."""
    report.failed += 1
    log = child.stderr.splitlines()[-40:]
    text = messages.failure_text("preparation_exited", {"code": child.code})
    report.failure = TaskFailure("prepare", N_("Run pyinfra"), text, log)


def _to_json(data: Any) -> bytes:
    return json.dumps(data).encode()


def requirements_of_node(region: Region, name: str) -> NodeRequirements:
    """Return what the machine of the node called `name` must offer."""
    node, substitute = region.nodes[name], region.os_substitute(name)
    public = region.services_with_public_name_on(name)
    at_domain = next((x for x in public if region.public_name(x, name) == region.domain), "")
    return NodeRequirements(
        os=region.os_or_substitute_of(name),
        services=node.services,
        arch=node.arch or "",
        container=substitute is not None,
        memory_mb=substitute.memory_mb if substitute else 0,
        cores=substitute.cores if substitute else 0,
        names=public_names_of_node(region, name)
        if any(x.needs_dns for x in region.services_of(name))
        else (),
        domain=region.domain if at_domain else "",
        service_at_domain=at_domain,
        address=node.address,
        address6=node.address6 or "",
    )


def _worker_input_for_node(region: Region, target: SSHTarget, resolver: str) -> NodeOrder:
    roles, release = roles_of_node(region, target.name), region.os_or_substitute_of(target.name)
    return {
        "name": target.name,
        "address": target.address,
        "port": target.port,
        "user": account_of_preparation(target),
        "known_hosts": str(target.known_hosts),
        "host_key": region.nodes[target.name].host_key or "",
        "key": str(target.key) if target.key else "",
        "key_password": os.environ.get("CHAUTARI_KEY_PASSPHRASE"),
        "resolver": resolver,
        "required": requirements_of_node(region, target.name)._asdict(),
        "takes_over": {
            role: _takeovers_of_role_on_node(region, target.name, role, release) for role in roles
        },
        "open_ports": [
            f"{port.port}/{port.protocol}"
            for port in open_ports_of_node(region, target.name)
            if not port.sources
        ],
        "adopt": region.nodes[target.name].adopt,
        "operators": list(region.operators),
    }


def account_of_preparation(target: SSHTarget) -> str:
    """Return the account that prepares a machine: one that logged in, else that of `region.yml`."""
    if account := accepted_account(target):
        return account
    name = memory_key(target.address, target.port, target.key)
    remembered = load_memory(target.memory).get(name) == target.user
    return target.user if remembered else target.configured_user or target.user


def _takeovers_of_role_on_node(region: Region, node: str, role: str, release: str) -> list[str]:
    """Return what a role takes over on a node, with the sources of apt that it writes there."""
    found = list_takeovers(role, release)
    if role == "repository":
        # Also in a sandbox, sources of others name upstream's real addresses.
        context = NodeContext(LoadedRegion(Path(), region, {}), PUBLIC_INTERNET, node)
        for source in package_repositories_of_node(context):
            found.append(f"{APT}{source.uri.partition('://')[2].rstrip('/')}")
            found.append(f"/etc/apt/sources.list.d/{source.name}.sources")
    return found


def _apply_result(report: NodeReport, result: ResultLine, target: SSHTarget, region: str) -> None:
    report.os = result.get("os") or report.os
    kind = result["event"]
    if kind == "prepared":
        report.state = "converged"
        report.changed += bool(result["changed"])
        if result.get("outdated"):
            report.notices.append(Notice("environment_outdated", {"megabytes": WHEELS_MB}))
    elif kind == "refused":
        report.state = "refused"
        report.refusals = [
            refusal_with_login(Refusal(item["code"], item["data"]), region, target)
            for item in result["refusals"]
        ]
    elif kind in ("unreachable", "disconnected"):
        report.state = "unreachable" if kind == "unreachable" else "disconnected"
        refusal = result.get("refusal")
        report.refusals = [
            Refusal(refusal["code"], refusal["data"])
            if refusal
            else unreachable_refusal(result["message"], target)
        ]
    elif kind == "failed":
        report.failed += 1
        text = messages.failure_text(result["code"], {"message": result["message"]})
        report.failure = TaskFailure("prepare", result["task"], text)
    elif kind == "advised":
        report.notices.append(Notice(result["notice"]["code"], result["notice"]["data"]))
    elif kind == "pinned":
        report.notices.append(Notice("host_key_pinned", {"fingerprint": result["fingerprint"]}))


def refusal_with_login(refusal: Refusal, region: str, target: SSHTarget) -> Refusal:
    """Return a refusal of the preflight with what its step needs to name a command on the node."""
    account = account_of_preparation(target)
    sudo = "" if account == "root" else "sudo "
    login = {"region": region, "node": target.name, "account": account, "sudo": sudo}
    return Refusal(refusal.code, {**login, **refusal.data})


def other_login_refusal(target: SSHTarget, said: str) -> Refusal | None:
    """Return the refusal of a machine that names another account to log in with; else None."""
    account = suggested_login_account(said)
    if not account or account == target.user:
        return None
    return Refusal("other_login", {"user": account, "said": short_login_text(said)})


def unreachable_refusal(message: str, target: SSHTarget) -> Refusal:
    """Return what a failed connection to a node means; `message` is SSH's or paramiko's."""
    text, data = message.lower(), {"address": target.address}
    if "host key" in text:
        pinned = may_contain_host_key(target.known_hosts, target.address, target.port)
        if not pinned:
            return Refusal("host_key_not_pinned", data)
        return Refusal("host_key_changed", data | {"command": _command_that_unpins(target)})
    if "authentication" in text or "private key" in text or "publickey" in text:
        return rejected_key_refusal(target)
    data["message"] = message.strip()
    if target.sandbox:
        return Refusal("sandbox_not_running", data | {"region": target.sandbox})
    data |= {"node": target.name, "port": str(target.port)}
    closed = "refused" in text or "unable to connect to port" in text
    return Refusal("ssh_port_closed" if closed else "no_ssh_answer", data)


def _command_that_unpins(target: SSHTarget) -> str:
    """Return the command that deletes the pinned host keys of a node."""
    name = target.address if target.port == 22 else f"[{target.address}]:{target.port}"
    return shlex.join(("ssh-keygen", "-R", name, "-f", str(target.known_hosts)))
