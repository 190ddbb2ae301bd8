"""Steps that move BigBlueButton to another server: upstream requires one for a new release line.

The secret and the public name stay, so rooms in Nextcloud and links that people know keep working.
Recordings are copied between the machines. Source: "Upgrade from 2.x/3.0" of upstream's manual,
which asks for a new server and names the folders to copy.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from chautari.errors import BadInput
from chautari.language import _
from chautari.services.base import MoveStep
from chautari.services.bigbluebutton.packages import NAME, OS_OF
from chautari.services.bigbluebutton.pool import is_pooled
from chautari.services.bigbluebutton.settings import BigBlueButton
from chautari.suggestions import nearest_word

if TYPE_CHECKING:
    from pathlib import Path

    from chautari.region.model import Region

# What holds recordings, by upstream's manual, section "Transfer existing recordings".
MOVE_KEY = "chautari-move"
FOLDERS = (
    "/var/bigbluebutton/published",
    "/var/bigbluebutton/unpublished",
    "/var/bigbluebutton/recording/raw",
    "/var/bigbluebutton/recording/status",
)


def move_steps(region: Region, to: str, release: str, known_hosts: Path) -> list[MoveStep]:
    """Return what moves BigBlueButton to the node `to`, which will run the line `release`.

    Raises:
        BadInput: when the region has no BigBlueButton, or `to` cannot run it.
    """
    source = _node_to_move_from(region, to)
    os, node = OS_OF[release], region.nodes[to]
    if node.os != os:
        raise BadInput(
            _(
                "BigBlueButton {release} requires {os}, but {to} has {os2}",
                release=release,
                os=os,
                to=to,
                os2=node.os,
            ),
            fix=_(
                "install {os} on {to}, write os: {os} for {to}, then run this command again",
                os=os,
                to=to,
            ),
        )
    name = region.fqdn(region.settings_of(BigBlueButton).host)
    return [
        *_steps_before_switch(region, source, to, name, known_hosts),
        *_switch_steps(region, source, to, name, release),
        *_final_steps(region, source, to),
    ]


def _node_to_move_from(region: Region, to: str) -> str:
    nodes_running = region.nodes_running(NAME)
    if is_pooled(region):
        raise BadInput(
            _("the region's servers form a pool, and this command cannot move a server of a pool"),
            fix=_(
                "add bigbluebutton to the services of the new machine and deploy; then "
                "remove bigbluebutton from the old machine and deploy again"
            ),
        )
    if not nodes_running:
        raise BadInput(
            _("no node in the region runs bigbluebutton, so there is nothing to move"),
            fix=_("add bigbluebutton to the services of {to} and deploy", to=to),
        )
    if to not in region.nodes:
        close = nearest_word(to, region.nodes)
        raise BadInput(
            _("this region has no node {to!r}", to=to),
            fix=(_("did you mean {close}? If not, ", close=close) if close else "")
            + _("add it to region.yml: {to}: {{address: …, os: ubuntu-24.04}}", to=to),
        )
    if to in nodes_running:
        raise BadInput(
            _("{to} already runs bigbluebutton", to=to),
            fix=_("write the name of the new machine after --to"),
        )
    if region.nodes[to].services:
        raise BadInput(
            _("{to} already runs {services}", to=to, services=", ".join(region.nodes[to].services)),
            fix=_("BigBlueButton needs its own machine; choose another node"),
        )
    return nodes_running[0]


def _steps_before_switch(
    region: Region, source: str, to: str, name: str, known_hosts: Path
) -> list[MoveStep]:
    return [
        MoveStep(
            _("Prepare the new machine"),
            _("This step finds problems with the new machine while the old server keeps running."),
            (f"deploy prepare {region.region} --node {to}",),
        ),
        MoveStep(
            _("Shorten the lifetime of the DNS records"),
            _(
                "One day before the move, set the TTL (time to live) of these records to 300 "
                "seconds."
            ),
            tuple(
                f"{name}  {_dns_record_type(address)}" for address in region.nodes[source].addresses
            ),
        ),
        MoveStep(
            _("Give the old server access to the new one"),
            _(
                "The old server gets a key that is used only for this copy. Your own key and "
                "your SSH agent stay on this machine."
            ),
            _commands_to_let_old_server_connect(region, source, to, known_hosts),
        ),
        MoveStep(
            _("Copy the recordings for the first time"),
            _(
                "This can take hours. You can interrupt the copy and run the last command "
                "again. The old server keeps running."
            ),
            (
                *(
                    _ssh_command_as_root(region, node, "apt-get install -y rsync")
                    for node in (source, to)
                ),
                _rsync_command(region, source, to),
            ),
        ),
        MoveStep(
            _("Choose a time without meetings and wait until all recordings are processed"),
            _(
                "The first two commands show whether recordings are still being processed. "
                "Ask the moderators whether meetings are running, because these commands do "
                "not show meetings."
            ),
            (
                _ssh_command_as_root(region, source, "bbb-record --list"),
                _ssh_command_as_root(region, source, "journalctl -u bbb-rap-resque-worker -n 20"),
                f"deploy verify {region.region} --node {source}",
            ),
        ),
    ]


def _switch_steps(region: Region, source: str, to: str, name: str, release: str) -> list[MoveStep]:
    new = region.nodes[to]
    return [
        MoveStep(
            _("Point the DNS name to the new machine"),
            _(
                "The new machine gets certificates and media only when DNS points to it. Change "
                "these DNS records, then wait until the changes are visible."
            ),
            tuple(f"{name}  {_dns_record_type(address)}  {address}" for address in new.addresses),
        ),
        MoveStep(
            _("Move the service in region.yml"),
            _(
                "Move bigbluebutton from the services of {source} to the services of {to}. "
                "The rooms and the API secret stay the same.",
                source=source,
                to=to,
            ),
            (
                f"{to}: {{…, services: [bigbluebutton]}}",
                f"{source}: {{…, services: []}}",
                f'bigbluebutton: {{…, release: "{release}"}}',
                f"deploy validate {region.region}",
            ),
        ),
        MoveStep(
            _("Set up the new server"),
            _("This step does not change the old server."),
            (f"deploy region {region.region} --node {to}",),
        ),
        MoveStep(
            _("Copy new recordings, and import them"),
            _("The copy command is the same as before. Now it copies only the differences."),
            (
                _rsync_command(region, source, to),
                _ssh_command_as_root(
                    region, to, "chown -R bigbluebutton:bigbluebutton /var/bigbluebutton"
                ),
                _ssh_command_as_root(region, to, "bbb-record --list"),
            ),
        ),
    ]


def _final_steps(region: Region, source: str, to: str) -> list[MoveStep]:
    return [
        MoveStep(
            _("Delete the key that the old server used"),
            _("The key is no longer needed."),
            (
                f"ssh {_ssh_port_option_and_destination(region, to)} "
                f"'sed -i \"/ {MOVE_KEY}$/d\" ~/.ssh/authorized_keys'",
                f"ssh {_ssh_port_option_and_destination(region, source)} "
                f"'rm ~/.ssh/{MOVE_KEY} ~/.ssh/{MOVE_KEY}.pub'",
            ),
        ),
        MoveStep(
            _("Remove BigBlueButton from the old server and verify everything"),
            _("The data stays on {source} until you deploy with --purge.", source=source),
            (f"deploy region {region.region}", f"deploy verify {region.region}"),
        ),
        MoveStep(
            _("Some weeks later, delete the old data if nothing is missing"),
            _(
                "This command deletes the recordings on {source}. Afterwards, remove "
                "{source} from region.yml.",
                source=source,
            ),
            (f"deploy region {region.region} --node {source} --purge",),
            later=True,
        ),
    ]


def _dns_record_type(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _ssh_port_option_and_destination(region: Region, node: str) -> str:
    found = region.nodes[node]
    port = "" if found.port == 22 else f"-p {found.port} "
    return f"{port}{found.user}@{found.address}"


def _ssh_command_as_root(region: Region, node: str, command: str) -> str:
    root = "" if region.nodes[node].user == "root" else "sudo "
    return f"ssh {_ssh_port_option_and_destination(region, node)} '{root}{command}'"


def _commands_to_let_old_server_connect(
    region: Region, source: str, to: str, known_hosts: Path
) -> tuple[str, ...]:
    """Return the commands that let the old server, and no other machine, reach the new one."""
    old, new = (f"ssh {_ssh_port_option_and_destination(region, node)}" for node in (source, to))
    address = region.nodes[to].address
    restriction = f'from=\\"{",".join(region.nodes[source].addresses)}\\",restrict'
    return (
        f"{old} 'ssh-keygen -q -t ed25519 -N \"\" -C {MOVE_KEY} -f ~/.ssh/{MOVE_KEY}'",
        f"{old} 'cat ~/.ssh/{MOVE_KEY}.pub' | "
        f"{new} 'sed \"s/^/{restriction} /\" >> ~/.ssh/authorized_keys'",
        f"grep -F '{address}' {shlex.quote(str(known_hosts))} | {old} 'cat >> ~/.ssh/known_hosts'",
    )


def _rsync_command(region: Region, source: str, to: str) -> str:
    """Return the command that copies recordings from the old server to the new one."""
    new = region.nodes[to]
    folders = " ".join(FOLDERS)
    sudo, remote = (("" if region.nodes[node].user == "root" else "sudo ") for node in (source, to))
    remote_path = f'--rsync-path "{remote}rsync" ' if remote else ""
    return (
        f"ssh {_ssh_port_option_and_destination(region, source)} "
        f"'{sudo}rsync -aR --partial --info=progress2 "
        f'{remote_path}-e "ssh -p {new.port} -i ~/.ssh/{MOVE_KEY}" '
        f"{folders} {new.user}@{new.address}:/'"
    )
