"""A copy of a region for containers on this machine, in which a backup is restored.

The copy has the region's services and names, but its own secrets, addresses and certificates. It
never contacts the region's nodes, mail relay or peers.
"""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from chautari.backup.scope import states_of_node
from chautari.errors import BadInput
from chautari.files import write_atomically
from chautari.language import _
from chautari.paths import state_dir
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import LOCK_FILE, REGION_FILE
from chautari.region.model import Region
from chautari.region.rules.nodes import RESERVED_ADDRESSES

SUFFIX = "-drill"
MAX_NAME = 31
# Keys of region.yml that a copy keeps as they are.
_KEPT = ("domain", "contact", "timezone", "country", "languages", "bandwidth", "operators")
_UBUNTU = {"os": "debian-12", "memory_mb": 900, "cores": 1}
DEFAULT_NETWORK = "192.0.2.0/26"


def region_name_of_copy(region: str) -> str:
    """Return the name of the copy of a region."""
    return region[: MAX_NAME - len(SUFFIX)].rstrip("-") + SUFFIX


def nodes_to_copy(region: Region, nodes: Sequence[str]) -> tuple[str, ...]:
    """Return the nodes with data, of those that the command names.

    Raises:
        BadInput: when none has data.
    """
    found = tuple(name for name in nodes if states_of_node(region, name))
    if not found:
        raise BadInput(
            _("none of these nodes runs a service that keeps data, so there is nothing to restore"),
            fix=_("choose a node with data after --node"),
        )
    return found


def region_data_of_copy(region: Region, nodes: Sequence[str], network: str) -> dict[str, Any]:
    """Return the content of the copy's region.yml."""
    content = region.model_dump(mode="json", by_alias=True, exclude_unset=True)
    copied = {key: content[key] for key in _KEPT if key in content}
    addresses = ipaddress.ip_network(network).hosts()
    free = iter(list(addresses)[RESERVED_ADDRESSES:])
    kept: dict[str, dict[str, Any]] = {
        name: {
            "address": str(next(free)),
            "services": list(region.nodes[name].services),
            "os": region.nodes[name].os,
        }
        for name in nodes
    }
    running = {service for node in nodes for service in region.nodes[node].services}
    settings = {
        name: value for name, value in content.get("services", {}).items() if name in running
    }
    sandbox: dict[str, Any] = {"network": network}
    substitutes = {node["os"] for node in kept.values() if node["os"].startswith("ubuntu")}
    if substitutes:
        sandbox["os_substitutes"] = dict.fromkeys(sorted(substitutes), _UBUNTU)
    if region.mail:
        # The relay of the simulated internet; no mail leaves this machine.
        copied["mail"] = {
            "relay": f"smtp.{region.domain}",
            "user": "region",
            "from": content["mail"]["from"],
        }
    return {
        "region": region_name_of_copy(region.region), **copied, "ask_upstream": False,
        "sandbox": sandbox, "nodes": kept, "services": settings,
    }  # fmt: skip


def delete_files_of_copy(copy: LoadedRegion) -> None:
    """Delete the files of a copy; its secrets are of no use without its containers."""
    shutil.rmtree(copy.folder, ignore_errors=True)


def write_copy(
    loaded_region: LoadedRegion, nodes: Sequence[str], network: str, folder: Path | None = None
) -> LoadedRegion:
    """Write the copy into a folder of this account, and return it.

    Raises:
        BadInput: when a service cannot run without another node of the region.
    """
    region = loaded_region.region
    name = region_name_of_copy(region.region)
    root = folder or state_dir() / "drills"
    place = root / name
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    content: Mapping[str, Any] = region_data_of_copy(region, nodes, network)
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    write_atomically(place / REGION_FILE, text)
    lock = loaded_region.folder / LOCK_FILE
    if lock.is_file():
        write_atomically(place / LOCK_FILE, lock.read_bytes())
    return load_region(place / REGION_FILE)
