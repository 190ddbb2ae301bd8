"""Settings of Scalelite in `region.yml`."""

from __future__ import annotations

from pydantic import Field

from chautari.region.base import StrictModel
from chautari.region.field_types import ImageVersion


class Scalelite(StrictModel):
    """A pool of several BigBlueButton servers behind one DNS name."""

    version: ImageVersion | None = Field(
        default=None,
        description="Release to run; by default the newest pinned release.",
        examples=["1.8.5"],
    )
    overflow_load: int = Field(
        default=150,
        ge=1,
        le=10_000,
        strict=True,
        description="Load at which new meetings start on servers that peers lend. This happens "
        "when each of the region's own servers has at least this load. The load of a server is "
        "the number of people in its meetings. In its first 15 minutes, a meeting counts as at "
        "least 15 people.",
        examples=[100],
    )
