"""The typed model of a region, which defines the shape of `region.yml`.

`schemas/region.schema.json` and `docs/reference/region.md` are generated from it, so every field
has a description and an example. Values are checked one by one here; rules across fields are in
`rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from chautari.region.backup import Backup
from chautari.region.base import StrictModel
from chautari.region.field_types import (
    URL,
    Address,
    AgeKey,
    Country,
    Domain,
    Email,
    HostKey,
    Language,
    Name,
    Port,
    PublicKey,
    SandboxNetwork,
    TimeWindow,
    Timezone,
    Version,
)
from chautari.region.service_settings import Services, Settings
from chautari.services.base import Service
from chautari.services.registry import EXAMPLE, LENDABLE, ROLES, SERVICES

# In `adopt`: keys of logins that no operator has are removed.
LOGIN_KEYS = "login_keys"
if TYPE_CHECKING:
    ServiceName = str
    Adoptable = str
    LendableService = str
else:
    Adoptable = Literal[(*ROLES, LOGIN_KEYS)]
    ServiceName = Literal[tuple(SERVICES)]
    LendableService = Literal[LENDABLE]
# Services that serve another one: any number of nodes run them, without a name or settings.
AUXILIARY_SERVICES = tuple(name for name, service in SERVICES.items() if service.is_auxiliary)
OperatingSystem = Literal["debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04"]
Ubuntu = Literal["ubuntu-22.04", "ubuntu-24.04"]


def _text_as_list(value: Any) -> Any:
    if not isinstance(value, str | list | tuple):
        raise PydanticCustomError("key_type", "no key")
    return [value] if isinstance(value, str) else value


Keys = Annotated[
    tuple[PublicKey, ...],
    BeforeValidator(_text_as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Node(StrictModel):
    """One machine of the region."""

    address: Address = Field(
        description="Public IPv4 or IPv6 address of the node.",
        examples=["203.0.113.10"],
    )
    address6: Address | None = Field(
        default=None,
        description="Public IPv6 address of the node, if `address` is IPv4. AAAA records point to "
        "this address.",
        examples=["2001:db8::10"],
    )
    os: OperatingSystem = Field(
        default="debian-13",
        description="Operating system of the node. If the node has a different operating system, "
        "a deploy changes nothing on it. The page of each service lists the systems that the "
        "service supports.",
        examples=["debian-13"],
    )
    arch: Literal["amd64", "arm64"] | None = Field(
        default=None,
        description="Processor architecture; by default, any architecture that the node's services "
        "support.",
        examples=["amd64"],
    )
    hardware: Literal["vps", "donated"] = Field(
        default="vps",
        description="Kind of machine. This is for information only and has no effect.",
        examples=["donated"],
    )
    user: str = Field(
        default="root",
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
        description="Account for the first login: root, or an account with passwordless sudo. "
        "After the first deploy, operators log in with their own accounts.",
        examples=["root"],
    )
    port: Port = Field(default=22, description="Port of the SSH server.", examples=[22])
    host_key: HostKey | None = Field(
        default=None,
        description="Host key of the SSH server: the line in "
        "`/etc/ssh/ssh_host_ed25519_key.pub`, or the fingerprint that `ssh-keygen -lf` prints "
        "for this file. If the server has a different key, the first connection is refused. "
        "Without `host_key`, the first connection trusts the server's key and shows its "
        "fingerprint.",
        examples=["SHA256:U3ZnCNnJHTh7HYRsGZzdLkWcNdqmvnTgvnVxcPz4ZcA"],
    )
    adopt: tuple[Adoptable, ...] = Field(
        default=(),
        description="Roles that are allowed to replace existing settings on the machine, such as "
        "websites or a firewall. The old files are first copied to `/var/lib/chautari/adopted`. If "
        "a role would replace existing settings and is not in this list, a deploy refuses the "
        "machine. `login_keys` lets each deploy remove keys that no operator has, from the "
        "accounts root and `user` and from the operators' accounts.",
        examples=[["firewall", "nginx"]],
    )
    lend_to: Name | None = Field(
        default=None,
        description="Peer to which this region lends the whole server on this node. The region "
        "itself then does not use this server. The peer can use the server if it lists this "
        "region in its own `borrow`. The page of each service says whether its servers can be "
        "lent as a whole.",
        examples=["himalaya"],
    )
    services: tuple[ServiceName, ...] = Field(
        default=(),
        description="Services that run on this node. If the list is empty, the node gets only the "
        "roles that every node has.",
        examples=[[EXAMPLE]],
    )

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every public address of the node; DNS records must point to these."""
        return (self.address,) if self.address6 is None else (self.address, self.address6)


