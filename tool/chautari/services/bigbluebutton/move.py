"""Steps that move BigBlueButton to another server: upstream requires one for a new release line.

The secret and the public name stay, so rooms in Nextcloud and links that people know keep working.
Recordings are copied between the machines. Source: "Upgrade from 2.x/3.0" of upstream's manual,
which asks for a new server and names the folders to copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.errors import BadInput
from chautari.services.base import MoveStep
from chautari.services.bigbluebutton.packages import NAME, OS_OF
from chautari.services.bigbluebutton.pool import is_pooled
from chautari.services.bigbluebutton.settings import BigBlueButton

if TYPE_CHECKING:
    from chautari.region.model import Region

# What holds recordings, by upstream's manual, section "Transfer existing recordings".
MOVE_KEY = "chautari-move"
FOLDERS = (
    "/var/bigbluebutton/published",
    "/var/bigbluebutton/unpublished",
    "/var/bigbluebutton/recording/raw",
    "/var/bigbluebutton/recording/status",
)


def move_steps(region: Region, to: str, release: str) -> list[MoveStep]:
    """Return what moves BigBlueButton to the node `to`, which will run the line `release`.

    Raises:
        BadInput: when the region has no BigBlueButton, or `to` cannot run it.
    """
    source = _node_to_move_from(region, to)
    os, node = OS_OF[release], region.nodes[to]
    if node.os != os:
        raise BadInput(
            f"BigBlueButton {release} requires {os}; {to} has {node.os}",
            fix=f"install {to} with {os}, write os: {os} for it, then run this command again",
        )
    name = region.fqdn(region.settings_of(BigBlueButton).host)
    return [
        *_steps_before(region, source, to, name),
        *_switch_steps(region, source, to, name, release),
    ]


def _node_to_move_from(region: Region, to: str) -> str:
    nodes_running = region.nodes_running(NAME)
    if is_pooled(region):
        raise BadInput(
            "the region's servers form a pool, so this service does not move",
            fix="add the new machine to it: write bigbluebutton into its services and deploy; then "
            "remove the old one, and deploy again",
        )
    if not nodes_running:
        raise BadInput("no node of the region runs bigbluebutton", fix="there is nothing to move")
    if to not in region.nodes:
        raise BadInput(
            f"no node {to!r} in this region",
            fix=f"add it to region.yml: {to}: {{address: …, os: ubuntu-24.04}}",
        )
    if to in nodes_running:
        raise BadInput(f"{to} already runs bigbluebutton", fix="name the new machine")
    if region.nodes[to].services:
        raise BadInput(
            f"{to} runs {', '.join(region.nodes[to].services)}",
            fix="BigBlueButton needs its own machine; name another node",
        )
    return nodes_running[0]


def _steps_before(region: Region, source: str, to: str, name: str) -> list[MoveStep]:
    return [
        MoveStep(
            "Prepare the new machine",
            "Problems of the new machine are found now, while the old server keeps running.",
            (f"deploy prepare {region.region} --node {to}",),
        ),
        MoveStep(
            "Shorten the lifetime of the DNS records",
            "A day before: set the time to live of these records to 300 seconds.",
            tuple(
                f"{name}  {_dns_record_type(address)}" for address in region.nodes[source].addresses
            ),
        ),
        MoveStep(
            "Let the old server log in to the new one",
            "It gets a key only for this. Your own key and its agent stay on this machine.",
            _commands_to_let_old_server_connect(region, source, to),
        ),
        MoveStep(
            "Copy the recordings for the first time",
            "This can take hours. You may interrupt and repeat it; the old server keeps running.",
            (
                *(_ssh_command(region, node, "apt-get install -y rsync") for node in (source, to)),
                _rsync_command(region, source, to),
            ),
        ),
        MoveStep(
            "Choose an hour without meetings and wait until all recordings are processed",
            "The last line says how many meetings run; it must be 0.",
            (
                _ssh_command(region, source, "bbb-record --list"),
                _ssh_command(region, source, "journalctl -u bbb-rap-resque-worker -n 20"),
                f"deploy verify {region.region} --node {source}",
            ),
        ),
    ]


def _switch_steps(region: Region, source: str, to: str, name: str, release: str) -> list[MoveStep]:
    new = region.nodes[to]
    return [
        MoveStep(
            "Point the name at the new machine",
            "Certificates and media need the new address. Change the records and wait until they "
            "are visible.",
            tuple(f"{name}  {_dns_record_type(address)}  {address}" for address in new.addresses),
        ),
        MoveStep(
            "Move the service in region.yml",
            f"Remove bigbluebutton from {source}'s services; rooms and the secret stay.",
            (
                f"{to}: {{…, services: [bigbluebutton]}}",
                f"{source}: {{…, services: []}}",
                f'bigbluebutton: {{…, release: "{release}"}}',
                f"deploy validate {region.region}",
            ),
        ),
        MoveStep(
            "Set the new server up",
            "The old server is not changed.",
            (f"deploy region {region.region} --node {to}",),
        ),
        MoveStep(
            "Copy new recordings, and import them",
            "The same command as before copies only the differences.",
            (
                _rsync_command(region, source, to),
                _ssh_command(region, to, "chown -R bigbluebutton:bigbluebutton /var/bigbluebutton"),
                _ssh_command(region, to, "bbb-record --list"),
            ),
        ),
        MoveStep(
            "Delete the key between the two servers",
            "Nothing needs it any longer.",
            (
                f"ssh {_ssh_destination(region, to)} "
                f"'sed -i \"/ {MOVE_KEY}$/d\" ~/.ssh/authorized_keys'",
                f"ssh {_ssh_destination(region, source)} "
                f"'rm ~/.ssh/{MOVE_KEY} ~/.ssh/{MOVE_KEY}.pub'",
            ),
        ),
        MoveStep(
            "Remove the old server and verify everything",
            f"Its data stays on {source} until you pass --purge.",
            (f"deploy region {region.region}", f"deploy verify {region.region}"),
        ),
        MoveStep(
            "Weeks later, when nothing is missing",
            f"This deletes the recordings on {source}. Then remove the node from region.yml.",
            (f"deploy region {region.region} --node {source} --purge",),
        ),
    ]


def _dns_record_type(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _ssh_destination(region: Region, node: str) -> str:
    found = region.nodes[node]
    port = "" if found.port == 22 else f"-p {found.port} "
    return f"{port}{found.user}@{found.address}"


def _ssh_command(region: Region, node: str, command: str) -> str:
    root = "" if region.nodes[node].user == "root" else "sudo "
    return f"ssh {_ssh_destination(region, node)} '{root}{command}'"


def _commands_to_let_old_server_connect(region: Region, source: str, to: str) -> tuple[str, ...]:
    """Return the commands that let the old server, and no other machine, reach the new one."""
    old, new = (f"ssh {_ssh_destination(region, node)}" for node in (source, to))
    address = region.nodes[to].address
    restriction = f'from=\\"{",".join(region.nodes[source].addresses)}\\",restrict'
    return (
        f"{old} 'ssh-keygen -q -t ed25519 -N \"\" -C {MOVE_KEY} -f ~/.ssh/{MOVE_KEY}'",
        f"{old} 'cat ~/.ssh/{MOVE_KEY}.pub' | "
        f"{new} 'sed \"s/^/{restriction} /\" >> ~/.ssh/authorized_keys'",
        f"grep -F '{address}' inventories/{region.region}/known_hosts | "
        f"{old} 'cat >> ~/.ssh/known_hosts'",
    )


def _rsync_command(region: Region, source: str, to: str) -> str:
    """Return the command that copies recordings from the old server to the new one."""
    new = region.nodes[to]
    folders = " ".join(FOLDERS)
    sudo, remote = (("" if region.nodes[node].user == "root" else "sudo ") for node in (source, to))
    remote_path = f'--rsync-path "{remote}rsync" ' if remote else ""
    return (
        f"ssh {_ssh_destination(region, source)} '{sudo}rsync -aR --partial --info=progress2 "
        f'{remote_path}-e "ssh -p {new.port} -i ~/.ssh/{MOVE_KEY}" '
        f"{folders} {new.user}@{new.address}:/'"
    )
