"""Federation in the double of Nextcloud: two servers of it on one node, with its own PHP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import Proof

pytestmark = pytest.mark.containers
SCRIPT = Path(__file__).with_name("two_servers.py")
OK, PENDING, FAILURE, ACCESS_REVOKED = 1, 2, 3, 4


@pytest.fixture(scope="module")
def found(deployed: Proof) -> dict[str, Any]:
    printed = deployed.run_with_input("cloud", SCRIPT.read_text(), "python3", "-")
    answer: dict[str, Any] = json.loads(printed)
    return answer


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        # An address without a server, one without a protocol, a good one, and the same again.
        ("add", [404, 404, 200, 409]),
        ("refused", [1, [PENDING], True]),
        ("exchanged", [[PENDING], [PENDING]]),
        ("jobs left", [0, 0, 0, 0]),
        ("synchronised", [[OK], [OK]]),
        ("accepted", [200, 200, "from the Andes"]),
        ("read only", 403),
        ("revoked", [200, 404]),
        ("asked", [404, 200, "from the Andes"]),
        ("unknown account", 403),
        ("incoming off", 403),
        ("unsigned", [400, "instance is supposed to sign its request"]),
        ("away", [200, [FAILURE], 1]),
        ("gone", 404),
        ("withdrawn", [[200, 404], [ACCESS_REVOKED]]),
        ("knocks", [403] * 10 + [429]),
    ],
)
def test_two_doubles_federate_as_nextcloud_does(
    found: dict[str, Any], step: str, outcome: object
) -> None:
    assert found[step] == outcome
