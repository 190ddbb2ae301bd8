"""BigBlueButton's way to another server: a new release line is a new machine, by upstream's rule.

The secret and the public name stay, so rooms in Nextcloud and links that people know go on working;
recordings are copied between the machines. Upstream: "Upgrade from 2.x/3.0" of its manual, which
asks for a new server and gives the folders to copy.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from chautari.errors import BadInput
from chautari.region import catalog
from chautari.region.model import Region

SERVICE = "bigbluebutton"
# What holds recordings, by upstream's manual, section "Transfer existing recordings".
FOLDERS = (
    "/var/bigbluebutton/published",
    "/var/bigbluebutton/unpublished",
    "/var/bigbluebutton/recording/raw",
    "/var/bigbluebutton/recording/status",
)


@dataclass(frozen=True)
class Step:
    """One thing to do: why, and the commands or lines to write; a person may well do it by hand."""

    title: str
    why: str
    commands: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return the step as JSON takes it."""
        return asdict(self)


def steps(region: Region, to: str, release: str) -> list[Step]:
    """Return what moves BigBlueButton to the node `to`, which will run the line `release`.

    Raises:
        BadInput: when the region has no BigBlueButton, or `to` could not carry it.
    """
    source = _source(region, to)
    os, node = catalog.BIGBLUEBUTTON_OS[release], region.nodes[to]
    if node.os != os:
        raise BadInput(
            f"BigBlueButton {release} stands on {os}, and {to} has {node.os}",
            fix=f"install {to} with {os}, write os: {os} for it, then ask again",
        )
    name = region.fqdn(region.services.of_bigbluebutton().host)
    return [*_before(region, source, to, name), *_switch(region, source, to, name, release)]


def _source(region: Region, to: str) -> str:
    nodes_running = region.nodes_running(SERVICE)
    if region.pooled:
        raise BadInput(
            "the region's servers are a pool, which needs no move",
            fix="add the new machine to it: write bigbluebutton into its services and deploy; then "
            "take the old one out, and deploy again",
        )
    if not nodes_running:
        raise BadInput(
            "no node of the region carries bigbluebutton", fix="there is nothing to move"
        )
    if to not in region.nodes:
        raise BadInput(
            f"no node {to!r} in this region",
            fix=f"add it to region.yml: {to}: {{address: …, os: ubuntu-24.04}}",
        )
    if to in nodes_running:
        raise BadInput(f"{to} carries bigbluebutton already", fix="name the new machine")
    if region.nodes[to].services:
        raise BadInput(
            f"{to} carries {', '.join(region.nodes[to].services)}",
            fix="BigBlueButton needs a machine of its own: name another node",
        )
    return nodes_running[0]


def _before(region: Region, source: str, to: str, name: str) -> list[Step]:
    return [
        Step(
            "Make the new machine ready",
            "Everything that can be refused is refused now, while the old server works on.",
            (f"deploy prepare {region.region} --node {to}",),
        ),
        Step(
            "Let DNS forget quickly",
            "A day before: set the time to live of these records to 300 seconds.",
            tuple(f"{name}  {_kind(address)}" for address in region.nodes[source].addresses),
        ),
        Step(
            "Copy the recordings a first time",
            "This takes long and may be stopped and started again; the old server works on.",
            (
                *(_on(region, node, "apt-get install -y rsync") for node in (source, to)),
                _copy(region, source, to),
            ),
        ),
        Step(
            "Choose an hour without meetings and wait for the recordings in work",
            "The last line says how many meetings run; it must be 0.",
            (
                _on(region, source, "bbb-record --list"),
                _on(region, source, "journalctl -u bbb-rap-resque-worker -n 20"),
                f"deploy verify {region.region} --node {source}",
            ),
        ),
    ]


def _switch(region: Region, source: str, to: str, name: str, release: str) -> list[Step]:
    new = region.nodes[to]
    return [
        Step(
            "Point the name at the new machine",
            "Certificates and media need it; change the records and wait until they are seen.",
            tuple(f"{name}  {_kind(address)}  {address}" for address in new.addresses),
        ),
        Step(
            "Move the service in region.yml",
            f"Take bigbluebutton out of {source}'s services; rooms and the secret stay.",
            (
                f"{to}: {{…, services: [bigbluebutton]}}",
                f"{source}: {{…, services: []}}",
                f'bigbluebutton: {{…, release: "{release}"}}',
                f"deploy validate {region.region}",
            ),
        ),
        Step(
            "Stand the new server up",
            "The old one is left alone by this.",
            (f"deploy region {region.region} --node {to}",),
        ),
        Step(
            "Copy what was recorded since, and let the server find it",
            "The same command as before takes the differences alone.",
            (
                _copy(region, source, to),
                _on(region, to, "chown -R bigbluebutton:bigbluebutton /var/bigbluebutton"),
                _on(region, to, "bbb-record --list"),
            ),
        ),
        Step(
            "Take the old server off and check everything",
            f"Its data stays on {source} until you say --purge.",
            (f"deploy region {region.region}", f"deploy verify {region.region}"),
        ),
        Step(
            "Weeks later, when nobody misses anything",
            f"This deletes the recordings on {source}; then take the node out of region.yml.",
            (f"deploy region {region.region} --node {source} --purge",),
        ),
    ]


def _kind(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _login(region: Region, node: str) -> str:
    found = region.nodes[node]
    port = "" if found.port == 22 else f"-p {found.port} "
    return f"{port}{found.user}@{found.address}"


def _on(region: Region, node: str, command: str) -> str:
    root = "" if region.nodes[node].user == "root" else "sudo "
    return f"ssh {_login(region, node)} '{root}{command}'"


def _copy(region: Region, source: str, to: str) -> str:
    """Return the command that copies recordings: your own key opens the second machine."""
    new = region.nodes[to]
    folders = " ".join(FOLDERS)
    return (
        f"ssh -A {_login(region, source)} rsync -aR --partial --info=progress2 "
        f"-e \"'ssh -p {new.port}'\" {folders} {new.user}@{new.address}:/"
    )
