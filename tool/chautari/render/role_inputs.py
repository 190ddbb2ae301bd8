"""Compute the inputs of each role as digests: the part of a receipt that this side knows.

A role's inputs are its files, its play, the variables of its `meta/argument_specs.yml`, the facts
that its `meta/receipt.yml` declares, and the node's Ansible. Digests of values are keyed with a
secret of the region that stays on this side: a receipt on a node reveals nothing about a password.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

from pydantic import Field

from chautari.node.changes_since_receipt import Item
from chautari.node.receipts import RoleInputs
from chautari.paths import content_root
from chautari.render import role_cache
from chautari.render.variables import NodeVariables
from chautari.services.registry import INSTALLED
from chautari.toolkit_yaml import read_toolkit_yaml

RECEIPT_KEY = "receipt_key"
DIGEST_LETTERS = 20
_SKIPPED = {"__pycache__", "molecule", ".pytest_cache", "checks", "README.md"}


class ReloadMarker(NamedTuple):
    """Settings that a service reads when it starts, and the file that marks when it last did.

    A setting that is newer than the marker is not in use yet.
    """

    settings: list[str]
    marker: str


# Patterns are words of a shell script that runs as root. A release before a path limits it.
_TakenOver = Annotated[
    str,
    Field(
        pattern=r"^((debian-[0-9]{2}:)?/[A-Za-z0-9/._*\[\]-]+"
        r"|nftables:|sshd:|cron:|databases:|mail-transport-agent:"
        r"|listener:(\*|[1-9][0-9]*/(tcp|udp)( [A-Za-z0-9._-]+)*))$"
    ),
]


class ReceiptDeclaration(NamedTuple):
    """What a role declares in `meta/receipt.yml`: what its receipt watches besides its tasks.

    The types are checked by a test of every role and not here: a model of pydantic for these files
    of the toolkit's own would take longer to build than the files to read.

    Attributes:
        needs: roles that this role depends on; when one of them runs, this role runs.
        paths: files by pattern (`glob`); a file that appears or disappears counts as a change.
        facts: facts of the machine that the role's files use, as Ansible names them.
        reload_markers: settings that are in use only once they are older than a marker file.
        probes: scripts in `probes/`, each with its title; they print one line a setting, no secret,
            and exit with 0 when everything is in the desired state.
        takes_over: what the role replaces, disables or cuts off, which belongs to others on a node
            where the role never ran: paths by pattern, tables in the kernel (`nftables:`), logins
            and forwardings (`sshd:`), mail servers (`mail-transport-agent:`), jobs (`cron:`),
            databases (`databases:`), or listening programs (`listener:`).
        tracked_by: tasks whose changes cannot be read from a module's arguments, by a tag of the
            task; the value names the probe, path or marker (or a list of them) that tracks them.
    """

    needs: Sequence[str] = ()
    paths: Sequence[str] = ()
    facts: Sequence[str] = ()
    reload_markers: tuple[ReloadMarker, ...] = ()
    probes: Mapping[str, str] = {}
    takes_over: Sequence[_TakenOver] = ()
    tracked_by: Mapping[str, str | list[str]] = {}

    def tracker_names_by_tag(self) -> dict[str, list[str]]:
        """Return for each tag the probes, paths and markers that track its tasks."""
        return {
            tag: [names] if isinstance(names, str) else names
            for tag, names in self.tracked_by.items()
        }


@functools.cache
def load_receipt_declaration(role: str) -> ReceiptDeclaration:
    """Return what a role declares for its receipt."""
    file = content_root() / "roles" / role / "meta" / "receipt.yml"
    declared = read_toolkit_yaml(file) or {}
    markers = tuple(ReloadMarker(**item) for item in declared.pop("reload_markers", ()))
    return ReceiptDeclaration(**declared, reload_markers=markers)


def role_inputs_of_node(node: NodeVariables, key: str, ansible: str) -> list[RoleInputs]:
    """Return the inputs of every role of `node`, in the order they run.

    Args:
        node: the node's roles and variables.
        key: the region's secret that digests of values are keyed with.
        ansible: digest of the environment that Ansible runs in on the nodes.
    """
    values = node.public | node.secret
    found: list[RoleInputs] = []
    for role in node.roles:
        role_files = load_role_summary(role)
        found.append(
            {
                "role": role,
                "installed": INSTALLED.get(role, ""),
                "files": role_files["digest"],
                "ansible": ansible[:DIGEST_LETTERS],
                "facts": role_files["facts"],
                "variables": {
                    name: _keyed_digest(key, f"{role}.{name}", values[name])
                    for name in role_files["variables"]
                    if name in values
                },
                "needs": [other for other in role_files["needs"] if other in node.roles],
                "shared_roles": role_files["parts"][1:],
                "items": role_files["items"],
                "tracked_by": role_files["tracked_by"],
            }
        )
    return found


class RoleSummary(TypedDict):
    """What the files of a role and its shared roles say.

    Attributes:
        parts: the role and its shared roles.
        digest: digest of the role's play and files; checks and READMEs are left out.
        variables: names of the variables that it reads.
        takes_over: see `ReceiptDeclaration`; also of its shared roles.
    """

    parts: list[str]
    digest: str
    facts: list[str]
    variables: list[str]
    needs: list[str]
    items: list[Item]
    tracked_by: dict[str, list[str]]
    takes_over: list[str]


@functools.cache
def load_role_summary(role: str) -> RoleSummary:
    """Return what the files of a role say; unchanged files are not read again."""
    root = content_root()

    def folders() -> list[str]:
        parts = [root / "roles" / part for part in role_and_shared_roles(role)]
        return [str(path) for path in (Path(__file__).parent, root / "playbooks", *parts)]

    summary: RoleSummary = role_cache.load_or_compute(
        f"{root}:{role}", folders, lambda: _summarize_files_of_role(role)
    )
    return summary


def _summarize_files_of_role(role: str) -> RoleSummary:
    parts = role_and_shared_roles(role)
    declared = [load_receipt_declaration(part) for part in parts]
    return {
        "parts": list(parts),
        "digest": _digest_files(role),
        "facts": sorted({fact for one in declared for fact in one.facts}),
        "variables": sorted(_variables_in_argument_specs(role)),
        "needs": list(declared[0].needs),
        "items": [item for part in parts for item in _items_in_receipt_declaration(part)],
        "tracked_by": tracker_names_by_tag(role),
        "takes_over": [item for one in declared for item in one.takes_over],
    }


@functools.cache
def role_and_shared_roles(role: str) -> tuple[str, ...]:
    """Return a role and the shared roles that its `meta/main.yml` depends on, directly or not.

    A shared role has no play: its tasks run in the plays of the roles that include them, so its
    files and declarations count as theirs.
    """
    found = [role]
    for part in found:
        meta = read_toolkit_yaml(content_root() / "roles" / part / "meta" / "main.yml")
        found += [item["role"] for item in meta["dependencies"] if item["role"] not in found]
    return tuple(found)


def list_takeovers(role: str, release: str) -> list[str]:
    """Return what a role and its shared roles take over on a machine with `release`."""
    items = [item.removeprefix(f"{release}:") for item in load_role_summary(role)["takes_over"]]
    return [item for item in items if not item.startswith("debian-")]


def tracker_names_by_tag(role: str) -> dict[str, list[str]]:
    """Return for each tag what tracks its tasks, in a role and its shared roles."""
    found: dict[str, list[str]] = {}
    for part in role_and_shared_roles(role):
        for tag, names in load_receipt_declaration(part).tracker_names_by_tag().items():
            found[tag] = found.get(tag, []) + names
    return found


def _items_in_receipt_declaration(role: str) -> list[Item]:
    declared = load_receipt_declaration(role)
    items: list[Item] = [{"kind": "paths", "name": path} for path in declared.paths]
    for loaded in declared.reload_markers:
        name = f"settings older than {loaded.marker}"
        items.append({"kind": "reload_marker", "name": name} | loaded._asdict())
    for file, title in declared.probes.items():
        script = content_root() / "roles" / role / "probes" / file
        text = script.read_text()
        items.append({"kind": "probe", "name": title, "file": file, "script": text})
    return items


@functools.cache
def _role_files(role: str) -> tuple[tuple[str, bytes], ...]:
    folder = content_root() / "roles" / role
    return tuple(
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _SKIPPED & set(path.relative_to(folder).parts)
    )


def _digest_files(role: str) -> str:
    """Return the digest of a role's play and files; checks and READMEs are left out."""
    digest = hashlib.sha256(json.dumps(plays_by_role()[role], sort_keys=True).encode())
    for part in role_and_shared_roles(role):
        for name, content in _role_files(part):
            digest.update(f"\0{part}/{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:DIGEST_LETTERS]


@functools.cache
def _variables_in_argument_specs(role: str) -> frozenset[str]:
    """Return the variables that a role's `meta/argument_specs.yml` names."""
    file = content_root() / "roles" / role / "meta" / "argument_specs.yml"
    entry_points = read_toolkit_yaml(file)["argument_specs"].values()
    return frozenset(name for point in entry_points for name in point.get("options") or ())


@functools.cache
def plays_by_role() -> dict[str, Mapping[str, object]]:
    """Return the play of each role of `playbooks/region.yml`; others only look."""
    file: Path = content_root() / "playbooks" / "region.yml"
    return {play["hosts"]: play for play in read_toolkit_yaml(file) if "roles" in play}


def _keyed_digest(key: str, name: str, value: Any) -> str:
    text = f"{name}={json.dumps(value, sort_keys=True)}"
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()[:DIGEST_LETTERS]
