"""The node that variables are computed for, with its region and its endpoints."""

from __future__ import annotations

from typing import NamedTuple

from chautari.region.load import LoadedRegion
from chautari.region.model import Region
from chautari.render.endpoints import Endpoints
from chautari.services.base import Variables
from chautari.services.registry import SERVICES

__all__ = ["NodeContext", "Variables"]


class NodeContext(NamedTuple):
    """What a role's variables are computed from."""

    loaded_region: LoadedRegion
    endpoints: Endpoints
    node: str

    @property
    def region(self) -> Region:
        """Return the node's region."""
        return self.loaded_region.region

    @property
    def emails_for_checks(self) -> dict[str, str]:
        """Return the mail addresses that the checks use as their own, by service."""
        return {
            name: f"{service.check_mailbox}@{self.region.domain}"
            for name, service in SERVICES.items()
            if service.check_mailbox
        }