class Mail(StrictModel):
    """The mail server (relay) through which every node sends its mail."""

    relay: Domain = Field(
        description="DNS name of the relay. The relay's certificate must contain this name.",
        examples=["smtp.example.org"],
    )
    port: Port = Field(
        default=587,
        description="TCP port of the relay. On port 465, the connection begins with TLS. On any "
        "other port, the relay must offer STARTTLS.",
        examples=[587],
    )
    user: str = Field(
        pattern=r"^[A-Za-z0-9._@+-]{1,128}$",
        description="Account on the relay. The account's password is the secret "
        "`mail_relay_password`.",
        examples=["cloud@andes.example.org"],
    )
    from_: Email = Field(
        alias="from",
        description="Sender address of the region's services.",
        examples=["cloud@andes.example.org"],
    )
    drift: Literal["daily", "weekly", "never"] = Field(
        default="weekly",
        description="How often a node sends an email to `contact` about changes that were made on "
        "the node since the last deploy. Each change is reported once. If nothing changed, no "
        "email is sent.",
        examples=["daily"],
    )
    alerts: bool = Field(
        default=True,
        description="Whether a node sends an email to `contact` when it finds a new problem, such "
        "as a disk that is almost full or a unit that has failed. The node also sends an email if "
        "a problem becomes worse.",
        examples=[False],
    )


class Acme(StrictModel):
    """The certificate authority."""

    directory: URL = Field(
        default="https://acme-v02.api.letsencrypt.org/directory",
        pattern=r"^https://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?$",
        description="URL of the certificate authority's ACME directory (RFC 8555).",
        examples=["https://acme-staging-v02.api.letsencrypt.org/directory"],
    )


class Federation(StrictModel):
    """The regions that this region trusts."""

    peers: tuple[Name, ...] = Field(
        default=(),
        description="Regions that this region trusts. Each one must be pinned first: "
        "`deploy federation join NAME URL`, where NAME is this region and URL is the peer's "
        "address.",
        examples=[["himalaya"]],
    )
    address_books: bool = Field(
        default=False,
        strict=True,
        description="Whether people who share a file see the names and addresses of the peers' "
        "users. If `true`, each region sends the list of its users to its peers.",
        examples=[True],
    )
    silence_hours: int = Field(
        default=12,
        ge=2,
        le=168,
        strict=True,
        description="If a peer has published no new descriptor for this number of hours, this "
        "region reports it by email. The email goes to the peer's contact, with a copy to "
        "`contact`.",
        examples=[24],
    )
    lend: dict[Name, tuple[LendableService, ...]] = Field(
        default_factory=dict,
        description="Services for which this region lends nodes, listed by peer. The peer can use "
        "these nodes as soon as it lists this region in its own `borrow`.",
        examples=[{"himalaya": [LENDABLE[0]]}],
    )
    borrow: dict[Name, tuple[LendableService, ...]] = Field(
        default_factory=dict,
        description="Services for which this region borrows nodes, listed by peer. This region "
        "uses the nodes as soon as the peer lists this region in its own `lend`.",
        examples=[{"himalaya": [LENDABLE[0]]}],
    )

    def lenders_of(self, service: str) -> tuple[str, ...]:
        """Return the peers from which the region borrows nodes of `service`."""
        return tuple(peer for peer, services in self.borrow.items() if service in services)

    def borrowers_of(self, service: str) -> tuple[str, ...]:
        """Return the peers to which the region lends its nodes of `service`."""
        return tuple(peer for peer, services in self.lend.items() if service in services)


class OSSubstitute(StrictModel):
    """A container that replaces an operating system for which the sandbox has no image."""

    os: Literal["debian-12", "debian-13"] = Field(
        description="Operating system of the container.", examples=["debian-12"]
    )
    memory_mb: int = Field(
        ge=256,
        le=1_048_576,
        strict=True,
        description="Minimum memory of the container in MB. This value replaces the minimum that "
        "the services require.",
        examples=[900],
    )
    cores: int = Field(
        ge=1,
        le=1024,
        strict=True,
        description="Minimum number of processor cores. This value replaces the minimum that the "
        "services require.",
        examples=[1],
    )


