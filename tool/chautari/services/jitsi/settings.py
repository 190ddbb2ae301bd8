"""Settings of Jitsi Meet in `region.yml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from chautari.region.base import StrictModel
from chautari.region.field_types import Domain, Label, Name


class Jitsi(StrictModel):
    """Video meetings."""

    host: Label = Field(
        default="meet",
        description="First part of the service's DNS name, before the region's domain.",
        examples=["meet"],
    )
    version: str | None = Field(
        default=None,
        pattern=r"^2\.0\.[0-9]{4,6}$",
        description="Release of the package `jitsi-meet`; by default the release that this "
        "version of Chautari was tested with.",
        examples=["2.0.11248"],
    )
    access: Literal["members", "open"] = Field(
        default="members",
        description="Who can start a meeting. With `members`, members log in, and guests wait for "
        "a member. With `open`, anyone can start a meeting.",
        examples=["members"],
    )
    members: tuple[Name, ...] = Field(
        default=(),
        description="Names of the people who can start meetings if `access` is `members`. The "
        "password of each member is the secret `jitsi_member_NAME`.",
        examples=[["ana", "luz"]],
    )
    relays: bool = Field(
        default=False,
        description="Whether one meeting can use several bridges, which then forward media to each "
        "other. This requires nodes with `jitsi-bridge`.",
        examples=[True],
    )
    embedded_in: tuple[Domain, ...] = Field(
        default=(),
        description="Domains of other web sites that can show meetings in a frame. Sites of the "
        "region itself can always do this.",
        examples=[["school.example.org"]],
    )
