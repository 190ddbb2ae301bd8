"""Compare the releases that a region installs with those that upstream has published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypedDict

from chautari.deploy.release_cache import ReleaseCache
from chautari.parallel import map_parallel
from chautari.region.load import LoadedRegion
from chautari.render.context import NodeContext
from chautari.render.provider import known_endpoints
from chautari.services.artifacts import version_key
from chautari.services.base import Service
from chautari.services.release_tags import ReleaseTags


class OutdatedRelease(TypedDict):
    """An installed release with newer ones; a series is all releases with one first number."""

    name: str
    version: str
    nodes: list[str]
    newest_of_series: str
    newest: str
    source: str


class UncheckedRelease(TypedDict):
    """A release whose list could not be read, with the code of the reason."""

    name: str
    version: str
    source: str
    reason: str


class ReleaseComparison(TypedDict):
    """What is newer than a region's releases; `outdated` is None where nothing may be asked."""

    outdated: list[OutdatedRelease] | None
    releases_unknown: list[UncheckedRelease]


class _InstalledRelease(NamedTuple):
    """A release that a region installs, on which nodes, and upstream's tags of it."""

    tags: ReleaseTags
    version: str
    nodes: tuple[str, ...]


def compare_with_upstream(loaded_region: LoadedRegion) -> ReleaseComparison:
    """Return which of the region's releases have newer ones; servers answer or are left out."""
    if not loaded_region.region.ask_upstream:
        return {"outdated": None, "releases_unknown": []}
    installed = list(_releases_of_region(loaded_region))
    cache = ReleaseCache.load()
    answers = map_parallel(
        lambda item: cache.fetch_newer_versions(item.tags, item.version), installed
    )
    cache.save()
    outdated: list[OutdatedRelease] = []
    unknown: list[UncheckedRelease] = []
    for item, answer in zip(installed, answers, strict=True):
        if answer.reason:
            unknown.append(
                {
                    "name": item.tags.name,
                    "version": item.version,
                    "source": item.tags.repository,
                    "reason": answer.reason,
                }
            )
        elif answer.versions:
            outdated.append(_outdated_release(item, answer.versions))
    return {"outdated": outdated, "releases_unknown": unknown}


def _outdated_release(item: _InstalledRelease, newer: Iterable[str]) -> OutdatedRelease:
    return {
        "name": item.tags.name,
        "version": item.version,
        "nodes": list(item.nodes),
        "newest_of_series": newest_of_series(item.version, newer),
        "newest": max(newer, key=version_key),
        "source": item.tags.repository,
    }


def newest_of_series(version: str, newer: Iterable[str]) -> str:
    """Return the newest release with the same first number as `version`, or `version` itself."""
    first = version_key(version)[0]
    same = [item for item in newer if version_key(item)[0] == first]
    return max((version, *same), key=version_key)


def _releases_of_region(loaded_region: LoadedRegion) -> Iterator[_InstalledRelease]:
    """Yield each release once, with the nodes that it is installed on."""
    endpoints, region = known_endpoints(loaded_region), loaded_region.region
    nodes: dict[tuple[ReleaseTags, str], list[str]] = {}
    for node in region.nodes:
        context = NodeContext(loaded_region, endpoints, node)
        for service in region.services_of(node):
            versions = _versions_by_name(service, context)
            for tags in service.release_tags:
                if tags.name in versions:
                    nodes.setdefault((tags, versions[tags.name]), []).append(node)
    for (tags, version), names in nodes.items():
        yield _InstalledRelease(tags, version, tuple(names))


def _versions_by_name(service: Service, context: NodeContext) -> dict[str, str]:
    """Return the versions of a service and of the archives that it is installed from."""
    found = (
        {item.name: item.version for item in service.artifacts(context)}
        if service.artifacts
        else {}
    )
    if service.access_details_for_report is not None:
        found[service.role_and_artifact_name] = service.access_details_for_report(context).version
    return found
