"""The peers: stock Ansible pushing the same roles, with pipelining, Mitogen, pyinfra, one SSH."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import ROOT, Lab
from benchmarks.measure import BenchError, Command, once

ANSIBLE = str(Path(sys.executable).with_name("ansible-playbook"))
PYINFRA = str(Path(sys.executable).with_name("pyinfra"))
PLAYBOOK = str(ROOT / "playbooks" / "region.yml")
MITOGEN = ROOT / ".venv" / "peers"
PLUGINS = Path(__file__).with_name("plugins")
_CONFIG = """\
[defaults]
roles_path = {roles}
nocows = true
retry_files_enabled = false
{defaults}
[connection]
pipelining = {pipelining}
"""


@dataclass(frozen=True)
class Managed:
    """What the roles look after on one node."""

    files: tuple[str, ...]
    packages: tuple[str, ...]
    units: tuple[str, ...]


def push(
    lab: Lab,
    nodes: Sequence[str],
    kind: str = "stock",
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Command:
    """Return the command that pushes the roles from here: `stock`, `pipelining` or `mitogen`.

    Each has a folder of its own for SSH's control sockets, so that every run starts cold.
    """
    place = lab.place("a")
    defaults = ""
    if kind == "mitogen":
        defaults = f"strategy_plugins = {mitogen_plugins()}\nstrategy = mitogen_linear"
    config = place / "ansible.cfg"
    pipelining = str(kind != "stock").lower()
    config.write_text(
        _CONFIG.format(roles=ROOT / "roles", defaults=defaults, pipelining=pipelining)
    )
    own = {
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(place),
        "ANSIBLE_LOCAL_TEMP": str(place / "tmp"),
    }
    argv = (ANSIBLE, "-i", str(lab.inventory), PLAYBOOK, "--limit", ",".join(nodes), *options)
    return Command(argv, lab.env | own | dict(env or {}))


def mitogen_plugins() -> Path:
    """Return where Mitogen's strategy plugins lie.

    Raises:
        BenchError: when it is not installed; `make bench` installs it.
    """
    found = sorted(MITOGEN.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy"))
    if not found:
        raise BenchError("Mitogen is not installed in .venv/peers: make bench installs it")
    return found[-1]


def managed(lab: Lab, node: str) -> Managed:
    """Return what the roles look after on `node`: a push that changes nothing is asked for it."""
    noted = lab.place("m") / "managed.jsonl"
    told = {
        "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS),
        "ANSIBLE_CALLBACKS_ENABLED": "managed",
        "BENCH_MANAGED": str(noted),
    }
    once(push(lab, [node], "pipelining", told))
    found: dict[str, set[str]] = {"file": set(), "package": set(), "unit": set()}
    for line in noted.read_text().splitlines():
        kind, name = json.loads(line)
        found[kind].add(name)
    return Managed(*(tuple(sorted(found[kind])) for kind in ("file", "package", "unit")))


def asking(things: Managed) -> str:
    """Return the shell script that hashes the files and asks for the packages and units."""
    files = " ".join(map(shlex.quote, things.files))
    packages = " ".join(map(shlex.quote, things.packages))
    units = " ".join(map(shlex.quote, things.units))
    return (
        f'for f in {files}; do [ -f "$f" ] && printf \'%s\\0\' "$f"; done | xargs -0 sha256sum\n'
        f"dpkg-query -W -f '${{Package}} ${{Version}} ${{db:Status-Status}}\\n' {packages}\n"
        f"systemctl show -p Id,ActiveState,UnitFileState {units}\n"
    )


def ssh_command(
    lab: Lab, node: str, things: Managed, env: Mapping[str, str] | None = None
) -> Command:
    """Return one cold SSH command that looks at everything the roles look after."""
    return Command(lab.ssh(node, "sh", "-s"), dict(env or {}), stdin=asking(things).encode())


def pyinfra(lab: Lab, node: str, things: Managed, port: int | None = None) -> Command:
    """Return a pyinfra run that holds the same files, packages and units, one operation each."""
    if importlib.util.find_spec("pyinfra") is None:
        raise BenchError("pyinfra is not installed: make setup")
    place = lab.place("p")
    operations = [_PYINFRA_HEAD]
    for index, name in enumerate(things.files):
        source = place / f"file{index}"
        asked = lab.inside(node, f"cat {shlex.quote(name)} 2>/dev/null || true")
        source.write_text(once(asked).stdout)
        operations.append(f"files.put(src={str(source)!r}, dest={name!r}, mode=None)")
    operations.append(f"apt.packages(packages={list(things.packages)!r})")
    operations += [f"systemd.service(service={unit!r}, running=None)" for unit in things.units]
    (place / "deploy.py").write_text("\n".join(operations) + "\n")
    data = {
        "ssh_hostname": "127.0.0.1" if port else lab.addresses[node],
        "ssh_port": port or 22,
        "ssh_user": "root",
        "ssh_key": str(lab.key),
        "ssh_strict_host_key_checking": "off",
    }
    (place / "inventory.py").write_text(f"nodes = [({node!r}, {data!r})]\n")
    return Command((PYINFRA, "inventory.py", "deploy.py", "-y"), lab.env, cwd=place)


_PYINFRA_HEAD = "from pyinfra.operations import apt, files, systemd"
