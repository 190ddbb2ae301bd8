"""Where a role's variables are computed for: a node of a region in its surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chautari.region.load import Inventory
from chautari.region.model import Region
from chautari.render.endpoints import Endpoints

Variables = dict[str, Any]


@dataclass(frozen=True)
class NodeContext:
    """What a role's variables are computed from."""

    inventory: Inventory
    endpoints: Endpoints
    node: str

    @property
    def region(self) -> Region:
        """Return the node's region."""
        return self.inventory.region

    @property
    def check_emails(self) -> dict[str, str]:
        """Return the addresses that the checks give as their own, by service."""
        domain = self.region.domain
        return {"nextcloud": f"chautari-check@{domain}", "polls": f"chautari-polls@{domain}"}
