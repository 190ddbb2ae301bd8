"""One node's bundle: playbook, roles, its own variables and secrets, checks and the event plugin.

The archive is reproducible (no times, no owners), so equal input gives equal bytes.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from chautari.paths import content_root
from chautari.render import inventory
from chautari.render.variables import NodeVariables

PACKAGE = Path(__file__).resolve().parents[1]
_SKIPPED = {"__pycache__", "molecule", ".pytest_cache"}
ANSIBLE_CFG = """\
[defaults]
inventory = inventory
roles_path = roles
callback_plugins = plugins
callbacks_enabled = chautari_events
stdout_callback = default
display_skipped_hosts = false
retry_files_enabled = false
nocows = true
pipelining = true
gathering = explicit
"""


def pack(node: NodeVariables) -> bytes:
    """Return the bundle of `node` as a gzipped tar; it holds no other node's values."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name, content in sorted(_files(node)):
            _add(archive, name, content)
    return buffer.getvalue()


def _files(node: NodeVariables) -> Iterator[tuple[str, bytes]]:
    root = content_root()
    yield "ansible.cfg", ANSIBLE_CFG.encode()
    yield "playbooks/region.yml", _playbook(root / "playbooks" / "region.yml", node)
    yield "plugins/chautari_events.py", (PACKAGE / "node" / "chautari_events.py").read_bytes()
    for name in ("__init__.py", "checks/__init__.py", "checks/record.py", "checks/inside.py"):
        yield f"lib/chautari/{name}", (PACKAGE / name).read_bytes()
    for name, content in inventory.files_of([node], {}).items():
        yield f"inventory/{name}", content
    yield "settings.json", _settings(node)
    for role in node.roles:
        yield from _tree(root / "roles" / role, f"roles/{role}")


def _playbook(file: Path, node: NodeVariables) -> bytes:
    """Return the plays of the node's own roles: Ansible wants to find every role it reads of."""
    plays = [play for play in _plays(file) if play["hosts"] in node.roles]
    return yaml.safe_dump(plays, sort_keys=False).encode()


@cache
def _plays(file: Path) -> list[dict[str, Any]]:
    plays: list[dict[str, Any]] = yaml.safe_load(file.read_bytes())
    return plays


def _settings(node: NodeVariables) -> bytes:
    return json.dumps(
        {"node": node.node, "roles": node.roles, "settings": node.public}, sort_keys=True
    ).encode()


@cache
def _tree(folder: Path, prefix: str) -> tuple[tuple[str, bytes], ...]:
    """Return a role's files; read once, since a region has many nodes with the same roles."""
    return tuple(
        (f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _SKIPPED & set(path.relative_to(folder).parts)
    )


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o600
    archive.addfile(entry, io.BytesIO(content))
