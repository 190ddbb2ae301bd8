"""Pack one node's bundle: plays, roles, its own variables and secrets, checks and the event plugin.

The archive is reproducible (no times, no owners), so equal input gives equal bytes.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from chautari.node.receipts import RoleInputs
from chautari.paths import content_root
from chautari.render import inventory
from chautari.render.role_inputs import plays_by_role, role_and_shared_roles
from chautari.render.variables import NodeVariables, all_texts_in

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
force_handlers = true
gathering = explicit
"""
# Modules of `chautari.checks` that checks on a node import.
CHECKS_LIBRARY = (
    "__init__", "record", "inside", "apt_policy", "containers", "expected_log_lines", "sandboxing",
    "tls_profile",
)  # fmt: skip


def pack_bundle(
    node: NodeVariables, roles: list[RoleInputs], obsolete: Sequence[str] = ()
) -> bytes:
    """Return the bundle of `node` as a gzipped tar; it holds no other node's values.

    Args:
        node: the node's roles and variables.
        roles: their inputs, which the node compares with its receipts.
        obsolete: roles to remove from the node; they keep the order of their set-up.
    """
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name, content in sorted(_bundle_files(node, roles, obsolete)):
            _add_file(archive, name, content)
    return buffer.getvalue()


def _bundle_files(
    node: NodeVariables, roles: list[RoleInputs], obsolete: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    root = content_root()
    removable = [role for role in plays_by_role() if role in obsolete]
    yield "obsolete_roles.json", _to_json(removable + sorted(set(obsolete) - set(removable)))
    yield "ansible.cfg", ANSIBLE_CFG.encode()
    yield "plays.json", _to_json({role: plays_by_role()[role] for role in node.roles})
    yield "roles.json", _to_json(roles)
    yield "secrets.json", _to_json(list(all_texts_in(node.secret)))
    yield "plugins/chautari_events.py", (PACKAGE / "node" / "chautari_events.py").read_bytes()
    for name in ("__init__.py", *(f"checks/{name}.py" for name in CHECKS_LIBRARY)):
        yield f"lib/chautari/{name}", (PACKAGE / name).read_bytes()
    for file in sorted((PACKAGE / "node").glob("*.py")):
        if file.name != "chautari_events.py":
            yield f"lib/chautari/node/{file.name}", file.read_bytes()
    for name, content in inventory.inventory_files([node], {}).items():
        yield f"inventory/{name}", content
    yield "settings.json", _settings_for_checks(node)
    deployed = _with_shared_roles(node.roles)
    for role in deployed:
        yield from _role_files(root / "roles" / role, f"roles/{role}")
    for role in _with_shared_roles(removable):
        # A role that is removed is not checked afterwards.
        if role not in deployed:
            files = _role_files(root / "roles" / role, f"roles/{role}")
            yield from (file for file in files if not file[0].startswith(f"roles/{role}/checks/"))


def _with_shared_roles(roles: Iterable[str]) -> dict[str, None]:
    """Return the roles and the shared roles that they import, each once."""
    return dict.fromkeys(part for role in roles for part in role_and_shared_roles(role))


def _to_json(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True).encode()


def _settings_for_checks(node: NodeVariables) -> bytes:
    return _to_json(
        {
            "node": node.node,
            "roles": node.roles,
            "settings": node.public,
            "doubles": node.doubles,
        }
    )


@cache
def _role_files(folder: Path, prefix: str) -> tuple[tuple[str, bytes], ...]:
    """Return a role's files; read once, since a region has many nodes with the same roles."""
    return tuple(
        (f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _SKIPPED & set(path.relative_to(folder).parts)
    )


def _add_file(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o600
    archive.addfile(entry, io.BytesIO(content))
