"""Publishes upstream's files on the mirror: from a folder, the cache, upstream, or as doubles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from chautari.errors import BadInput
from chautari.language import Text, _
from chautari.services.registry import SERVICES
from chautari_sandbox import download
from chautari_sandbox.spec import RequiredArtifact
from chautari_sandbox.state import MirroredArtifact, UnavailableArtifact

Builder = Callable[[str, Path], Path]
Fetcher = Callable[[RequiredArtifact, Path], Path]
# Releases of services, in whose place a double may stand; apps of theirs have looser names.
RELEASES = {role.name for service in SERVICES.values() for role in service.own_roles}
UNPINNED: Text = (
    "no checksum is pinned for this version; pin one in artifacts.lock, or provide the file with "
    "--mirror DIR"
)


@dataclass(frozen=True)
class ArtifactSources:
    """Where files come from, and the folder that the mirror serves (`mirror_root`)."""

    mirror: Path | None
    cache: Path
    doubles: Path
    mirror_root: Path
    url: str
    builders: Mapping[str, Builder]
    fetch: Fetcher = download.fetch_into_cache


def sync_published_files(
    wanted: Iterable[RequiredArtifact], sources: ArtifactSources
) -> tuple[tuple[MirroredArtifact, ...], tuple[UnavailableArtifact, ...]]:
    """Make the mirror hold every file that can be had and no other; return both kinds."""
    if sources.mirror is not None and not sources.mirror.is_dir():
        raise BadInput(_("--mirror {mirror}: the folder does not exist", mirror=sources.mirror))
    sources.mirror_root.mkdir(parents=True, exist_ok=True)
    results = [
        replace(result, older=item.older) if isinstance(result, MirroredArtifact) else result
        for item in wanted
        if (result := _publish_artifact(item, sources))
        and _satisfies_required_version(item, result)
    ]
    artifacts = tuple(result for result in results if isinstance(result, MirroredArtifact))
    published = {artifact.file for artifact in artifacts}
    for path in sources.mirror_root.iterdir():
        if path.is_file() and path.name not in published:
            path.unlink()
    return artifacts, tuple(result for result in results if isinstance(result, UnavailableArtifact))


def _satisfies_required_version(
    artifact: RequiredArtifact, published: MirroredArtifact | UnavailableArtifact
) -> bool:
    """Return whether a file counts: an older release only in exactly the version."""
    return not artifact.older or (
        isinstance(published, MirroredArtifact) and published.version == artifact.version
    )


def _publish_artifact(
    artifact: RequiredArtifact, sources: ArtifactSources
) -> MirroredArtifact | UnavailableArtifact:
    mirrored = find_in_mirror(artifact, sources.mirror)
    if mirrored is not None:
        path, version = mirrored
        return _copy_to_mirror(
            artifact,
            sources,
            path,
            version,
            reason=_("from the folder {mirror}", mirror=sources.mirror),
        )
    if not artifact.sha256:
        return _publish_double(artifact, sources, _(UNPINNED))
    cached = download.find_cached_file(artifact, sources.cache)
    try:
        path = cached or sources.fetch(artifact, sources.cache)
    except download.CannotFetch as refusal:
        return _publish_double(artifact, sources, refusal.message)
    return _copy_to_mirror(artifact, sources, path, artifact.version)


def _publish_double(
    artifact: RequiredArtifact, sources: ArtifactSources, reason: str
) -> MirroredArtifact | UnavailableArtifact:
    build = sources.builders.get(artifact.name)
    if build is None:
        return UnavailableArtifact(artifact.name, artifact.version, reason)
    path = build(artifact.version, sources.doubles)
    return _copy_to_mirror(artifact, sources, path, artifact.version, double=True, reason=reason)


def _copy_to_mirror(
    artifact: RequiredArtifact,
    sources: ArtifactSources,
    path: Path,
    version: str,
    *,
    double: bool = False,
    reason: str = "",
) -> MirroredArtifact:
    served = download.ensure_mirror_copy(path, sources.mirror_root / path.name)
    return MirroredArtifact(
        name=artifact.name,
        version=version,
        file=served.name,
        url=f"{sources.url}{served.name}",
        sha256=download.file_sha256(served),
        double=double,
        reason=reason,
    )


def find_in_mirror(artifact: RequiredArtifact, mirror: Path | None) -> tuple[Path, str] | None:
    """Return the folder's file for an artifact and its version: the exact name, else the newest."""
    if mirror is None:
        return None
    exact = mirror / artifact.file
    if exact.is_file():
        return exact, artifact.version
    pattern = _file_name_pattern(artifact.name)
    found = [
        (_version_key(match.group(1) or "0"), path, match.group(1) or "0")
        for path in mirror.iterdir()
        if path.is_file() and (match := pattern.fullmatch(path.name))
    ]
    return max(found)[1:] if found else None


def _file_name_pattern(name: str) -> re.Pattern[str]:
    if name in RELEASES:
        return re.compile(rf"{name}-(\d+(?:\.\d+)+)\.(?:tar\.bz2|tar\.gz|zip)")
    # Some upstreams put no version into the name; such a file comes after any that has one.
    return re.compile(rf"{re.escape(name)}(?:-v?([0-9][0-9A-Za-z.+-]*))?\.tar\.gz")


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
