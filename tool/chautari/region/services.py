"""The settings of a region's services, one class each, and the collection of them.

A part of the model (see `model`): the same rules hold for its fields.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.json_schema import WithJsonSchema

from chautari.region import polls
from chautari.region.base import StrictModel
from chautari.region.field_types import Email, ImageVersion, Label, Name, Size, Text, Version

NextcloudApp = Literal["calendar", "contacts", "deck", "tasks"]
PollAppName = Annotated[
    str,
    AfterValidator(polls.check_app),
    WithJsonSchema({"type": "string", "enum": list(polls.APPS)}),
]


class Nextcloud(StrictModel):
    """Files, calendars and contacts."""

    host: Label = Field(
        default="cloud",
        description="Host label in front of the region's domain.",
        examples=["cloud"],
    )
    version: Version | None = Field(
        default=None,
        description="Release to run; without it the newest pinned one that the node's OS carries.",
        examples=["35.0.1"],
    )
    quota: Size = Field(
        default="5 GB", description="Storage each account gets at first.", examples=["5 GB"]
    )
    apps: tuple[NextcloudApp, ...] = Field(
        default=("calendar", "contacts", "deck", "tasks"),
        description="Apps installed beside the release's own.",
        examples=[["calendar", "contacts"]],
    )


class Polls(StrictModel):
    """Polls about dates and other choices, for people with and without an account."""

    app: PollAppName = Field(
        default="framadate",
        description="App that carries the polls; node lists and names stay when it changes.",
        examples=["framadate"],
    )
    host: Label = Field(
        default="polls",
        description="Host label in front of the region's domain.",
        examples=["polls"],
    )
    version: Version | None = Field(
        default=None,
        description="Release to run, pinned in `artifacts.lock`; without it the newest known one.",
        examples=["1.1.19"],
    )
    keep_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        strict=True,
        description="Days a poll stays after its last day; then it is deleted with its votes.",
        examples=[30],
    )
    admin_from_outside: bool = Field(
        default=False,
        strict=True,
        description="Whether the administration, always behind a login, answers outside the node.",
        examples=[False],
    )


class Jitsi(StrictModel):
    """Video meetings."""

    host: Label = Field(
        default="meet",
        description="Host label in front of the region's domain.",
        examples=["meet"],
    )
    version: str | None = Field(
        default=None,
        pattern=r"^2\.0\.[0-9]{4,6}$",
        description="Release of the package `jitsi-meet`; without it the one this toolkit knows.",
        examples=["2.0.11248"],
    )
    access: Literal["members", "open"] = Field(
        default="members",
        description="Who starts a meeting: `members` log in and guests wait for one of them; "
        "`open` lets anyone.",
        examples=["members"],
    )
    members: tuple[Name, ...] = Field(
        default=(),
        description="Who may start meetings when `access` is `members`; each has a password "
        "among the region's secrets, `jitsi_member_NAME`.",
        examples=[["ana", "luz"]],
    )
    relays: bool = Field(
        default=False,
        description="Lets one meeting use several bridges, which pass media on to each other; "
        "needs nodes with `jitsi-bridge`.",
        examples=[True],
    )


class BigBlueButton(StrictModel):
    """Video meetings of a hundred people and more, with slides, notes and recordings."""

    host: Label = Field(
        default="rooms",
        description="Host label in front of the region's domain.",
        examples=["rooms"],
    )
    release: Literal["3.0", "4.0"] = Field(
        default="3.0",
        description="Release line: 3.0 stands on ubuntu-22.04, 4.0 on ubuntu-24.04. Another line "
        "is another server.",
        examples=["3.0"],
    )
    version: str | None = Field(
        default=None,
        pattern=r"^[34]\.0\.[0-9]{1,3}$",
        description="One release to stay at; without it the newest of the line.",
        examples=["3.0.35"],
    )
    rooms: Literal["nextcloud", "greenlight", "none"] = Field(
        default="nextcloud",
        description="Where people find their rooms: in the region's Nextcloud, in Greenlight on a "
        "node of its own, or `none` when another program calls the server's API.",
        examples=["nextcloud"],
    )
    guests: Literal["ask", "accept", "refuse"] = Field(
        default="ask",
        description="What becomes of guests at the door: a moderator is asked, all may come in, "
        "or none.",
        examples=["ask"],
    )
    welcome: Text | None = Field(
        default=None,
        description="Text that greets people in the chat; without it one in the region's language.",
        examples=["Welcome! Please switch your microphone off while others speak."],
    )
    recordings: bool = Field(
        default=False,
        strict=True,
        description="Whether moderators may record; recordings are made up at night.",
        examples=[True],
    )
    keep_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        strict=True,
        description="Days a published recording stays; then it is deleted.",
        examples=[90],
    )
    consent: Text | None = Field(
        default=None,
        description="Text that people read before a meeting that can be recorded; without it one "
        "in the region's language.",
        examples=["This meeting may be recorded. Leave it if you do not agree."],
    )
    office: Literal["soffice", "docker"] = Field(
        default="soffice",
        description="What turns office files into slides: LibreOffice of the system, shut in by "
        "systemd, or upstream's container, which needs Docker and is all that upstream supports.",
        examples=["soffice"],
    )


class Greenlight(StrictModel):
    """Rooms of BigBlueButton with accounts of their own, in a container."""

    host: Label = Field(
        default="lobby",
        description="Host label in front of the region's domain.",
        examples=["lobby"],
    )
    version: ImageVersion | None = Field(
        default=None,
        description="Release to run; without it the newest that is pinned.",
        examples=["3.8.2.4"],
    )
    registration: Literal["invite", "approval", "open"] = Field(
        default="invite",
        description="Who gets an account: those who were invited, those whom an administrator "
        "lets in, or everybody.",
        examples=["approval"],
    )
    admin: Email | None = Field(
        default=None,
        description="Login of the first administrator; the region's contact when not set.",
        examples=["ana@andes.example.org"],
    )


class Scalelite(StrictModel):
    """Makes a pool of several BigBlueButton servers, which answers under their common name."""

    version: ImageVersion | None = Field(
        default=None,
        description="Release to run; without it the newest that is pinned.",
        examples=["1.8.5"],
    )


Service = Nextcloud | Polls | Jitsi | BigBlueButton | Greenlight | Scalelite


class Services(StrictModel):
    """Settings of the region's services; a service is placed by naming it on a node."""

    nextcloud: Nextcloud | None = Field(
        default=None,
        description="Nextcloud: files, calendars and contacts.",
        examples=[{"host": "cloud", "quota": "5 GB"}],
    )
    polls: Polls | None = Field(
        default=None,
        description="Polls about dates and other choices.",
        examples=[{"app": "framadate", "host": "polls"}],
    )
    jitsi: Jitsi | None = Field(
        default=None,
        description="Jitsi Meet: video meetings in the browser.",
        examples=[{"host": "meet", "access": "members", "members": ["ana"]}],
    )
    bigbluebutton: BigBlueButton | None = Field(
        default=None,
        description="BigBlueButton: meetings with slides, notes and recordings.",
        examples=[{"host": "rooms", "recordings": True, "keep_days": 90}],
    )

    greenlight: Greenlight | None = Field(
        default=None,
        description="Greenlight: rooms of BigBlueButton with accounts of their own.",
        examples=[{"host": "lobby", "registration": "approval"}],
    )
    scalelite: Scalelite | None = Field(
        default=None,
        description="Scalelite: a pool of several BigBlueButton servers.",
        examples=[{"version": "1.8.5"}],
    )

    def of(self, service: str) -> Service:
        """Return the settings of `service`; the defaults when the region only places it."""
        found: Service = getattr(self, service) or DEFAULTS[service]
        return found

    def of_nextcloud(self) -> Nextcloud:
        """Return the settings of Nextcloud, or its defaults."""
        return self.nextcloud or Nextcloud()

    def of_polls(self) -> Polls:
        """Return the settings of the polls, or their defaults."""
        return self.polls or Polls()

    def of_jitsi(self) -> Jitsi:
        """Return the settings of Jitsi Meet, or its defaults."""
        return self.jitsi or Jitsi()

    def of_bigbluebutton(self) -> BigBlueButton:
        """Return the settings of BigBlueButton, or its defaults."""
        return self.bigbluebutton or BigBlueButton()

    def of_greenlight(self) -> Greenlight:
        """Return the settings of Greenlight, or its defaults."""
        return self.greenlight or Greenlight()

    def label_of(self, service: str) -> str:
        """Return the label under which `service` answers: a pool has that of its servers."""
        if service == "scalelite":
            return self.of_bigbluebutton().host
        settings = self.of(service)
        assert not isinstance(settings, Scalelite)
        return settings.host

    def app_of(self, service: str) -> str:
        """Return the app that carries `service`; its role is called the same."""
        return self.of_polls().app if service == "polls" else service

    def placed(self) -> dict[str, Service]:
        """Return the services that have settings, by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: settings for name, settings in found.items() if settings is not None}


DEFAULTS: dict[str, Service] = {
    "nextcloud": Nextcloud(),
    "polls": Polls(),
    "jitsi": Jitsi(),
    "bigbluebutton": BigBlueButton(),
    "greenlight": Greenlight(),
    "scalelite": Scalelite(),
}
