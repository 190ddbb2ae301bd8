"""Settings of Nextcloud in `region.yml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from chautari.region.base import StrictModel
from chautari.region.field_types import Label, Size, Version

NextcloudApp = Literal["calendar", "contacts", "deck", "tasks"]


class Nextcloud(StrictModel):
    """Files, calendars and contacts."""

    host: Label = Field(
        default="cloud",
        description="First part of the service's DNS name, before the region's domain.",
        examples=["cloud"],
    )
    version: Version | None = Field(
        default=None,
        description="Release to run; by default the newest pinned release that the node's OS "
        "supports.",
        examples=["35.0.1"],
    )
    quota: Size = Field(
        default="5 GB", description="Storage that each new account gets.", examples=["5 GB"]
    )
    apps: tuple[NextcloudApp, ...] = Field(
        default=("calendar", "contacts", "deck", "tasks"),
        description="Apps to install in addition to those that Nextcloud includes.",
        examples=[["calendar", "contacts"]],
    )
