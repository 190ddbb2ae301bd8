"""Variables of the role `repository`: where the packages of a node's services come from."""

from __future__ import annotations

from dataclasses import replace

from chautari.region import packages
from chautari.region.packages import Repository
from chautari.render.context import NodeContext, Variables


def jitsi_version(context: NodeContext) -> str:
    """Return the release of Jitsi Meet: the region's choice, or the one that is known to work."""
    chosen: str | None = context.region.services.of_jitsi().version
    return chosen or packages.JITSI_VERSION


def bigbluebutton_version(context: NodeContext) -> str:
    """Return the release of BigBlueButton: the region's choice, or the newest that was known."""
    settings = context.region.services.of_bigbluebutton()
    return settings.version or packages.BIGBLUEBUTTON_VERSIONS[settings.release]


def repository(context: NodeContext) -> Variables:
    """Return the repositories of the node's services, and the releases they are held at."""
    return {"repository_sources": [_source(item) for item in _of_node(context)]}


def _of_node(context: NodeContext) -> list[Repository]:
    services, found = context.region.nodes[context.node].services, list[Repository]()
    if {"jitsi", "jitsi-bridge"} & set(services):
        source = context.endpoints.repositories.get("jitsi", packages.JITSI)
        bundle = packages.JITSI.bundle
        found.append(replace(source, bundle=bundle, release=f"{jitsi_version(context)}-1"))
    if "bigbluebutton" in services:
        settings = context.region.services.of_bigbluebutton()
        double = context.endpoints.repositories.get("bigbluebutton")
        real = packages.bigbluebutton(settings.release, settings.version)
        found += [double] if double else real
    return found


def _source(item: Repository) -> Variables:
    return {
        "name": item.name,
        "uri": item.uri,
        "suite": item.suite,
        "components": list(item.components),
        "key_url": item.key_url,
        "fingerprints": list(item.fingerprints),
        "bundle": item.bundle,
        "version": item.release,
    }
