"""Renders the templates of a role with Ansible's own templar; undefined variables are fatal."""

import functools
import re
import tempfile
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from node_samples import SECRETS
from region_samples import ROOT, SANDBOX, load_sample_region
from service_samples import node_with, roles_of_service

from chautari.render.inventory import mark_texts_unsafe, to_yaml
from chautari.render.role_inputs import role_and_shared_roles
from chautari.render.variables import NodeContext, NodeVariables, variables_of_node
from chautari.services.registry import ROLES as ORDER
from chautari.services.shared_roles import BASE_ROLES

ROLES = ROOT / "roles"
RELEASES = {"12": "debian-12", "13": "debian-13"}
Variables = dict[str, Any]
# What tasks find out on a machine before they write their templates.
FOUND: Variables = {
    "__firewall_ssh_ports": [22, 2222],
    "__ssh_known_kex": {
        "stdout_lines": [
            "sntrup761x25519-sha512@openssh.com",
            "curve25519-sha256",
            "mlkem768x25519-sha256",
            "diffie-hellman-group18-sha512",
            "sntrup761x25519-sha512",
            "curve25519-sha256@libssh.org",
            "diffie-hellman-group16-sha512",
            "diffie-hellman-group-exchange-sha256",
            "diffie-hellman-group14-sha1",
        ]
    },
    "__ssh_rsa": {"stdout": "3072 SHA256:x root@lima (RSA)"},
    "__web_site_paths": {"results": [{"stat": {"exists": True}} for _ in range(2)]},
    "__nginx_ipv6": {"stat": {"exists": True}},
    "__redis_private_users": {"rc": 0},
    "__mariadb_database": {"name": "polls_db", "owner": "framadate"},
    "__postgresql_database": {"name": "nextcloud", "owner": "nextcloud"},
    "app_container_database_port": "5433",
    "__bigbluebutton_there": {"results": [{"stat": {"exists": True}} for _ in range(4)]},
    "__containers_etc": {"stat": {"exists": True}},
    "__bigbluebutton_binding": {"rc": 0},
    "__bigbluebutton_scheduling": {"rc": 0},
    "__bigbluebutton_items": [{"key": "log.level", "value": "error", "why": "addresses"}],
    "__bigbluebutton_package": "bbb-apps-akka",
    "__bigbluebutton_unit": {"Timer": ["OnCalendar=*-*-* 3:30"]},
    "__videobridge_certificates": {
        "files": [{"path": "/usr/local/share/ca-certificates/auth.former.example.org.crt"}]
    },
    "__portal_letter_files": {
        "files": [{"path": "/etc/chautari-portal/letters/former.example.org.age"}]
    },
    "repository_source": {
        "name": "jitsi",
        "bundle": "jitsi-meet",
        "version": "2.0.1-1",
        "uri": "https://d.example.org",
        "packages": ["jitsi-*", "jicofo"],
        "fingerprints": ["AB" * 20],
        "fingerprint_url": "",
        "key_url": "https://d.example.org/key",
    },
    "__repository_parts": [["jicofo", "1.0-1-1"], ["jitsi-videobridge2", "2.3-1-1"]],
}
# The nodes of roles that the first node does not have.
NODES = dict.fromkeys(("repository", "turn", "videobridge", "jitsi"), "cusco") | {
    "bigbluebutton": "tarija"
}
NODES |= dict.fromkeys(("containers", "greenlight", "scalelite"), "potosi")
POOL = """\
  potosi: {{address: 198.51.100.16, os: OS, services: [greenlight, scalelite]}}
services:
  bigbluebutton: {{rooms: greenlight}}
"""
REGION = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
sandbox:
  network: 198.51.100.0/24
  os_substitutes: {{ubuntu-22.04: {{os: debian-12, memory_mb: 900, cores: 1}}}}
operators: {{ana: '{key} ana'}}
nodes:
  lima: {{address: 198.51.100.12, os: OS, services: [nextcloud, polls]}}
  cusco: {{address: 198.51.100.14, os: OS, services: [jitsi]}}
  quito: {{address: 198.51.100.13, os: OS, services: [jitsi-bridge]}}
  tarija: {{address: 198.51.100.15, os: ubuntu-22.04, services: [bigbluebutton]}}
