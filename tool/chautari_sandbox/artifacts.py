"""Where each upstream file comes from: a folder, the cache, upstream, or a double of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chautari.errors import BadInput
from chautari.region.polls import APPS
from chautari_sandbox import download
from chautari_sandbox.spec import WantedArtifact
from chautari_sandbox.state import Artifact, Missing

Builder = Callable[[str, Path], Path]
Fetcher = Callable[[WantedArtifact, Path], Path]
# Releases of services, in whose place a double may stand; apps of theirs have looser names.
RELEASES = ("nextcloud", *APPS)
UNPINNED = "no checksum is known for it; pin it in artifacts.lock, or give it with --mirror"


@dataclass(frozen=True)
class Sources:
    """All the places to look in, and the folder that the mirror serves (`mirror_root`)."""

    mirror: Path | None
    cache: Path
    doubles: Path
    mirror_root: Path
    url: str
    builders: Mapping[str, Builder]
    fetch: Fetcher = download.fetch


def resolve(
    wanted: Iterable[WantedArtifact], sources: Sources
) -> tuple[tuple[Artifact, ...], tuple[Missing, ...]]:
    """Put every file that can be had on the mirror_root, and nothing else."""
    if sources.mirror is not None and not sources.mirror.is_dir():
        raise BadInput(f"--mirror {sources.mirror}: there is no such folder")
    sources.mirror_root.mkdir(parents=True, exist_ok=True)
    results = [_one(item, sources) for item in wanted]
    artifacts = tuple(result for result in results if isinstance(result, Artifact))
    kept = {artifact.file for artifact in artifacts}
    for path in sources.mirror_root.iterdir():
        if path.is_file() and path.name not in kept:
            path.unlink()
    return artifacts, tuple(result for result in results if isinstance(result, Missing))


def _one(wanted: WantedArtifact, sources: Sources) -> Artifact | Missing:
    given = from_mirror(wanted, sources.mirror)
    if given is not None:
        path, version = given
        return _offer(wanted, sources, path, version, reason=f"given in {sources.mirror}")
    if not wanted.sha256:
        return _instead(wanted, sources, UNPINNED)
    cached = download.cached(wanted, sources.cache)
    try:
        path = cached or sources.fetch(wanted, sources.cache)
    except download.CannotFetch as refusal:
        return _instead(wanted, sources, refusal.message)
    return _offer(wanted, sources, path, wanted.version)


def _instead(wanted: WantedArtifact, sources: Sources, reason: str) -> Artifact | Missing:
    build = sources.builders.get(wanted.name)
    if build is None:
        return Missing(wanted.name, wanted.version, reason)
    path = build(wanted.version, sources.doubles)
    return _offer(wanted, sources, path, wanted.version, double=True, reason=reason)


def _offer(
    wanted: WantedArtifact,
    sources: Sources,
    path: Path,
    version: str,
    *,
    double: bool = False,
    reason: str = "",
) -> Artifact:
    served = download.place(path, sources.mirror_root / path.name)
    return Artifact(
        name=wanted.name,
        version=version,
        file=served.name,
        url=f"{sources.url}{served.name}",
        sha256=download.sha256(served),
        double=double,
        reason=reason,
    )


def from_mirror(wanted: WantedArtifact, mirror: Path | None) -> tuple[Path, str] | None:
    """The folder's file for an artifact, and its version: the exact name, else the newest."""
    if mirror is None:
        return None
    exact = mirror / wanted.file
    if exact.is_file():
        return exact, wanted.version
    pattern = _pattern(wanted.name)
    found = [
        (_order(match.group(1) or "0"), path, match.group(1) or "0")
        for path in mirror.iterdir()
        if path.is_file() and (match := pattern.fullmatch(path.name))
    ]
    return max(found)[1:] if found else None


def _pattern(name: str) -> re.Pattern[str]:
    if name in RELEASES:
        return re.compile(rf"{name}-(\d+(?:\.\d+)+)\.(?:tar\.bz2|tar\.gz|zip)")
    # Some upstreams put no version into the name; such a file comes after any that has one.
    return re.compile(rf"{re.escape(name)}(?:-v?([0-9][0-9A-Za-z.+-]*))?\.tar\.gz")


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