class Sandbox(StrictModel):
    """Marks a region that runs in containers on this machine, with a simulated internet."""

    network: SandboxNetwork = Field(
        description="Subnet that contains the containers' addresses. The subnet must be in a "
        "documentation network (RFC 5737).",
        examples=["198.51.100.0/25"],
    )
    os_substitutes: dict[Ubuntu, OSSubstitute] = Field(
        default_factory=dict,
        description="Containers that replace operating systems for which the sandbox has no image. "
        "Every report lists these substitutes.",
        examples=[{"ubuntu-22.04": {"os": "debian-12", "memory_mb": 900, "cores": 1}}],
    )
    neighbours: tuple[Name, ...] = Field(
        default=(),
        description="Regions in other sandboxes on this machine. Their nodes and the nodes of this "
        "region find each other by name, and trust each other's certificates. It is enough if "
        "one of two regions lists the other.",
        examples=[["himalaya"]],
    )


class Region(StrictModel):
    """A region: its people, its nodes and the services on them."""

    region: Name = Field(
        description="Name of the region. The region's folder in `inventories/` must have the same "
        "name.",
        examples=["andes"],
    )
    toolkit: Version | None = Field(
        default=None,
        description="Version of Chautari that this file was written for. An older version refuses "
        "the file. `deploy init` and `deploy migrate` write this key.",
        examples=["0.1.0"],
    )
    domain: Domain = Field(
        description="Domain of the region. The DNS names of all services end with this domain.",
        examples=["andes.example.org"],
    )
    contact: Email = Field(
        description="Mail address of the operators. This address receives the mail for root on "
        "every node. The certificate authority gets the address too.",
        examples=["ops@andes.example.org"],
    )
    timezone: Timezone = Field(
        default="UTC", description="Time zone of the nodes.", examples=["America/Bogota"]
    )
    country: Country | None = Field(
        default=None,
        description="Two-letter code of the country. Services use it for telephone numbers that do "
        "not begin with a country code, such as +57.",
        examples=["CO"],
    )
    languages: tuple[Language, ...] = Field(
        default=("en",),
        min_length=1,
        description="Languages of the users, the most important one first. Each service uses the "
        "first language that it supports.",
        examples=[["es", "en"]],
    )
    bandwidth: Literal["normal", "low"] = Field(
        default="normal",
        description="With `low`, services reduce previews, video and screen sharing for slow "
        "connections.",
        examples=["low"],
    )
    operators: dict[Name, Keys] = Field(
        default_factory=dict,
        description="People who deploy, each with one SSH public key or a list of keys.",
        examples=[{"ana": "ssh-ed25519 AAAA… ana@laptop"}],
    )
    recovery: dict[Name, AgeKey] = Field(
        default_factory=dict,
        description="Recovery keys (age keys), for example a key on paper. These keys decrypt "
        "`secrets.age` if the operators' keys are lost. They cannot be used to log in. To create "
        "one: `deploy secrets recovery-key`.",
        examples=[{"safe": "age1y2tkhlyw8cuefjqxnek763fgwhwqed7frya73g6cz6zm3tpwc3gqn3q0qk"}],
    )
    nodes: dict[Name, Node] = Field(
        min_length=1,
        description="Machines of the region, each under its name.",
        examples=[{"bog1": {"address": "203.0.113.10", "services": [EXAMPLE]}}],
    )
    # Defaults are validated with the region: to build their models by themselves takes as long.
    services: Services = Field(
        default_factory=dict,
        validate_default=True,
        description="Settings of each service.",
        examples=[{EXAMPLE: dict(SERVICES[EXAMPLE].example)}],
    )
    mail: Mail | None = Field(
        default=None,
        description="Mail server (relay) through which the nodes send mail.",
        examples=[{"relay": "smtp.example.org", "user": "cloud", "from": "cloud@example.org"}],
    )
    acme: Acme = Field(
        default_factory=dict,
        validate_default=True,
        description="The certificate authority; by default Let's Encrypt.",
        examples=[{"directory": "https://acme-staging-v02.api.letsencrypt.org/directory"}],
    )
    federation: Federation = Field(
        default_factory=dict,
        validate_default=True,
        description="Other regions that this region works with.",
        examples=[{"peers": ["himalaya"]}],
    )
    backup: Backup | None = Field(
        default=None,
        description="Nightly backups of the nodes, and the disk space that peers may use for their "
        "own backups. Without this key, no backups are stored.",
        examples=[{"to": ["himalaya"]}],
    )
    reboot_window: TimeWindow | None = Field(
        default=None,
        description="Hours (in `timezone`) in which a node can restart by itself if an update "
        "requires it. A node does not restart while people are in meetings on it. Without this "
        "key, nodes never restart by themselves.",
        examples=["02:00-05:00"],
    )
    ask_upstream: bool = Field(
        default=True,
        strict=True,
        description="Whether `deploy status` asks the source code servers of upstream projects for "
        "newer releases. These servers see this machine's IP address, the name of each program and "
        "the first number of its release.",
        examples=[False],
    )
    sandbox: Sandbox | None = Field(
        default=None,
        description="Only for a region that runs in containers on this machine (`deploy sandbox`).",
        examples=[{"network": "198.51.100.0/25"}],
    )

    def os_substitute(self, node: str) -> OSSubstitute | None:
        """Return what replaces the operating system of `node` in a sandbox, if anything."""
        known = self.sandbox.os_substitutes.items() if self.sandbox else ()
        return next((found for os, found in known if os == self.nodes[node].os), None)

    def os_or_substitute_of(self, node: str) -> str:
        """Return the operating system that the machine called `node` actually runs."""
        found = self.os_substitute(node)
        return found.os if found else self.nodes[node].os

    def first_node_running(self, service: str) -> str:
        """Return the name of the first node that runs `service` (rules require one)."""
        return next(name for name, node in self.nodes.items() if service in node.services)

    def services_with_public_name(self) -> tuple[str, ...]:
        """Return the services with a public name that run on a node or have settings, each once."""
        standing = [
            service for name in self.nodes for service in self.services_with_public_name_on(name)
        ]
        return tuple(dict.fromkeys([*standing, *self.services.configured_services()]))

    def services_with_public_name_on(self, node: str) -> tuple[str, ...]:
        """Return the services on `node` that have a public name."""
        return tuple(item for item in self.nodes[node].services if item not in AUXILIARY_SERVICES)

    def nodes_running(self, service: str) -> tuple[str, ...]:
        """Return the names of the nodes that run `service`."""
        return tuple(name for name, node in self.nodes.items() if service in node.services)

    def nodes_lent_to(self, peer: str, service: str) -> tuple[str, ...]:
        """Return the names of the nodes with `service` that are lent to `peer` as a whole."""
        nodes = self.nodes_running(service)
        return tuple(name for name in nodes if self.nodes[name].lend_to == peer)

    def service_with_region_settings(self, name: str) -> Service:
        """Return the service called `name` with the values that follow from this region."""
        return SERVICES[name].with_region_settings(self)

    def services_of(self, node: str) -> tuple[Service, ...]:
        """Return all services on `node`, auxiliary ones included."""
        return tuple(map(self.service_with_region_settings, self.nodes[node].services))

    def settings_of(self, model: type[Settings]) -> Settings:
        """Return the settings of the service whose model is `model`, or its defaults."""
        return self.services.settings_of_type_or_defaults(model)

    def dns_label_of_service(self, service: str) -> str:
        """Return the label in front of the domain under which `service` answers.

        It is empty for a service that answers under the domain itself.
        """
        settings = self.services.settings_or_defaults_of(SERVICES[service].host_of or service)
        label: str | None = getattr(settings, "host")  # noqa: B009 - every public service has it
        return label or ""

    def public_name(self, service: str, node: str) -> str:
        """Return the DNS name of `service` on `node`."""
        label = self.dns_label_of_service(service)
        return self.fqdn(
            f"{label}-{node}" if self.service_with_region_settings(service).per_node else label
        )

    def fqdn(self, label: str) -> str:
        """Return the full DNS name of a service's or node's `label`; the domain if it is empty."""
        return f"{label}.{self.domain}" if label else self.domain
