"""An additional video bridge of Jitsi Meet, on its own node."""

from __future__ import annotations

from chautari.language import N_
from chautari.services.base import Service
from chautari.services.jitsi import capacity, variables
from chautari.services.jitsi.lending import LENDING, bridge_borrower_password_variables
from chautari.services.jitsi.packages import PACKAGES
from chautari.services.jitsi.rules import BRIDGE_RULES
from chautari.services.jitsi.secrets import BRIDGE_PASSWORD, KEY
from chautari.services.logs_and_commands import LogsAndCommands, NodeCommand
from chautari.services.state import State

# The bridge's private interface; a bridge needs no program that fetches pages.
_PRINT_STATS = (
    "from urllib.request import urlopen as get;"
    "print(get('http://127.0.0.1:8080/colibri/stats', timeout=10).read().decode())"
)

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
    capacity=capacity.capacity_limits,
    logs_and_commands=LogsAndCommands(
        units=("jitsi-videobridge2.service",),
        files=("/var/log/jitsi/jvb.log",),
        commands={
            "bridge-stats": NodeCommand(
                ("python3", "-I", "-c", _PRINT_STATS),
                N_("show the meetings and the load of the bridge"),
            ),
        },
    ),
    lending=LENDING,
    peer_secret_variables=bridge_borrower_password_variables,
)