services:
  jitsi: {{members: [ana, luz], relays: true}}
  nextcloud: {{host: cloud, version: VERSION}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
"""

PLACED = [
    name for found in re.findall(r"services: \[(.*)\]", REGION + POOL) for name in found.split(", ")
]
# Roles of the services above; a role that is not here is rendered with its service alone.
IN_REGION = {*BASE_ROLES, *(role for name in PLACED for role in roles_of_service(name))}


def facts(release: str, memory_mb: int) -> Variables:
    return {
        "distribution": "Debian",
        "distribution_major_version": release,
        "distribution_release": {"12": "bookworm", "13": "trixie"}[release],
        "memtotal_mb": memory_mb,
        "processor_vcpus": 2,
        "env": {},
    }


def read_variables(file: Path) -> Variables:
    found = DataLoader().load_from_file(str(file), cache="none", trusted_as_template=True)
    return dict(found or {})


@functools.cache
def variables_of_role(role: str, folder: str) -> Variables:
    """Return the variables in `defaults` or `vars` of a role."""
    file = ROLES / role / folder / "main.yml"
    return read_variables(file) if file.is_file() else {}


@functools.cache
def rendered_by_the_tool(release: str, name: str) -> Variables:
    """Return the node's variables as Ansible reads them from the rendered inventory.

    A region takes longer to render than a template, so each node is rendered once.
    """
    version = {"12": "34.0.4", "13": "35.0.1"}[release]
    text = REGION.replace("services:\n", POOL) if name == "potosi" else REGION
    text = text.replace("OS", RELEASES[release]).replace("VERSION", f"'{version}'")
    with tempfile.TemporaryDirectory() as folder:
        node = variables_of_node(
            NodeContext(load_sample_region(Path(folder), text), SANDBOX, name), SECRETS
        )
        return as_ansible_reads(node, Path(folder))


@functools.cache
def rendered_alone(role: str) -> Variables:
    """Return the variables of a node that runs the first service with `role`, and no other."""
    with tempfile.TemporaryDirectory() as folder:
        return as_ansible_reads(node_with(role), Path(folder))


def as_ansible_reads(node: NodeVariables, folder: Path) -> Variables:
    file = folder / "variables.yml"
    file.write_bytes(to_yaml(mark_texts_unsafe(node.public | node.secret)))
    return read_variables(file)


def variables(
    folder: Path, role: str, release: str, memory_mb: int = 2000, **changed: Any
) -> Variables:
    """Return all a template of `role` sees: defaults, inventory, role variables, facts."""
    found: Variables = {"ansible_managed": "Managed by Chautari", "ansible_check_mode": False}
    found |= FOUND | {"ansible_facts": facts(release, memory_mb)}
    found |= variables_of_role(role, "defaults")
    if role in ORDER and role not in IN_REGION:
        found |= rendered_alone(role)
    else:
        found |= rendered_by_the_tool(release, NODES.get(role, "lima"))
    for shared in role_and_shared_roles(role)[1:]:
        found |= variables_of_role(shared, "defaults")
        found |= variables_of_role(shared, "vars")
    return found | variables_of_role(role, "vars") | arguments(role) | changed


@functools.cache
def arguments(role: str) -> Variables:
    """Return the arguments that a role gives to the shared roles whose tasks it includes."""
    found: Variables = {}
    for file in sorted((ROLES / role / "tasks").glob("*.yml")):
        for task in (
            DataLoader().load_from_file(str(file), cache="none", trusted_as_template=True) or ()
        ):
            if "ansible.builtin.include_role" in task and file.name != "remove.yml":
                found |= task.get("vars", {})
    return found


def render(role: str, template: str, given: Variables) -> str:
    """Return the text that the template module would write; shared roles come first."""
    folders = [ROLES / part / "templates" for part in reversed(role_and_shared_roles(role))]
    file = next(folder / template for folder in folders if (folder / template).is_file())
    templar = Templar(loader=DataLoader(), variables=given)
    templar = templar.copy_with_new_env(searchpath=[str(folder) for folder in folders])
    overrides = {"trim_blocks": True, "lstrip_blocks": False}
    text = trust_as_template(file.read_text())
    return str(templar.template(text, escape_backslashes=False, overrides=overrides))
