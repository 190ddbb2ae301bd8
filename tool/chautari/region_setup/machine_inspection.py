"""Look at the machines of a new region over SSH, where they can be reached."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from chautari.files import temp_files_root
from chautari.parallel import map_parallel
from chautari.preflight.facts import Facts, suggested_login_account
from chautari.preflight.requirements import NodeRequirements
from chautari.preflight.rules import preflight_refusals
from chautari.prepare.child_process import unreachable_refusal
from chautari.region.model import OperatingSystem
from chautari.region.operating_systems import ARCHITECTURES
from chautari.region_setup.answers import DEFAULT_OS, NodeAnswer
from chautari.report.model import Refusal
from chautari.ssh.known_hosts import find_known_hosts_lines, read_known_hosts_text
from chautari.ssh.machine_facts import read_machine_facts
from chautari.ssh.target import SSHTarget


class Machine(NamedTuple):
    """A node and what is known of its machine.

    Attributes:
        node: the answer, with the account, the OS and the host key that were found.
        facts: None if the machine was not reached.
        problems: what would stop a deploy, or why the machine was not reached.
    """

    node: NodeAnswer
    facts: Facts | None = None
    problems: tuple[Refusal, ...] = ()

    def as_object(self) -> dict[str, object]:
        """Return the machine as plain JSON data, without texts."""
        found = self.facts
        return {
            "name": self.node.name,
            "address": self.node.address,
            "user": self.node.user,
            "reached": found is not None,
            "os": found.os if found else None,
            "arch": ARCHITECTURES.get(found.machine) if found else None,
            "cores": found.cores if found else None,
            "memory_mb": found.memory_kb // 1024 if found else None,
            "host_key": self.node.host_key or None,
        }


def inspect_machines(nodes: Sequence[NodeAnswer], identities: Sequence[Path] = ()) -> list[Machine]:
    """Return what is known of each node's machine; nothing on them changes."""
    key = identities[0].resolve() if identities else None
    return map_parallel(lambda node: _look_at_machine(node, key), nodes)


def _look_at_machine(node: NodeAnswer, key: Path | None) -> Machine:
    with tempfile.TemporaryDirectory(prefix="chautari-", dir=temp_files_root()) as folder:
        known_hosts = Path(folder) / "known_hosts"
        target = SSHTarget(node.name, node.address, node.port, node.user, known_hosts, key)
        answer = read_machine_facts(target, first_contact=True)
        account = "" if answer.facts else suggested_login_account(answer.said)
        if account and account != node.user:
            node, target = node._replace(user=account), target._replace(user=account)
            answer = read_machine_facts(target, first_contact=True)
        pins = find_known_hosts_lines(read_known_hosts_text(known_hosts), node.address, node.port)
    if pins and answer.facts:
        node = node._replace(host_key=pins[0].fingerprint)
    if answer.facts is None:
        return Machine(node, None, (_refusal_of_unreached_machine(answer.said, target),))
    return _machine_with_facts(node, answer.facts)


def _machine_with_facts(node: NodeAnswer, facts: Facts) -> Machine:
    os = facts.os if facts.os in get_args(OperatingSystem) else node.os or DEFAULT_OS
    node = node._replace(os=os)
    return Machine(node, facts, tuple(preflight_refusals(facts, NodeRequirements(os, ()))))


def _refusal_of_unreached_machine(output: str, target: SSHTarget) -> Refusal:
    last = output.strip().splitlines()[-1] if output.strip() else ""
    return unreachable_refusal(last, target)
