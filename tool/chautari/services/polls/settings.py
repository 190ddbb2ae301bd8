"""Settings of the poll service in `region.yml`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.json_schema import WithJsonSchema

from chautari.region.base import StrictModel
from chautari.region.field_types import Label, Version
from chautari.services.polls.poll_apps import APPS, validate_app_name

PollAppName = Annotated[
    str,
    AfterValidator(validate_app_name),
    WithJsonSchema({"type": "string", "enum": list(APPS)}),
]


class Polls(StrictModel):
    """Votes on dates and other choices, for people with and without an account."""

    app: PollAppName = Field(
        default="framadate",
        description="App that provides the polls. If you choose a different app, the DNS name "
        "and the `services` lists of the nodes stay the same.",
        examples=["framadate"],
    )
    host: Label = Field(
        default="polls",
        description="First part of the service's DNS name, before the region's domain.",
        examples=["polls"],
    )
    version: Version | None = Field(
        default=None,
        description="Release to run; by default, the newest known release. The release must be "
        "pinned in `artifacts.lock`.",
        examples=["1.1.19"],
    )
    keep_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        strict=True,
        description="Number of days for which a poll is kept after its expiry date. After that, "
        "the poll and its votes are deleted.",
        examples=[30],
    )
    admin_from_outside: bool = Field(
        default=False,
        strict=True,
        description="Whether the administration page is reachable from outside the node. The page "
        "always requires a login.",
        examples=[False],
    )
