"""Rules across the fields of a region with Jitsi Meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.region.rule import Finding, Pins, Rule, field_path, service_path
from chautari.services.jitsi.settings import Jitsi

if TYPE_CHECKING:
    from chautari.region.model import Region

CHECK_ACCOUNT = "chautari-check"


def check_members_can_start_a_meeting(region: Region, _: Pins) -> Iterator[Finding]:
    """Where only members start meetings, there are some; each has a name of its own."""
    jitsi = region.settings_of(Jitsi)
    path = field_path(region, "jitsi", "members")
    if jitsi.access == "members" and not jitsi.members:
        yield path, "no member can start a meeting; name at least one: jitsi: {members: [ana]}"
    if jitsi.access == "open" and jitsi.members:
        yield path, "`members` has no effect where access is open; remove one of the two"
    for index, name in enumerate(jitsi.members):
        if name == CHECK_ACCOUNT or name in jitsi.members[:index]:
            why = "belongs to the checks" if name == CHECK_ACCOUNT else "is a member already"
            yield (*path, index), f"{name} {why}; choose another name"


def check_bridges_serve_a_meeting_node(region: Region, _: Pins) -> Iterator[Finding]:
    """A bridge forwards the media of meetings that another node arranges."""
    meeting = region.nodes_running("jitsi")
    for name in region.nodes_running("jitsi-bridge"):
        path = service_path(region, "jitsi-bridge", name)
        if not meeting:
            yield (
                path,
                "a bridge requires jitsi, which no node runs; add jitsi to a node's services",
            )
        elif name in meeting:
            yield path, "jitsi has its own bridge; remove jitsi-bridge from this node"


def check_relays_need_another_bridge(region: Region, _: Pins) -> Iterator[Finding]:
    """A bridge on its own has nothing to relay to."""
    if region.settings_of(Jitsi).relays and not region.nodes_running("jitsi-bridge"):
        yield (
            ("services", "jitsi", "relays"),
            "relays connect several bridges, but there is only one; add another node with "
            "jitsi-bridge",
        )


RULES: tuple[Rule, ...] = (check_members_can_start_a_meeting, check_relays_need_another_bridge)
BRIDGE_RULES: tuple[Rule, ...] = (check_bridges_serve_a_meeting_node,)
