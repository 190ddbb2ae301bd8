"""The typed model of a region: the one truth for the shape of `region.yml`.

`schemas/region.schema.json` and `docs/reference/region.md` are generated from it, so every field
carries a description and an example. Values are checked one by one here; rules across fields are
in `rules`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import WithJsonSchema

from chautari.region import polls
from chautari.region.names import (
    Address,
    Country,
    Domain,
    Email,
    Label,
    Language,
    Name,
    Port,
    PublicKey,
    SandboxNetwork,
    Size,
    Timezone,
    Version,
)

ServiceName = Literal["nextcloud", "polls", "jitsi", "jitsi-bridge"]
# Services that serve another one: any number of nodes carry them, without a name or settings.
HELPERS = {"jitsi-bridge": "jitsi"}
OperatingSystem = Literal["debian-12", "debian-13"]
NextcloudApp = Literal["calendar", "contacts", "deck", "tasks"]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


PollAppName = Annotated[
    str,
    AfterValidator(polls.check_app),
    WithJsonSchema({"type": "string", "enum": list(polls.APPS)}),
]
Keys = Annotated[
    tuple[PublicKey, ...],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_by_name=False,
        validate_by_alias=True,
        defer_build=True,  # a part is built within its region, hardly ever by itself
    )


class Node(_Part):
    """One machine of the region."""

    address: Address = Field(
        description="Public IPv4 or IPv6 address the node is reached at.",
        examples=["203.0.113.10"],
    )
    address6: Address | None = Field(
        default=None,
        description="Public IPv6 address beside an IPv4 `address`; AAAA records point to it.",
        examples=["2001:db8::10"],
    )
    os: OperatingSystem = Field(
        default="debian-13",
        description="Operating system of the node; the deploy refuses a node that differs.",
        examples=["debian-13"],
    )
    hardware: Literal["vps", "donated"] = Field(
        default="vps",
        description="What kind of machine it is; for people, it changes nothing.",
        examples=["donated"],
    )
    user: str = Field(
        default="root",
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
        description="Account to log in with; root, or one with passwordless sudo.",
        examples=["root"],
    )
    port: Port = Field(default=22, description="Port of the SSH server.", examples=[22])
    services: tuple[ServiceName, ...] = Field(
        default=(),
        description="Services this node carries; empty for a node that is only made ready.",
        examples=[["nextcloud"]],
    )

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every public address of the node; DNS records must point at these."""
        return (self.address,) if self.address6 is None else (self.address, self.address6)


class Nextcloud(_Part):
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


class Polls(_Part):
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


class Jitsi(_Part):
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


Service = Nextcloud | Polls | Jitsi


