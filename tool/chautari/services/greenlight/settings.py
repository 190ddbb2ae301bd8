"""Settings of Greenlight in `region.yml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from chautari.region.base import StrictModel
from chautari.region.field_types import Email, ImageVersion, Label


class Greenlight(StrictModel):
    """Website for BigBlueButton rooms, with its own user accounts; it runs in a container."""

    host: Label = Field(
        default="lobby",
        description="First part of the service's DNS name, before the region's domain.",
        examples=["lobby"],
    )
    version: ImageVersion | None = Field(
        default=None,
        description="Release to run; by default the newest pinned release.",
        examples=["3.8.2.4"],
    )
    registration: Literal["invite", "approval", "open"] = Field(
        default="invite",
        description="Who gets an account: invited people (`invite`), people whom an administrator "
        "approves (`approval`), or everyone (`open`).",
        examples=["approval"],
    )
    admin: Email | None = Field(
        default=None,
        description="Mail address with which the first administrator logs in; by default, the "
        "region's `contact`.",
        examples=["ana@andes.example.org"],
    )
