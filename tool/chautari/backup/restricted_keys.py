"""Lines of `authorized_keys` that let a node only add backups to its own repository."""

from __future__ import annotations

from collections.abc import Mapping

from chautari.backup.scope import targets_of_node
from chautari.region.model import Region


def authorized_keys_lines(region: Region, keys: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the lines for each SSH server of the region, for the public `keys` of its nodes."""
    targets = region.backup.targets if region.backup else {}
    return {
        name: [
            restricted_line(f"{target.path}/{region.region}/{node}", key, f"{region.region}/{node}")
            for node, key in keys.items()
            if name in targets_of_node(region, node)
        ]
        for name, target in targets.items()
        if target.ssh
    }


def restricted_line(repository: str, key: str, comment: str) -> str:
    """Return a line that allows a key to use one repository, and nothing else."""
    command = f"borg serve --restrict-to-repository {repository}"
    return f'command="{command}",restrict {key} {comment}'
