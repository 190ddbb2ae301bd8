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
