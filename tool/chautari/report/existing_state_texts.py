"""The texts of refusals of machines on which others have something."""

from __future__ import annotations

import shlex

from chautari.report.message_templates import Data, Template

# Commands that end a firewall for good.
_FIREWALL_COMMANDS = {
    "ufw": "ufw disable",
    "firewalld": "systemctl disable --now firewalld",
    "iptables-persistent": "systemctl disable netfilter-persistent && systemctl reboot",
}


def _firewall_fix(data: Data) -> str:
    """Return the command that ends a firewall of others."""
    program, table = data["program"], data["table"]
    command = _FIREWALL_COMMANDS.get(program)
    own = (
        f"Run `{command}` on it"
        if command
        else f"Stop what loads it, then run `nft delete table {shlex.join(table.split())}`"
    )
    return f"{own}: the role firewall opens the ports of the services. `adopt` has no effect on it"


EXISTING_STATE: dict[str, tuple[Template, Template]] = {
    "existing_state": (
        "The role {role} would replace or disable what it did not create: {paths}.",
        "Move the old service to another machine. Or write `adopt: [{role}]` for this node in "
        "region.yml: then the files are copied to /var/lib/chautari/adopted first.",
    ),
    "existing_sources": (
        "Package sources of others have addresses that the role {role} needs: {paths}. apt accepts "
        "only one key for an address.",
        "Delete these entries. Or write `adopt: [{role}]` for this node in region.yml: then the "
        "files are copied to /var/lib/chautari/adopted, and the entries are disabled.",
    ),
    "existing_databases": (
        "Databases of others are on this machine, and the role {role} closes the server's ports: "
        "{paths}.",
        "Move the databases to another machine. Or write `adopt: [{role}]` for this node in "
        "region.yml: then programs of this machine reach them over the server's socket only.",
    ),
    "existing_firewall": (
        "A firewall of {program} would block the services: its table {table} drops packets.",
        _firewall_fix,
    ),
    "existing_jobs": (
        "Jobs of others run on this machine, and roles may replace what they use: {paths}.",
        "Move the jobs to another machine. Or write `adopt: [{role}]` for this node in region.yml: "
        "then the jobs stay, and are copied to /var/lib/chautari/adopted first.",
    ),
    "existing_listeners": (
        "The firewall would close ports on which other machines reach these programs: {paths}.",
        "Move the programs to another machine, or stop them. Or write `adopt: [{role}]` for this "
        "node in region.yml: then only programs of this machine reach them.",
    ),
}
