"""What every part of the model has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """One mapping of `region.yml`: frozen, and closed to keys that are not known."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_by_name=False,
        validate_by_alias=True,
        defer_build=True,  # a part is built within its region, hardly ever by itself
    )
