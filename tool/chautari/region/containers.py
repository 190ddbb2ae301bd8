"""Rules across the fields of services that run in containers: Greenlight and Scalelite."""

from __future__ import annotations

from collections.abc import Iterator

from chautari.region.guard import Path_
from chautari.region.images import IMAGES, chosen
from chautari.region.model import Region
from chautari.region.rule import Finding, Pins, Rule, placing


def _path(region: Region, service: str, field: str) -> Path_:
    if getattr(region.services, service) is None:
        return placing(region, service)
    return ("services", service, field)


def images_are_pinned(region: Region, pins: Pins) -> Iterator[Finding]:
    """An image is only ever run when its digest was known before; a sandbox runs a double."""
    for service, upstream in IMAGES.items():
        if not region.nodes_running(service) or region.sandbox is not None:
            continue
        wanted = chosen(service, getattr(region.services.of(service), "version", None), pins)
        if not wanted.sha256:
            yield (
                _path(region, service, "version"),
                f"no digest is known for {upstream.title} {wanted.version}; ask for it over two "
                f"different lines: skopeo inspect docker://{upstream.tagged(wanted.version)}, "
                f"compare, and pin it in artifacts.lock: {service}: {{{wanted.version}: "
                f"{{image: {upstream.image}, sha256: 64 hexadecimal digits}}}}",
            )


def containers_stand_on_debian(region: Region, _: Pins) -> Iterator[Finding]:
    """The container engine is Debian's own."""
    for service in IMAGES:
        for name in region.nodes_running(service):
            if not region.nodes[name].os.startswith("debian-"):
                yield (
                    ("nodes", name, "os"),
                    f"{service} runs in Debian's container engine; write os: debian-13",
                )


def containers_stand_apart(region: Region, _: Pins) -> Iterator[Finding]:
    """They ask Redis with a password over the loopback; Nextcloud's Redis has neither."""
    for service in IMAGES:
        for name in region.nodes_running(service):
            if "nextcloud" in region.nodes[name].services:
                yield (
                    placing(region, service, name),
                    f"{service} needs a Redis of its own, and Nextcloud stands here too; move one "
                    "of them to another node",
                )


def servers_and_rooms_agree(region: Region, _: Pins) -> Iterator[Finding]:
    """Rooms without a server, a pool without servers, or a home that nobody carries."""
    for service in IMAGES:
        if region.nodes_running(service) and not region.nodes_running("bigbluebutton"):
            yield (
                placing(region, service),
                f"{service} serves BigBlueButton, and no node carries it; add bigbluebutton to one",
            )
    rooms = region.services.of_bigbluebutton().rooms
    here = bool(region.nodes_running("greenlight"))
    if "bigbluebutton" in region.deployed_services() and rooms == "greenlight" and not here:
        yield (
            ("services", "bigbluebutton", "rooms"),
            "people find their rooms in Greenlight, and no node carries it; place greenlight on a "
            "node with Debian",
        )
    if here and rooms != "greenlight":
        yield (
            placing(region, "greenlight"),
            f"the rooms are in {rooms}; write bigbluebutton: {{rooms: greenlight}}, or take "
            "greenlight out here",
        )


def pool_records_nothing(region: Region, _: Pins) -> Iterator[Finding]:
    """Recordings of several servers would have to be carried to one place; that is not built."""
    if region.pooled and region.services.of_bigbluebutton().recordings:
        yield (
            ("services", "bigbluebutton", "recordings"),
            "recordings of a pool stay on the server that made them and nobody would find them; "
            "write recordings: false, or keep one server without scalelite",
        )


CONTAINER_RULES: tuple[Rule, ...] = (
    images_are_pinned,
    containers_stand_on_debian,
    containers_stand_apart,
    servers_and_rooms_agree,
    pool_records_nothing,
)
