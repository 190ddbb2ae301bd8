"""What to do about a machine that the preflight refuses: commands that a person can paste."""

from __future__ import annotations

from chautari.language import _
from chautari.report.message_templates import Data

# Only a program of this list becomes a part of a command: a node sends the name.
_UNITS_OF_PROGRAMS = {
    "apache2": "apache2", "nginx": "nginx", "lighttpd": "lighttpd", "caddy": "caddy",
    "haproxy": "haproxy", "exim4": "exim4", "master": "postfix", "mysqld": "mysql",
    "mariadbd": "mariadb", "named": "named", "dnsmasq": "dnsmasq", "redis-server": "redis-server",
}  # fmt: skip


def clock_step(data: Data) -> str:
    """Return how to set the clock of a node."""
    return _(
        "If the clock of your machine is right, set the clock on the node: {command}",
        command=_command_on_node(data, "timedatectl set-ntp true"),
    )


def space_step(data: Data) -> str:
    """Return how to free some space."""
    return _(
        "Enlarge the disk, or free some space. To delete the packages that apt keeps on the node: "
        "{command}",
        command=_command_on_node(data, "apt-get clean"),
    )


def port_step(data: Data) -> str:
    """Return how to stop the program on a port, or how to see which one it is."""
    if unit := _UNITS_OF_PROGRAMS.get(str(data["program"])):
        return _(
            "Move the service to another node. Or stop and disable that program on the node: "
            "{command}",
            command=_command_on_node(data, f"systemctl disable --now {unit}"),
        )
    return _(
        "Move the service to another node. Or stop and disable that program. To see which program "
        "it is, on the node: {command}",
        command=_command_on_node(data, "ss -ltnp"),
    )


def root_step(data: Data) -> str:
    """Return how an account becomes root; without its name, only what to reach."""
    account = data.get("account", "")
    if not account or account == "root":
        return _("Log in as root (user: root), or give the account passwordless sudo.")
    return _(
        "Let the account become root without a password. In the provider's console, run as root: "
        "{command}",
        command=f"echo '{account} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{account}",
    )


def _command_on_node(data: Data, command: str) -> str:
    """Return a command for this machine; before there is a region, one for the node itself."""
    if "region" not in data:
        return command
    return f"deploy ssh {data['region']} {data['node']} -- {data.get('sudo', '')}{command}"
