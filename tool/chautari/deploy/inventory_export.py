"""Write a region's static inventory to a folder, for use without this tool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from chautari.deploy.request import Request, load_region_letters, open_and_complete_secrets
from chautari.errors import BadInput
from chautari.files import create_private_folder, write_atomically
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import LoadedRegion
from chautari.region.locate import REGION_FILE
from chautari.render import inventory, variables
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.inventory import SECRET_FILE, SSHConnection
from chautari.render.provider import known_endpoints
from chautari.render.variables import NodeContext
from chautari.ssh.target import SSHTarget, configured_ssh_targets


def output_folders(loaded_regions: Sequence[LoadedRegion], output: Path) -> list[Path]:
    """Return where each inventory is written: `output` itself, or one folder in it for each region.

    Raises:
        BadInput: when two regions have the same name, and would be written to one folder.
    """
    if len(loaded_regions) == 1:
        _refuse_folder_of_a_region(output)
        return [output]
    [(name, times)] = Counter(item.region.region for item in loaded_regions).most_common(1)
    if times > 1:
        raise BadInput(
            _(
                "two of these regions are called {name}, but each needs its own output folder",
                name=name,
            ),
            fix=_(
                "list each region only once, or render them one by one, each with its own -o DIR"
            ),
        )
    folders = [output / item.region.region for item in loaded_regions]
    for folder in folders:
        _refuse_folder_of_a_region(folder)
    return folders


def _refuse_folder_of_a_region(output: Path) -> None:
    """Refuse to write secrets that are not encrypted next to files that belong in git.

    Raises:
        BadInput: when `output` is the folder of all regions, or is or lies in a region's folder.
    """
    folder = output.resolve()
    if folder == regions_root().resolve() or any(
        (parent / REGION_FILE).exists() for parent in (folder, *folder.parents)
    ):
        raise BadInput(
            _(
                "the inventory would be written to {output}, which is a folder for region files",
                output=output,
            ),
            fix=_("write it to a separate folder, outside your git repository: -o /tmp/inventory"),
        )


def write_static_inventory(request: Request, folder: Path, with_secrets: bool) -> list[Path]:
    """Write the inventory of all nodes into `folder` and return the files; nothing is started."""
    endpoints = known_endpoints(request.loaded_region)
    if (
        with_secrets
        and endpoints is PUBLIC_INTERNET
        and request.loaded_region.region.sandbox is not None
    ):
        name = request.loaded_region.region.region
        raise BadInput(
            _("the region's sandbox was never started, so there is no mail password yet"),
            fix=f"deploy sandbox up {name}, or render without secrets: --no-secrets",
        )
    if with_secrets:
        create_private_folder(folder)
    secrets = open_and_complete_secrets(request, endpoints) if with_secrets else None
    names = request.node_names()
    loaded_region = load_region_letters(
        request.loaded_region, secrets, endpoints, save=with_secrets
    )
    nodes = [
        variables.variables_of_node(NodeContext(loaded_region, endpoints, n), secrets)
        for n in names
    ]
    reached = configured_ssh_targets(request.loaded_region, endpoints, names)
    files = inventory.inventory_files(
        nodes, {target.name: _connection_settings(target) for target in reached}
    )
    written = []
    for name, content in files.items():
        private = name.endswith(SECRET_FILE)
        mode = 0o600 if private else 0o644
        write_atomically(folder / name, content, mode, durable=False)
        written.append(folder / name)
    return written


def _connection_settings(target: SSHTarget) -> SSHConnection:
    return SSHConnection(
        target.address,
        target.port,
        target.user,
        str(target.known_hosts),
        str(target.key) if target.key else None,
    )
