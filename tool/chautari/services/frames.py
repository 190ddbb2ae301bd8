"""Which web sites can show the pages of a service in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chautari.region.model import Region


def frame_ancestors(region: Region, others: Sequence[str]) -> list[str]:
    """Return the sites of the region and the domains `others`, as a browser reads them.

    Without such a list, a hostile page could show a meeting below buttons of its own, and people
    would switch a camera on without seeing it.
    """
    own = (region.domain, f"*.{region.domain}")
    return [f"https://{domain}" for domain in dict.fromkeys((*own, *others))]
