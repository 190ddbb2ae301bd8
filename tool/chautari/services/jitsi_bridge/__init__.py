"""An additional video bridge of Jitsi Meet, on its own node."""

from __future__ import annotations

from chautari.services.base import Service
from chautari.services.jitsi import capacity, variables
from chautari.services.jitsi.lending import LENDING, bridge_peer_secret_variables
from chautari.services.jitsi.packages import PACKAGES
from chautari.services.jitsi.rules import BRIDGE_RULES
from chautari.services.jitsi.secrets import BRIDGE_PASSWORD, KEY
from chautari.services.state import State

SERVICE = Service(
    name="jitsi-bridge",
    title="Video bridge of Jitsi Meet",
    summary="an additional video bridge for larger meetings",
    page="jitsi",
    roles=("repository", "videobridge"),
    state=State(reason="a video bridge keeps no data"),
    packages=PACKAGES,
    secrets=(BRIDGE_PASSWORD, KEY),
    secret_variables=variables.bridge_secret_variables,
    variables={"videobridge": variables.videobridge_variables},
    rules=BRIDGE_RULES,
    capacity=capacity.limits,
    lending=LENDING,
    peer_secret_variables=bridge_peer_secret_variables,
)