class Services(_Part):
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

    def app_of(self, service: str) -> str:
        """Return the app that carries `service`; its role is called the same."""
        return self.of_polls().app if service == "polls" else service

    def placed(self) -> dict[str, Service]:
        """Return the services that have settings, by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: settings for name, settings in found.items() if settings is not None}


DEFAULTS: dict[str, Service] = {"nextcloud": Nextcloud(), "polls": Polls(), "jitsi": Jitsi()}


class Mail(_Part):
    """The relay that every node hands its mail to."""

    relay: Domain = Field(
        description="Name of the relay; its certificate must carry it.",
        examples=["smtp.example.org"],
    )
    port: Port = Field(
        default=587, description="Port of the relay; it must offer STARTTLS.", examples=[587]
    )
    user: str = Field(
        pattern=r"^[A-Za-z0-9._@+-]{1,128}$",
        description="Account at the relay; its password is the secret `mail_relay_password`.",
        examples=["cloud@andes.example.org"],
    )
    from_: Email = Field(
        alias="from",
        description="Sender address of the region's services.",
        examples=["cloud@andes.example.org"],
    )
    drift: Literal["daily", "weekly", "never"] = Field(
        default="weekly",
        description="How often a node mails `contact` what changed on it since its last deploy; "
        "nothing is mailed when nothing changed, and nothing twice.",
        examples=["daily"],
    )


class Acme(_Part):
    """The certificate authority."""

    directory: str = Field(
        default="https://acme-v02.api.letsencrypt.org/directory",
        pattern=r"^https://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?$",
        description="ACME directory certificates are asked from (RFC 8555).",
        examples=["https://acme-staging-v02.api.letsencrypt.org/directory"],
    )


class Sandbox(_Part):
    """Marks a region that lives in containers on this machine, with a small internet of its own."""

    network: SandboxNetwork = Field(
        description="Part of a documentation network (RFC 5737) for the containers' addresses.",
        examples=["198.51.100.0/25"],
    )


class Region(_Part):
    """A region: its people, its nodes and the services on them."""

    region: Name = Field(
        description="Name of the region; the folder under inventories/ has the same.",
        examples=["andes"],
    )
    domain: Domain = Field(
        description="Domain the services' names end with.", examples=["andes.example.org"]
    )
    contact: Email = Field(
        description="Where the certificate authority and users reach the operators.",
        examples=["ops@andes.example.org"],
    )
    timezone: Timezone = Field(
        default="UTC", description="Time zone of the nodes.", examples=["America/Bogota"]
    )
    country: Country | None = Field(
        default=None,
        description="Two-letter country code; telephone numbers without a prefix belong to it.",
        examples=["CO"],
    )
    languages: tuple[Language, ...] = Field(
        default=("en",),
        min_length=1,
        description="Languages of the region, the first one is the services' default.",
        examples=[["es", "en"]],
    )
    bandwidth: Literal["normal", "low"] = Field(
        default="normal",
        description="`low` sets previews, video and timeouts for slow links.",
        examples=["low"],
    )
    operators: dict[Name, Keys] = Field(
        default_factory=dict,
        description="People who deploy, each with one SSH public key or a list of them.",
        examples=[{"ana": "ssh-ed25519 AAAA… ana@laptop"}],
    )
    nodes: dict[Name, Node] = Field(
        min_length=1,
        description="Machines of the region, by name.",
        examples=[{"bog1": {"address": "203.0.113.10", "services": ["nextcloud"]}}],
    )
    services: Services = Field(
        default_factory=Services,
        description="Settings of each service.",
        examples=[{"nextcloud": {"host": "cloud"}}],
    )
    mail: Mail | None = Field(
        default=None,
        description="The relay mail goes out through.",
        examples=[{"relay": "smtp.example.org", "user": "cloud", "from": "cloud@example.org"}],
    )
    acme: Acme = Field(
        default_factory=Acme,
        description="The certificate authority; Let's Encrypt when not set.",
        examples=[{"directory": "https://acme-staging-v02.api.letsencrypt.org/directory"}],
    )
    sandbox: Sandbox | None = Field(
        default=None,
        description="Only for regions in containers on this machine (`deploy sandbox`).",
        examples=[{"network": "198.51.100.0/25"}],
    )

    def node_of(self, service: str) -> str:
        """Return the name of the node that carries `service` (rules made sure of one)."""
        return next(name for name, node in self.nodes.items() if service in node.services)

    def carried(self) -> tuple[str, ...]:
        """Return the services that stand on a node or have settings, each once."""
        standing = [service for name in self.nodes for service in self.services_on(name)]
        return tuple(dict.fromkeys([*standing, *self.services.placed()]))

    def services_on(self, node: str) -> tuple[str, ...]:
        """Return the services with a name of their own that stand on `node`."""
        return tuple(item for item in self.nodes[node].services if item not in HELPERS)

    def carriers(self, service: str) -> tuple[str, ...]:
        """Return the names of the nodes that carry `service`."""
        return tuple(name for name, node in self.nodes.items() if service in node.services)

    def fqdn(self, label: str) -> str:
        """Return the full DNS name of a service's or node's `label`."""
        return f"{label}.{self.domain}"
