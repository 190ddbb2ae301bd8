"""The same command again: what was computed for it holds while nothing it came from changed.

To read a region, check it and compute every role's inputs takes longer than to ask its nodes. All
of that follows from files: the toolkit's own, the region's, its sandbox's state. What a look at the
nodes needs of it is kept with a digest of their contents, and is used only while every one of them
is the same; else, and whenever a node has something to do, everything is computed anew.

What nodes answer is never kept, and no secret is: digests of values are keyed (`render/inputs.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chautari.deploy.survey import COMPARED, Survey, report_of, survey
from chautari.files import write_atomically
from chautari.paths import content_root, state_dir
from chautari.preflight.requirements import NodeRequirements
from chautari.region.locate import LOCK_FILE, SECRETS_FILE
from chautari.report.frame import frame, key
from chautari.report.model import ENDINGS, Double, RegionReport, ServiceInfo
from chautari.ssh.target import SSHTarget

if TYPE_CHECKING:
    from chautari.deploy.request import Plan

FORMAT = 1
_PACKAGE = Path(__file__).resolve().parents[1]
_MODES = {"region": "converge", "plan": "plan"}
Tell = Callable[[str, dict[str, Any]], None]
Kept = dict[str, Any]
Roles = list[dict[str, Any]]


class _Changed(Exception):
    """Something that the kept inputs come from is another one now."""


class Memory:
    """What is kept of one command on one region.

    Attributes:
        surveys: what nodes just answered, by their names; not kept.
    """

    def __init__(
        self, file: Path, verb: str, nodes: Sequence[str], identities: Sequence[Path]
    ) -> None:
        """Read nothing yet; `file` is the region's own."""
        # What lies beside the file is found by its folder, also when the file is a link.
        self._region, self._mode = file.parent.resolve() / file.name, _MODES[verb]
        self._asked = {"nodes": list(nodes), "identities": [str(i.resolve()) for i in identities]}
        name = hashlib.sha256(f"{verb} {self._region}".encode()).hexdigest()[:20]
        self._file = state_dir() / "again" / f"{name}.json"
        self._page = self._file.with_suffix(".html")
        self._lock, self._seen = threading.Lock(), ""
        self.surveys: dict[str, Survey] = {}

    def look(self, tell: Tell, parallel: int) -> RegionReport | None:
        """Ask the nodes; return the report when everything is known and nothing is to do."""
        try:
            return self._looked(tell, parallel)
        finally:
            self._before()  # whoever reads the region now has to have seen it first

    def _before(self) -> str:
        """Return the digest of everything as it was first seen."""
        with self._lock:
            self._seen = self._seen or _digest(self._region)
            return self._seen

    def _looked(self, tell: Tell, parallel: int) -> RegionReport | None:
        kept = self._kept()
        if kept is None:
            return None
        started, began = time.strftime("%Y-%m-%dT%H:%M:%S%z"), time.monotonic()
        reached, inputs = kept["targets"], kept["inputs"]

        def asked(name: str) -> Roles:
            # SSH connects meanwhile; nothing is said to a node before this is known.
            if kept["of"] != self._before():
                raise _Changed
            roles: Roles = inputs[name]
            return roles

        try:
            found = survey(reached, asked, parallel)
        except _Changed:
            return None
        if kept["of"] != self._before():  # nodes that were never met were not asked
            return None
        self.surveys = {target.name: one for target, one in zip(reached, found, strict=True)}
        wanted = [
            NodeRequirements(**node | {"services": tuple(node["services"])})
            for node in kept["wanted"]
        ]
        report = _report(kept["report"], started)
        report.nodes = [report_of(*each) for each in zip(wanted, reached, found, strict=True)]
        if not all(one.nothing_to_do for one in found) or not report.ok:
            return None
        for node in report.nodes:
            node.state, node.download_bytes = ENDINGS.get(self._mode, "converged"), 0
            tell(node.name, {"event": "settled"})
        report.seconds = time.monotonic() - began
        return report

    def keep(self, ready: Plan, report: RegionReport) -> None:
        """Keep what was computed, unless something changed meanwhile or the region is not well."""
        if not report.ok or _digest(self._region) != self._before():
            return
        beside = _beside(ready)
        if beside is None:
            return
        body = _nodes(ready) | {
            "format": FORMAT,
            "of": self._before(),
            "asked": self._asked,
            "beside": beside,
            "report": {
                name: asdict(report)[name]
                for name in ("region", "domain", "command", "services", "doubles", "hints")
            },
        }
        _write(self._file, json.dumps(body))

    def frame(self, report: RegionReport) -> str | None:
        """Return the page of `report` with its blanks: the one that was kept, or a new one."""
        of = f"<!-- {self._before()} {key(report)} -->\n"
        kept = _read(str(self._page)) or b""
        if kept.startswith(of.encode()):
            return kept.decode().removeprefix(of)
        made = frame(report)
        if made is not None:
            _write(self._page, of + made)
        return made

    def _kept(self) -> Kept | None:
        """Return what was kept, when it is whole and still holds."""
        try:
            kept: Kept = json.loads(self._file.read_bytes())
            if kept["format"] != FORMAT or kept["asked"] != self._asked:
                return None
            if any(_content(path) != digest for path, digest in kept["beside"].items()):
                return None
            # What an older toolkit kept has another shape.
            return kept | {"targets": [_target(node) for node in kept["targets"]]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(file, text, mode=0o600, durable=False)


def memory(file: Path, verb: str, asked: Mapping[str, Any]) -> Memory | None:
    """Return the memory of a command; None for one that does more than look when all is well."""
    more = ("full", "canary", "purge")
    if verb not in _MODES or any(asked.get(name) for name in more):
        return None
    if verb == "region" and asked.get("checks", True):
        return None
    return Memory(file, verb, asked.get("nodes", ()), asked.get("identities", ()))


def _digest(region: Path) -> str:
    """Return the digest of all that is computed from, and of what computes it.

    The toolkit's and the region's files count with their contents; Python and its libraries with
    their version and when something was last installed.
    """
    digest = hashlib.sha256(repr((
        sys.version, [(path, _installed(path)) for path in sys.path], str(region),
        bool(os.environ.get("CHAUTARI_KEY_PASSPHRASE")),
    )).encode())  # fmt: skip
    tops = (str(_PACKAGE), *(str(content_root() / name) for name in ("roles", "playbooks")))
    ours = [path for top in tops for path in sorted(_files(top))]
    theirs = [str(region.with_name(name)) for name in (region.name, LOCK_FILE, SECRETS_FILE)]
    for path in (*ours, *theirs):
        content = _read(path)
        length = "absent" if content is None else len(content)
        digest.update(f"\0{path}\0{length}\0".encode())
        digest.update(content or b"")
    return digest.hexdigest()


def _installed(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def _files(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == "__pycache__":
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.path


def _read(path: str) -> bytes | None:
    """Return a file's content; None when it cannot be read."""
    # Hundreds of files are read: a mere descriptor is the quickest way.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, os.fstat(descriptor).st_size + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _content(path: str) -> str:
    """Return the digest of a file's content; of one that is not there, its own."""
    content = _read(path)
    return "absent" if content is None else hashlib.sha256(content).hexdigest()


def _beside(ready: Plan) -> dict[str, str] | None:
    """Return the digests of further files that this region's inputs come from.

    None when they cannot be told: a sandbox may have been changed meanwhile.
    """
    region = ready.inventory.region
    if region.sandbox is not None:
        return None
    zones = [Path(folder) / region.timezone for folder in zoneinfo_path()]
    files = [str(path) for path in zones if path.is_file()][:1]
    return {path: _content(path) for path in files}


def zoneinfo_path() -> tuple[str, ...]:
    """Return where Python looks for time zones."""
    import zoneinfo  # only to keep, never to look

    return zoneinfo.TZPATH


def _nodes(ready: Plan) -> Kept:
    """Return what a look at the nodes needs, in the order they are reported in."""
    from chautari.prepare.supervisor import wanted
    from chautari.ssh.target import targets

    request, region = ready.request, ready.inventory.region
    reached = targets(ready.inventory, ready.endpoints, request.chosen(), request.identities)
    inputs = {node.node: ready.inputs_of(node) for node in ready.nodes}
    return {
        "targets": [
            vars(target)
            | {"known_hosts": str(target.known_hosts), "key": target.key and str(target.key)}
            for target in reached
        ],
        "wanted": [asdict(wanted(region, target.name)) for target in reached],
        "inputs": {
            name: [{key: role[key] for key in COMPARED} for role in roles]
            for name, roles in inputs.items()
        },
    }


def _target(kept: Kept) -> SSHTarget:
    key = kept["key"]
    paths_ = {"known_hosts": Path(kept["known_hosts"]), "key": Path(key) if key else None}
    return SSHTarget(**(kept | paths_))


def _report(kept: Kept, started: str) -> RegionReport:
    """Return the report of a region on which all is well, before its nodes."""
    return RegionReport(
        kept["region"], kept["domain"], started, kept["command"],
        services=[ServiceInfo(**item) for item in kept["services"]],
        doubles=[Double(**item) for item in kept["doubles"]],
        hints=kept["hints"],
    )  # fmt: skip
