"""Host keys: their fingerprints, and whether the pinned ones are those that a region names."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chautari.errors import BadInput
from chautari.files import read_bytes_if_present
from chautari.git_versions import is_committed, restore_step
from chautari.language import _
from chautari.region.ssh_key_types import compute_key_fingerprint

if TYPE_CHECKING:
    from chautari.region.load import LoadedRegion


MAX_BYTES = 1_000_000


class KnownHostsLine(NamedTuple):
    """A line of a `known_hosts` file that holds a key for one address."""

    line: str
    fingerprint: str


def read_known_hosts_text(file: Path) -> str:
    """Return the text of a `known_hosts` file; empty if there is none.

    Raises:
        BadInput: when it cannot be read, or has a line that is no text: then the preparation of a
            node could not read it either.
    """
    raw = read_bytes_if_present(file, MAX_BYTES)
    if len(raw) > MAX_BYTES:
        raise BadInput(
            _(
                "{file} is larger than {max_bytes} MB, so it is damaged",
                file=file,
                max_bytes=MAX_BYTES // 1_000_000,
            ),
            fix=restore_step(file),
        )
    for number, line in enumerate(raw.split(b"\n"), 1):
        try:
            text = line.decode().rstrip()
        except UnicodeDecodeError:
            text = "\0"
        if not text.replace("\t", "").isprintable():
            raise BadInput(
                _(
                    "{file}:{number}:1: this line is not text, so the file is damaged",
                    file=file,
                    number=number,
                ),
                fix=restore_step(file)
                if is_committed(file)
                else _(
                    "delete this line: {command}",
                    command=shlex.join(("sed", "-i", f"{number}d", str(file))),
                ),
            )
    return raw.decode()


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
    text = read_known_hosts_text(known_hosts)
    return "|1|" in text or bool(find_known_hosts_lines(text, address, port))


def check_known_hosts_match_region(loaded_region: LoadedRegion) -> None:
    """Compare the pinned host keys with those that `region.yml` names.

    Raises:
        BadInput: when a node has another key pinned than its `host_key`.
    """
    file = loaded_region.known_hosts_file
    text = read_known_hosts_text(file)
    for name, node in loaded_region.region.nodes.items():
        pinned = {pin.fingerprint for pin in find_known_hosts_lines(text, node.address, node.port)}
        if node.host_key and pinned and node.host_key not in pinned:
            raise BadInput(
                _(
                    "host_key of {name} in region.yml is {host_key}, but {file} pins {pinned}",
                    name=name,
                    host_key=node.host_key,
                    file=file,
                    pinned=", ".join(sorted(pinned)),
                ),
                fix=_(
                    "find out which key is right: in the provider's console, run ssh-keygen "
                    "-lf /etc/ssh/ssh_host_ed25519_key.pub; then correct host_key, or delete "
                    "the lines for {address} from {file}",
                    address=node.address,
                    file=file,
                ),
            )
