"""What each role of a node is given, as digests: the half of a receipt that this side knows.

A role's inputs are its own files, its play, every variable and every fact of the machine that its
files name, and the node's Ansible. Digests of values are keyed with a secret of the region that
never leaves this side, so a receipt on a node tells nothing about a password, however simple.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chautari.files import read_own
from chautari.node.addresses import FACTS
from chautari.paths import content_root
from chautari.render.variables import NodeVariables

Inputs = dict[str, Any]
RECEIPT_KEY = "receipt_key"
DIGEST_LETTERS = 20
_SKIPPED = {"__pycache__", "molecule", ".pytest_cache", "checks", "README.md"}


class _Loaded(BaseModel):
    """Settings that a service reads when it starts, and what is touched when it has read them."""

    model_config = ConfigDict(extra="forbid")
    settings: list[str]
    stamp: str


class Declaration(BaseModel):
    """`meta/receipt.yml` of a role: what its receipt watches beside what its tasks report.

    Attributes:
        needs: roles whose outcome this one builds on; when they run, it runs.
        paths: files by pattern (`glob`); one that comes or goes counts as well.
        loaded: settings that are in use only once they are older than a stamp.
        probes: scripts in `probes/`, by what each tells; they print a line for each setting, no
            secret, and end with 0 when all is as wished.
        covers: tasks that change what no module's arguments tell, and what tells of it: the name
            of a probe's file, a path, a stamp, or a list of them.
    """

    model_config = ConfigDict(extra="forbid")
    needs: list[str] = Field(default_factory=list)
    paths: list[str] = Field(default_factory=list)
    loaded: list[_Loaded] = Field(default_factory=list)
    probes: dict[str, str] = Field(default_factory=dict)
    covers: dict[str, str | list[str]] = Field(default_factory=dict)

    def covering(self) -> dict[str, list[str]]:
        """Return for each covered task all that tells of what it does."""
        return {
            task: [told] if isinstance(told, str) else told for task, told in self.covers.items()
        }


@functools.cache
def declaration(role: str) -> Declaration:
    """Return what a role declares for its receipt."""
    file = content_root() / "roles" / role / "meta" / "receipt.yml"
    return Declaration.model_validate(read_own(file) or {})


def of_node(node: NodeVariables, key: str, ansible: str) -> list[Inputs]:
    """Return the inputs of every role of `node`, in the order they run.

    Args:
        node: the node's roles and variables.
        key: the region's secret that digests of values are keyed with.
        ansible: digest of the environment that Ansible runs in on the nodes.
    """
    values = node.public | node.secret
    deployed_services = set(node.roles)
    return [
        {
            "role": role,
            "files": _files(role),
            "ansible": ansible[:DIGEST_LETTERS],
            "facts": list(_facts(role)),
            "variables": {
                name: _digest(key, f"{role}.{name}", values[name])
                for name in sorted(values)
                if name in _text(role)
            },
            "needs": [other for other in declaration(role).needs if other in deployed_services],
            "items": _items(role),
            "covers": declaration(role).covering(),
        }
        for role in node.roles
    ]


def _items(role: str) -> list[dict[str, Any]]:
    declared = declaration(role)
    found: list[dict[str, Any]] = [{"kind": "paths", "name": path} for path in declared.paths]
    for item in declared.loaded:
        name = f"settings that {item.stamp} tells of"
        found.append({"kind": "loaded", "name": name} | item.model_dump())
    for file, title in declared.probes.items():
        script = content_root() / "roles" / role / "probes" / file
        text = script.read_text()
        found.append({"kind": "probe", "name": title, "file": file, "script": text})
    return found


@functools.cache
def _tree(role: str) -> tuple[tuple[str, bytes], ...]:
    folder = content_root() / "roles" / role
    return tuple(
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _SKIPPED & set(path.relative_to(folder).parts)
    )


@functools.cache
def _files(role: str) -> str:
    """Return the digest of a role's files and its play; its checks and README do not count."""
    digest = hashlib.sha256(json.dumps(plays()[role], sort_keys=True).encode())
    for name, content in _tree(role):
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:DIGEST_LETTERS]


@functools.cache
def _text(role: str) -> str:
    """Return all of a role's files as one text: a variable that it does not name is not used."""
    return "\n".join(content.decode(errors="replace") for _, content in _tree(role))


@functools.cache
def _facts(role: str) -> tuple[str, ...]:
    """Return which facts of the machine a role's files name, beside those that all go by."""
    return tuple(name for name in sorted(FACTS) if re.search(rf"\b{name}\b", _text(role)))


@functools.cache
def plays() -> dict[str, dict[str, Any]]:
    """Return the play of each role of `playbooks/region.yml`; others only look."""
    file: Path = content_root() / "playbooks" / "region.yml"
    return {play["hosts"]: play for play in read_own(file) if "roles" in play}


def _digest(key: str, name: str, value: Any) -> str:
    text = f"{name}={json.dumps(value, sort_keys=True)}"
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()[:DIGEST_LETTERS]
