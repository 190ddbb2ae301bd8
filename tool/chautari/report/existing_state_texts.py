"""The texts of refusals of machines on which others have something."""

from __future__ import annotations

import shlex

from chautari.language import _
from chautari.report.message_templates import Data, Template

# Commands that end a firewall for good.
_FIREWALL_COMMANDS = {
    "ufw": "ufw disable",
    "firewalld": "systemctl disable --now firewalld",
    "iptables-persistent": "systemctl disable netfilter-persistent && systemctl reboot",
}


def _turn_off_firewall_fix(data: Data) -> str:
    """Return the command that ends a firewall of others."""
    program, table = data["program"], data["table"]
    command = _FIREWALL_COMMANDS.get(program)
    own = (
        _("Run `{command}` on the machine", command=command)
        if command
        else _(
            "Stop the program that loads this table. Then run `nft delete table {split}`",
            split=shlex.join(table.split()),
        )
    )
    return _(
        "{own}. The role `firewall` opens the ports of the services. `adopt` has no "
        "effect on this existing firewall.",
        own=own,
    )


EXISTING_STATE: dict[str, tuple[Template, Template]] = {
    "existing_state": (
        "The role {role} would replace or disable something that Chautari did not create: {paths}.",
        "Move the old service to another machine. Or write `adopt: [{role}]` for this node in "
        "region.yml. Chautari then copies the files to /var/lib/chautari/adopted before it changes "
        "them.",
    ),
    "existing_sources": (
        "The machine's package sources already contain addresses that the role {role} needs: "
        "{paths}. apt accepts only one signing key for each address.",
        "Delete these entries. Or write `adopt: [{role}]` for this node in region.yml. Chautari "
        "then copies the files to /var/lib/chautari/adopted, and disables the entries.",
    ),
    "existing_databases": (
        "The machine already has databases: {paths}. The role {role} would close the ports of "
        "the database server.",
        "Move the databases to another machine. Or write `adopt: [{role}]` for this node "
        "in region.yml. Then only programs on the machine itself can use the databases, "
        "through the database server's socket.",
    ),
    "existing_firewall": (
        "A firewall from {program} would block the services, because its table {table} drops "
        "packets.",
        _turn_off_firewall_fix,
    ),
    "existing_jobs": (
        "The machine already has scheduled jobs: {paths}. A deploy could replace programs or files "
        "that these jobs use.",
        "Move the jobs to another machine. Or write `adopt: [{role}]` for this node in region.yml. "
        "Chautari then keeps the jobs, and saves a copy of them in /var/lib/chautari/adopted.",
    ),
    "existing_listeners": (
        "Other machines can connect to these programs: {paths}. The firewall would close the "
        "ports of these programs.",
        "Move the programs to another machine, or stop them. Or write `adopt: [{role}]` "
        "for this node in region.yml. Then only programs on the machine itself can connect "
        "to them.",
    ),
}
