"""The sizes of a region's machines: measured over SSH, or assumed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from chautari.files import temp_files_root
from chautari.language import _
from chautari.parallel import map_parallel
from chautari.preflight.facts import Facts
from chautari.region.load import LoadedRegion
from chautari.render.endpoints import Endpoints
from chautari.services.capacity_figures import MachineSize
from chautari.ssh.account_fallback import is_accepted, try_accounts
from chautari.ssh.known_hosts import find_known_hosts_lines, read_known_hosts_text
from chautari.ssh.machine_facts import read_machine_facts
from chautari.ssh.runner_client import SSH_FAILED
from chautari.ssh.target import SSHTarget, ssh_targets

# Where services keep their data.
DATA = ("/var", "/")
_FIELDS = {"cores": "cores", "memory": "memory_gb", "disk": "free_gb", "mbit": "mbit"}
# What SSH can measure; the speed of a connection it cannot.
_MEASURED = ("cores", "memory_gb", "free_gb")
MAX_VALUE = 1_000_000


class MeasuredSize(NamedTuple):
    """The size of a machine, and why it could not be measured; empty if it was."""

    size: MachineSize
    problem: str = ""


class AssumedSize(NamedTuple):
    """What a person says about the machine of a node."""

    node: str
    values: Mapping[str, float]


def parse_assumed_size(text: str) -> AssumedSize:
    """Return the size in `NODE:KEY=VALUE,…`.

    Raises:
        ValueError: with what to write instead.
    """
    node, colon, rest = text.partition(":")
    example = _("write, for example, bog1:cores=8,memory=16,disk=500,mbit=250")
    if not colon or not node:
        raise ValueError(
            _("{text!r} does not say which node; {example}", text=text, example=example)
        )
    found: dict[str, float] = {}
    for item in rest.split(","):
        key, __, value = item.partition("=")
        if key not in _FIELDS:
            raise ValueError(
                _(
                    "{key!r} is not one of: {fields}; {example}",
                    key=key,
                    fields=", ".join(_FIELDS),
                    example=example,
                )
            )
        if not (value.isascii() and value.isdecimal() and 0 < int(value[:9]) <= MAX_VALUE):
            raise ValueError(
                _(
                    "{value!r} is not a whole number up to {max_value}; {example}",
                    value=value,
                    max_value=MAX_VALUE,
                    example=example,
                )
            )
        found[_FIELDS[key]] = int(value)
    return AssumedSize(node, found)


def sizes_of_machines(
    loaded_region: LoadedRegion,
    endpoints: Endpoints,
    assumed: Sequence[AssumedSize] = (),
    identities: tuple[Path, ...] = (),
) -> dict[str, MeasuredSize]:
    """Return the sizes of all machines; one whose size is assumed is not connected to."""
    said: dict[str, dict[str, float]] = {}
    for item in assumed:
        said.setdefault(item.node, {}).update(item.values)
    nodes = tuple(loaded_region.region.nodes)
    asked = tuple(name for name in nodes if not set(_MEASURED) <= set(said.get(name, {})))
    measured = _measure_machines(loaded_region, endpoints, asked, identities) if asked else {}
    return {
        name: _with_replaced_values(
            measured.get(name, MeasuredSize(MachineSize())), said.get(name, {})
        )
        for name in nodes
    }


def size_from_facts(facts: Facts) -> MachineSize:
    """Return the size of a machine that reported its facts."""
    free_kb = next((facts.free[path] for path in DATA if path in facts.free), None)
    return MachineSize(
        cores=facts.cores or None,
        memory_gb=facts.memory_kb * 1024 / 1e9 or None,
        free_gb=None if free_kb is None else free_kb * 1024 / 1e9,
    )


def _measure_machines(
    loaded_region: LoadedRegion,
    endpoints: Endpoints,
    nodes: tuple[str, ...],
    identities: tuple[Path, ...],
) -> dict[str, MeasuredSize]:
    """Return the sizes of `nodes`; host keys of first contact are pinned only until the end."""
    with tempfile.TemporaryDirectory(prefix="chautari-", dir=temp_files_root()) as folder:
        known_hosts = Path(folder) / "known_hosts"
        known_hosts.write_text(read_known_hosts_text(loaded_region.known_hosts_file))
        targets = ssh_targets(loaded_region, endpoints, nodes, identities, known_hosts)
        expected = [loaded_region.region.nodes[name].host_key or "" for name in nodes]
        pairs = list(zip(targets, expected, strict=True))
        found = map_parallel(lambda pair: _measure_machine(*pair), pairs)
    return dict(zip(nodes, found, strict=True))


def _measure_machine(target: SSHTarget, host_key: str) -> MeasuredSize:
    answer = try_accounts(
        target,
        lambda login: read_machine_facts(login, first_contact=True),
        lambda found: is_accepted(found.facts is not None, SSH_FAILED, found.said),
    )
    pins = find_known_hosts_lines(
        read_known_hosts_text(target.known_hosts), target.address, target.port
    )
    if host_key and pins and host_key not in [pin.fingerprint for pin in pins]:
        return MeasuredSize(MachineSize(), _("its host key is not {host_key}", host_key=host_key))
    if answer.facts is not None:
        return MeasuredSize(size_from_facts(answer.facts))
    last = answer.said.splitlines()[-1:] or [_("no answer")]
    return MeasuredSize(MachineSize(), last[0])


def _with_replaced_values(measured: MeasuredSize, values: Mapping[str, float]) -> MeasuredSize:
    fields = measured.size._asdict() | dict(values)
    return MeasuredSize(MachineSize(**fields), measured.problem)
