"""Rules across the fields of services where people meet: Jitsi Meet and BigBlueButton."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from chautari.region import catalog
from chautari.region.guard import Path_
from chautari.region.model import Region
from chautari.region.rule import Finding, Pins, Rule, placing

CHECK_ACCOUNT = "chautari-check"


def somebody_can_start_a_meeting(region: Region, _: Pins) -> Iterator[Finding]:
    """Where members alone start meetings, a region without members would never meet."""
    if "jitsi" not in region.deployed_services():
        return
    jitsi = region.services.of_jitsi()
    path: Path_ = ("services", "jitsi", "members")
    if region.services.jitsi is None:
        path = placing(region, "jitsi")
    if jitsi.access == "members" and not jitsi.members:
        yield path, "nobody could start a meeting; name at least one: jitsi: {members: [ana]}"
    if jitsi.access == "open" and jitsi.members:
        yield path, "nobody logs in where access is open; take the members out, or the access"
    for index, name in enumerate(jitsi.members):
        if name == CHECK_ACCOUNT or name in jitsi.members[:index]:
            why = "belongs to the checks" if name == CHECK_ACCOUNT else "is a member already"
            yield (*path, index), f"{name} {why}; choose another name"


def bridges_serve_a_meeting_node(region: Region, _: Pins) -> Iterator[Finding]:
    """A bridge carries the media of meetings that another node arranges."""
    meeting = region.nodes_running("jitsi")
    for name in region.nodes_running("jitsi-bridge"):
        path = ("nodes", name, "services", region.nodes[name].services.index("jitsi-bridge"))
        if not meeting:
            yield path, "no node carries jitsi, which a bridge serves; add it to a node's list"
        elif name in meeting:
            yield path, "jitsi brings a bridge of its own; take jitsi-bridge out here"
    jitsi = region.services.jitsi
    if jitsi is not None and jitsi.relays and not region.nodes_running("jitsi-bridge"):
        yield (
            ("services", "jitsi", "relays"),
            "relays join several bridges, and there is one; add another node with jitsi-bridge",
        )


def bigbluebutton_fits_the_machine(region: Region, _: Pins) -> Iterator[Finding]:
    """Upstream builds each release line for one Ubuntu and for amd64 alone."""
    release = region.services.of_bigbluebutton().release
    os = catalog.BIGBLUEBUTTON_OS[release]
    for name in region.nodes_running("bigbluebutton"):
        node = region.nodes[name]
        if node.os != os:
            yield (
                ("nodes", name, "os"),
                f"BigBlueButton {release} stands on {os} alone, not on {node.os}; write os: {os} "
                "and install the machine with it",
            )
        if node.arch == "arm64":
            yield (
                ("nodes", name, "arch"),
                "BigBlueButton has no packages for arm64; choose a machine with an amd64 processor",
            )
        if ip_address(node.address).version != 4:
            yield (
                ("nodes", name, "address"),
                "BigBlueButton's media need an IPv4 address; write it in address and the other in "
                "address6",
            )


def bigbluebutton_stands_alone(region: Region, _: Pins) -> Iterator[Finding]:
    """It takes 443 for itself, half of all UDP ports, and every core while people meet."""
    for name in region.nodes_running("bigbluebutton"):
        others = [item for item in region.nodes[name].services if item != "bigbluebutton"]
        if others:
            yield (
                placing(region, "bigbluebutton", name),
                f"BigBlueButton needs a machine of its own, and {', '.join(others)} stands here "
                "too; move one of them to another node",
            )


def rooms_have_a_home(region: Region, _: Pins) -> Iterator[Finding]:
    """A server without rooms is an API that nobody calls."""
    if "bigbluebutton" not in region.deployed_services():
        return
    if region.services.of_bigbluebutton().rooms == "nextcloud" and not region.nodes_running(
        "nextcloud"
    ):
        path: Path_ = ("services", "bigbluebutton", "rooms")
        if region.services.bigbluebutton is None:
            path = placing(region, "bigbluebutton")
        yield (
            path,
            "people find their rooms in Nextcloud, and no node carries it; place nextcloud on a "
            "node, or write bigbluebutton: {rooms: none} when another program opens the meetings",
        )


def rooms_app_is_pinned(region: Region, pins: Pins) -> Iterator[Finding]:
    """Rooms need an app of Nextcloud, and an app is only ever unpacked when its checksum is known.

    A sandbox needs none: it installs what `--mirror` gives, or a double.
    """
    if "bigbluebutton" not in region.deployed_services() or region.sandbox is not None:
        return
    if region.services.of_bigbluebutton().rooms != "nextcloud":
        return
    for node in region.nodes_running("nextcloud"):
        chosen = region.services.of_nextcloud().version
        version = chosen or catalog.newest_for(region.nodes[node].os).version
        app = catalog.rooms_app(version, pins)
        if not app.sha256:
            yield (
                placing(region, "nextcloud", node),
                f"no checksum is known for {app.name} {app.version}, the app that carries the "
                f"rooms in Nextcloud {version}; fetch it over two different lines from {app.url}, "
                f"compare, and pin it in artifacts.lock: {app.name}: {{{app.version}: "
                "{url: …, sha256: …}}, or run Nextcloud 34",
            )


def bigbluebutton_settings_agree(region: Region, _: Pins) -> Iterator[Finding]:
    """Settings that do nothing, or contradict each other, are mistakes."""
    settings = region.services.bigbluebutton
    if settings is None:
        return
    if settings.version and not settings.version.startswith(f"{settings.release}."):
        yield (
            ("services", "bigbluebutton", "version"),
            f"{settings.version} is not of the line {settings.release}; write release: "
            f'"{settings.version[:3]}", which is another server, or a version {settings.release}.x',
        )
    if settings.consent and not settings.recordings:
        yield (
            ("services", "bigbluebutton", "consent"),
            "nothing is recorded, so nobody is asked; write recordings: true, or take consent out",
        )


MEETING_RULES: tuple[Rule, ...] = (
    somebody_can_start_a_meeting,
    bridges_serve_a_meeting_node,
    bigbluebutton_fits_the_machine,
    bigbluebutton_stands_alone,
    rooms_have_a_home,
    rooms_app_is_pinned,
    bigbluebutton_settings_agree,
)
