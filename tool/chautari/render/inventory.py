"""Write host variables as a plain, static Ansible inventory, every text marked `!unsafe`.

Ansible takes a marked value as text: Jinja in a `region.yml` is never evaluated, neither on the
volunteer's machine nor on the node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from chautari.render.variables import NodeVariables

Files = dict[str, bytes]
SECRET_FILE = "secrets.yml"
HEADER = "# Rendered by `deploy render`; change region.yml instead.\n"


class _Unsafe(str):
    """Text that Ansible must never treat as a template."""


# libyaml's emitter where PyYAML was built with it: it takes a fifth of the time.
_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):
    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out: Ansible needs no aliases, and readers hate them."""
        return True


def _represent_unsafe(dumper: _Dumper, value: _Unsafe) -> Any:
    text = str(value)
    # Ansible reads `!unsafe '022'` as a number and `!unsafe 'no'` as false, quotes or not. Text
    # that looks like something else holds no template, so plain quotes serve it better.
    if dumper.resolve(yaml.ScalarNode, text, (True, False)) != "tag:yaml.org,2002:str":
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'")
    return dumper.represent_scalar("!unsafe", text, style="'")


_Dumper.add_representer(_Unsafe, _represent_unsafe)


class SSHConnection(NamedTuple):
    """How plain `ansible-playbook` reaches a node over SSH."""

    address: str
    port: int
    user: str
    known_hosts: str
    key: str | None = None


def mark_unsafe(value: Any) -> Any:
    """Return `value` with every text in it, however deep, marked as no template."""
    if isinstance(value, str):
        return _Unsafe(value)
    if isinstance(value, Mapping):
        return {str(key): mark_unsafe(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [mark_unsafe(item) for item in value]
    return value


def to_yaml(data: Any) -> bytes:
    """Return `data` as the YAML of an inventory file."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=1000)
    return (HEADER + text).encode()


def inventory_files(
    nodes: Sequence[NodeVariables], connections: Mapping[str, SSHConnection]
) -> Files:
    """Return the inventory's files by relative path; those named secrets.yml must be 0600.

    Groups are the roles: `playbooks/region.yml` has one play for each.
    """
    files: Files = {"hosts.yml": to_yaml(mark_unsafe(_hosts(nodes, connections)))}
    for node in nodes:
        folder = f"host_vars/{node.node}"
        files[f"{folder}/main.yml"] = to_yaml(mark_unsafe(node.public))
        if node.secret:
            files[f"{folder}/{SECRET_FILE}"] = to_yaml(mark_unsafe(node.secret))
    return files


def _hosts(nodes: Sequence[NodeVariables], connections: Mapping[str, SSHConnection]) -> Any:
    groups: dict[str, dict[str, dict[str, None]]] = {}
    for node in nodes:
        for role in node.roles:
            groups.setdefault(role, {"hosts": {}})["hosts"][node.node] = None
    hosts = {node.node: _connection(connections.get(node.node)) for node in nodes}
    return {"all": {"hosts": hosts, "children": groups}}


def _connection(connection: SSHConnection | None) -> Mapping[str, object]:
    python = {"ansible_python_interpreter": "/usr/bin/python3"}
    if connection is None:
        return {"ansible_connection": "local"} | python
    arguments = f"-o UserKnownHostsFile='{connection.known_hosts}' -o StrictHostKeyChecking=yes"
    found: dict[str, object] = {
        "ansible_host": connection.address,
        "ansible_port": connection.port,
        "ansible_user": connection.user,
        "ansible_ssh_common_args": arguments,
    }
    if connection.key:
        found["ansible_ssh_private_key_file"] = connection.key
    return found | python
