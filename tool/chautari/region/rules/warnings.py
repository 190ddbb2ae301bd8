"""Values that are valid but probably a mistake: `deploy validate` warns of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from chautari.language import _
from chautari.region.field_types import DOCUMENTATION_NETWORKS
from chautari.region.model import Region
from chautari.region.operating_systems import MOVE_BY
from chautari.region.rule import Finding

_DOCUMENTATION6 = IPv6Network("2001:db8::/32")  # RFC 3849
# The 32 bytes 0, 1, 2 … of the README's key, which has no private half.
EXAMPLE_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


def find_warnings(region: Region, today: date | None = None) -> Iterator[Finding]:
    """Yield what an operator should look at again; a sandbox has addresses of its own."""
    for person, keys in region.operators.items():
        if any(EXAMPLE_KEY in key for key in keys):
            yield (
                ("operators", person),
                _("this is the example key from the README; paste your own key"),
            )
    if region.sandbox is not None:
        return
    yield from _backup_warnings(region)
    for name, node in region.nodes.items():
        newer, move_by = MOVE_BY.get(node.os, ("", date.max))
        if (today or date.today()) >= move_by:
            yield (
                ("nodes", name, "os"),
                (
                    _(
                        "the release of Ansible on {os} no longer receives fixes; move this "
                        "node to {newer}",
                        os=node.os,
                        newer=newer,
                    )
                ),
            )
        for field in ("address", "address6"):
            value = getattr(node, field)
            if value and (doubt := _address_warning(ip_address(value))):
                yield ("nodes", name, field), f"{value} {doubt}"


def _backup_warnings(region: Region) -> Iterator[Finding]:
    if region.backup is None or not region.backup.to:
        return
    targets = [region.backup.targets.get(name) for name in region.backup.to]
    if all(target and target.disk for target in targets):
        yield (
            ("backup", "to"),
            _(
                "all backups are on disks of the nodes themselves, so a theft or a fire can "
                "destroy the backups too; add a peer or an SSH server"
            ),
        )
    if region.mail is None:
        yield (
            ("backup",),
            _(
                "failed backups cannot be reported by email, because the region has no mail "
                "relay; add to region.yml: mail: {relay: smtp.example.org, user: …, from: …}"
            ),
        )


def _address_warning(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        example = any(address in network for network in DOCUMENTATION_NETWORKS)
    else:
        example = address in _DOCUMENTATION6
    if example:
        return _("is reserved for examples, so no machine has this address; write the real address")
    # Carrier-grade NAT (100.64.0.0/10) is neither private nor global.
    if not address.is_global:
        return _(
            "is a private address, so users, mail servers and the certificate authority "
            "cannot reach the node from the internet; write the public address, unless the node "
            "serves only the local network"
        )
    return ""
