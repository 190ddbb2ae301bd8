"""Faults to practise with: what breaks in a sandbox, a hint, and the answer.

A step is a command in a node's container, run as root. Undoing a fault that was already
repaired changes nothing, so every way to repair it is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chautari.region.model import Region
from chautari.render.placement import public_names_of_node, roles_of_node

Command = tuple[str, ...]
# Runs a command in the node's container, and returns its output.
RunInNode = Callable[..., str]

CONFIG = "/var/lib/nextcloud/config/config.php"
FILES = "/var/lib/nextcloud/data/chautari-check/files"
RELAY_PASSWORD = "/etc/postfix/relay_password"
TLS = "/etc/chautari/tls"
# RFC 5737 reserves this address for documentation: no machine answers there.
WRONG_ADDRESS = "192.0.2.1"


@dataclass(frozen=True)
class FaultPlace:
    """Where a fault is set: a node of a region, and one of its public names."""

    region: str
    node: str
    domain_name: str
    database_unit: str


@dataclass(frozen=True)
class Fault:
    """One practice fault.

    Attributes:
        role: a node needs this role; empty for any role of `roles`.
        hint: where to look, without the answer. `{region}` and `{node}` are replaced.
        answer: what is broken, and how to repair it.
        repair: the command that repairs it, as a volunteer would enter it.
        wrong_dns: the sandbox's name server gives a wrong address, so no step runs on the node.
    """

    name: str
    roles: tuple[str, ...]
    hint: str
    answer: str
    repair: str
    break_steps: Callable[[FaultPlace], Sequence[Command]] = lambda _: ()
    undo_steps: Callable[[FaultPlace], Sequence[Command]] = lambda _: ()
    closed_port: int = 0
    wrong_dns: bool = False

    def fits_node(self, region: Region, node: str) -> bool:
        """Return whether a node has what this fault breaks."""
        has_role = any(role in roles_of_node(region, node) for role in self.roles)
        return has_role and bool(public_names_of_node(region, node))


def place_of_fault(region: Region, node: str) -> FaultPlace:
    """Return the place of a fault on a node that has a public name."""
    roles = roles_of_node(region, node)
    unit = "postgresql" if "postgresql" in roles else "mariadb"
    return FaultPlace(region.region, node, public_names_of_node(region, node)[0], unit)


def firewall_rule_handle(listing: str, port: int) -> str:
    """Return the handle of the firewall rule that opens a TCP port; empty when there is none."""
    for entry in json.loads(listing)["nftables"]:
        rule = entry.get("rule", {})
        matches = (part["match"] for part in rule.get("expr", ()) if "match" in part)
        if any(_rule_matches_port(match, port) for match in matches):
            return str(rule["handle"])
    return ""


def _rule_matches_port(match: dict[str, Any], port: int) -> bool:
    left = match.get("left", {})
    is_port = isinstance(left, dict) and left.get("payload", {}).get("field") == "dport"
    return is_port and bool(match.get("right") == port)


def _certificate_break_commands(place: FaultPlace) -> Sequence[Command]:
    folder = f"{TLS}/{place.domain_name}"
    return (
        (
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "3", "-subj", f"/CN={place.domain_name}",
            "-addext", f"subjectAltName=DNS:{place.domain_name}",
            "-keyout", f"{folder}/practice.key", "-out", f"{folder}/practice.pem",
        ),
        ("ln", "-sfn", f"{folder}/practice.key", f"{folder}/privkey.pem"),
        ("ln", "-sfn", f"{folder}/practice.pem", f"{folder}/fullchain.pem"),
        ("systemctl", "reload", "nginx"),
    )  # fmt: skip


def _certificate_undo_commands(place: FaultPlace) -> Sequence[Command]:
    folder, live = f"{TLS}/{place.domain_name}", f"/etc/letsencrypt/live/{place.domain_name}"
    return (
        ("ln", "-sfn", f"{live}/privkey.pem", f"{folder}/privkey.pem"),
        ("ln", "-sfn", f"{live}/fullchain.pem", f"{folder}/fullchain.pem"),
        ("rm", "-f", f"{folder}/practice.key", f"{folder}/practice.pem"),
        ("systemctl", "reload-or-restart", "nginx"),
    )


def _disk_fill_commands(_: FaultPlace) -> Sequence[Command]:
    # A small disk of its own: the disk of this machine must not fill up.
    return (
        ("install", "-d", "-o", "www-data", "-g", "www-data", "-m", "0750", FILES),
        ("mount", "-t", "tmpfs", "-o", "size=1m,uid=www-data,gid=www-data,mode=0750", "practice",
         FILES),
        ("truncate", "--size", "0", f"{FILES}/old-recording.bin"),
        ("fallocate", "--length", "1044480", f"{FILES}/old-recording.bin"),
    )  # fmt: skip


def _stop_unit_command(unit: str) -> Command:
    return ("systemctl", "stop", unit)


def _start_unit_command(unit: str) -> Command:
    return ("systemctl", "start", unit)


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "stopped-service",
            roles=("nginx",),
            hint="People see no page at all. Which check failed first, and which systemd unit does "
            "its advice name? Read the state of this unit: "
            "deploy ssh {region} {node} -- systemctl status nginx",
            answer="The web server was stopped, so nothing answers on ports 80 and 443. A deploy "
            "starts every service that should run.",
            repair="deploy region {region}",
            break_steps=lambda _: (_stop_unit_command("nginx"),),
            undo_steps=lambda _: (_start_unit_command("nginx"),),
        ),
        Fault(
            "full-disk",
            roles=("nextcloud",),
            hint="People can log in and read, but they cannot store a file. How much space is "
            "free? deploy ssh {region} {node} -- df -h",
            answer="The disk for files is full. The file old-recording.bin uses all of it. "
            "Delete files that are not needed, or add a disk. In the sandbox, a separate small "
            "disk is mounted at /var/lib/nextcloud/data/chautari-check/files.",
            repair=f"deploy ssh {{region}} {{node}} -- rm {FILES}/old-recording.bin",
            break_steps=_disk_fill_commands,
            undo_steps=lambda _: (("umount", "--lazy", FILES),),
        ),
        Fault(
            "expiring-certificate",
            roles=("tls",),
            hint="Browsers warn, or will warn soon. How long is each certificate valid, and who "
            "signed it? deploy verify {region}",
            answer="A service uses a certificate that no authority signed, and that expires in "
            "three days. In a real region, this happens if renewals fail for weeks. A deploy links "
            "the right certificate again, or requests a new one.",
            repair="deploy region {region}",
            break_steps=_certificate_break_commands,
            undo_steps=_certificate_undo_commands,
        ),
        Fault(
            "wrong-dns-record",
            roles=("tls",),
            hint="The machine works, but people do not find a service. Compare the DNS records: "
            "deploy dns {region}",
            answer="One name points to the address 192.0.2.1, which belongs to no node. In a real "
            "region, correct the A record at your DNS provider. Then wait until the change is "
            "visible. In the sandbox, the option --solve corrects it.",
            repair="deploy dns {region} --wait 60",
            wrong_dns=True,
        ),
        Fault(
            "closed-port",
            roles=("firewall",),
            hint="On the machine itself, everything responds. From outside, one port does not "
            "respond. Which ports do the firewall's rules open? deploy ssh {region} {node} -- "
            "nft list table inet chautari",
            answer="The firewall's rule for port 80 was removed. Old links do not work, and the "
            "next renewal of a certificate would fail. A restart loads the rules again.",
            repair="deploy ssh {region} {node} -- systemctl restart nftables",
            undo_steps=lambda _: (("systemctl", "restart", "nftables"),),
            closed_port=80,
        ),
        Fault(
            "wrong-permissions",
            roles=("nextcloud",),
            hint="Nextcloud cannot read something that belongs to it. Which file changed since the "
            "last deploy? deploy drift {region}",
            answer="Nextcloud's config.php belongs to root, so the web server cannot read it. "
            "This happens if an operator edits the file as root. A deploy restores the owner.",
            repair="deploy region {region}",
            break_steps=lambda _: (("chown", "root:root", CONFIG), ("chmod", "0600", CONFIG)),
            undo_steps=lambda _: (
                ("chown", "www-data:www-data", CONFIG),
                ("chmod", "0640", CONFIG),
            ),
        ),
        Fault(
            "database-down",
            roles=("postgresql", "mariadb"),
            hint="Pages answer with an error, although the web server runs. What does a service "
            "need in order to log people in? deploy verify {region}",
            answer="The database server was stopped. Look at its log before you start it again: "
            "a full disk or too little memory can be the reason.",
            repair="deploy region {region}",
            break_steps=lambda place: (_stop_unit_command(place.database_unit),),
            undo_steps=lambda place: (_start_unit_command(place.database_unit),),
        ),
        Fault(
            "refused-mail",
            roles=("mail",),
            hint="People wait for mail that does not arrive. What does the queue say? "
            "deploy ssh {region} {node} -- mailq",
            answer="The mail relay refuses the password that the node sends. In a real region, "
            "the password at the relay was changed. Store the new one with "
            "`deploy secrets set {region} mail_relay_password`, and deploy.",
            repair="deploy region {region}",
            break_steps=lambda _: (
                ("sed", "--in-place=.practice", "s/:[^:]*$/:wrong/", RELAY_PASSWORD),
                ("postfix", "reload"),
            ),
            undo_steps=lambda _: (
                ("mv", f"{RELAY_PASSWORD}.practice", RELAY_PASSWORD),
                ("postfix", "reload"),
                ("postqueue", "-f"),
            ),
        ),
    )
}
