"""Settings of BigBlueButton in `region.yml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from chautari.region.base import StrictModel
from chautari.region.field_types import Domain, Label, Text


class BigBlueButton(StrictModel):
    """Video meetings for a hundred people and more, with slides, notes and recordings."""

    host: Label = Field(
        default="rooms",
        description="First part of the service's DNS name, before the region's domain.",
        examples=["rooms"],
    )
    release: Literal["3.0", "4.0"] = Field(
        default="3.0",
        description="Release line: 3.0 runs on ubuntu-22.04, 4.0 on ubuntu-24.04. To change to "
        "another release line, set up a new server.",
        examples=["3.0"],
    )
    version: str | None = Field(
        default=None,
        pattern=r"^[34]\.0\.[0-9]{1,3}$",
        description="Exact release to install; by default the newest release of the release line.",
        examples=["3.0.35"],
    )
    rooms: Literal["nextcloud", "greenlight", "none"] = Field(
        default="nextcloud",
        description="Where users find their rooms: in the region's Nextcloud, or in Greenlight on "
        "another node. Write `none` if another program calls the server's API.",
        examples=["nextcloud"],
    )
    guests: Literal["ask", "accept", "refuse"] = Field(
        default="ask",
        description="How guests are admitted. With `ask`, a moderator admits each guest. With "
        "`accept`, all guests are admitted. With `refuse`, no guests are admitted.",
        examples=["ask"],
    )
    welcome: Text | None = Field(
        default=None,
        description="Welcome text in the chat. The default text is in the region's first language, "
        "or in English.",
        examples=["Welcome! Please switch your microphone off while others speak."],
    )
    recordings: bool = Field(
        default=False,
        strict=True,
        description="Whether moderators can record meetings. Recordings are processed at night.",
        examples=[True],
    )
    keep_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        strict=True,
        description="Number of days after which a published recording is deleted.",
        examples=[90],
    )
    consent: Text | None = Field(
        default=None,
        description="Text that people see in the chat of every meeting if `recordings` is `true`. "
        "The default text is in the region's first language, or in English.",
        examples=["This meeting may be recorded. Leave the meeting if you do not agree."],
    )
    embedded_in: tuple[Domain, ...] = Field(
        default=(),
        description="Domains of other web sites that can show meetings in a frame. Sites of the "
        "region itself can always do this.",
        examples=[["school.example.org"]],
    )
    office: Literal["soffice", "docker"] = Field(
        default="soffice",
        description="Program that converts office files to slides. `soffice` is the system's "
        "LibreOffice, sandboxed by systemd. `docker` is upstream's container. Upstream supports "
        "only the container.",
        examples=["soffice"],
    )
