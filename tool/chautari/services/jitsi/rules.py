"""Rules across the fields of a region with Jitsi Meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.language import _
from chautari.region.rule import Finding, Pins, Rule, field_path, placement_path
from chautari.services.jitsi.settings import Jitsi

if TYPE_CHECKING:
    from chautari.region.model import Region

CHECK_ACCOUNT = "chautari-check"


def check_members_can_start_a_meeting(region: Region, __: Pins) -> Iterator[Finding]:
    """Where only members start meetings, there are some; each has a name of its own."""
    jitsi = region.settings_of(Jitsi)
    path = field_path(region, "jitsi", "members")
    if jitsi.access == "members" and not jitsi.members:
        yield (
            path,
            _(
                "there are no members who can start a meeting; add at least one: jitsi: "
                "{members: [ana]}"
            ),
        )
    if jitsi.access == "open" and jitsi.members:
        yield path, _("`members` has no effect if access is open; remove one of these settings")
    for index, name in enumerate(jitsi.members):
        if name == CHECK_ACCOUNT:
            yield (*path, index), _("{name} is reserved for checks; choose another name", name=name)
        elif name in jitsi.members[:index]:
            yield (*path, index), _("{name} is already a member; choose another name", name=name)


def check_bridges_serve_a_meeting_node(region: Region, __: Pins) -> Iterator[Finding]:
    """A bridge forwards the media of meetings that another node arranges."""
    meeting = region.nodes_running("jitsi")
    for name in region.nodes_running("jitsi-bridge"):
        path = placement_path(region, "jitsi-bridge", name)
        if not meeting:
            yield (
                path,
                _("jitsi-bridge requires jitsi, but no node runs jitsi; add jitsi to a node"),
            )
        elif name in meeting:
            yield path, _("jitsi already includes a bridge; remove jitsi-bridge from this node")


def check_relays_need_another_bridge(region: Region, __: Pins) -> Iterator[Finding]:
    """A bridge on its own has nothing to relay to."""
    others = region.nodes_running("jitsi-bridge"), region.federation.lenders_of("jitsi-bridge")
    if region.settings_of(Jitsi).relays and not any(others):
        yield (
            ("services", "jitsi", "relays"),
            _(
                "with relays: true, a meeting uses several bridges, but the region has only "
                "one; add jitsi-bridge to another node, or write relays: false"
            ),
        )


RULES: tuple[Rule, ...] = (check_members_can_start_a_meeting, check_relays_need_another_bridge)
BRIDGE_RULES: tuple[Rule, ...] = (check_bridges_serve_a_meeting_node,)
