"""Host keys: their fingerprints, and whether the pinned ones are those that a region names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chautari.errors import BadInput
from chautari.region.field_types import compute_key_fingerprint

if TYPE_CHECKING:
    from chautari.region.load import LoadedRegion


class KnownHostsLine(NamedTuple):
    """A line of a `known_hosts` file that holds a key for one address."""

    line: str
    fingerprint: str


def find_known_hosts_lines(known_hosts: str, address: str, port: int) -> list[KnownHostsLine]:
    """Return what the text of a `known_hosts` file pins for an address."""
    name = address if port == 22 else f"[{address}]:{port}"
    found = []
    for line in known_hosts.splitlines():
        words = line.split()
        if len(words) >= 3 and name in words[0].split(","):
            found.append(KnownHostsLine(line, compute_key_fingerprint(words[2])))
    return found


def may_contain_host_key(known_hosts: Path, address: str, port: int) -> bool:
    """Return whether a file has a key for an address; hashed names may stand for any address."""
    text = known_hosts.read_text(errors="replace") if known_hosts.is_file() else ""
    return "|1|" in text or bool(find_known_hosts_lines(text, address, port))


def check_known_hosts_match_region(loaded_region: LoadedRegion) -> None:
    """Compare the pinned host keys with those that `region.yml` names.

    Raises:
        BadInput: when a node has another key pinned than its `host_key`.
    """
    file = loaded_region.known_hosts_file
    text = file.read_text(errors="replace") if file.is_file() else ""
    for name, node in loaded_region.region.nodes.items():
        pinned = {pin.fingerprint for pin in find_known_hosts_lines(text, node.address, node.port)}
        if node.host_key and pinned and node.host_key not in pinned:
            raise BadInput(
                f"host_key of {name} in region.yml is {node.host_key}, but {file} pins "
                f"{', '.join(sorted(pinned))}",
                fix="find out which key is right: in the provider's console, run ssh-keygen -lf "
                "/etc/ssh/ssh_host_ed25519_key.pub; then correct host_key, or delete the lines for "
                f"{node.address} from {file}",
            )
