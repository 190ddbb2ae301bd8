"""A region's descriptor: what it tells the world about itself, signed with its own key.

`schemas/descriptor.schema.json` is generated from the model. A descriptor from elsewhere is hostile
input: `untrusted_json` reads it, this model limits every field, and nothing of it is a template.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from chautari.federation.lookalikes import validate_domain_scripts
from chautari.federation.refusal import PeerRefused
from chautari.federation.validity import parse_seconds_since_1970
from chautari.language import _
from chautari.region.field_types import check_language, validate_domain, validate_email
from chautari.region.names import validate_name
from chautari.region.ssh_key_types import validate_public_key

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.render.context import NodeContext

FORMAT: Literal[1] = 1
MAX_SERVICES = 60
MAX_PEERS = 200
# The last serial that every JSON reader keeps exactly (RFC 8259, section 6).
MAX_SERIAL = 2**53 - 1
_TIME = r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"


def _check_peer_domain(value: str) -> str:
    return validate_domain_scripts(validate_domain(value))


def _check_peer_email(value: str) -> str:
    validate_domain_scripts(validate_email(value).rpartition("@")[2].lower())
    return value


def _check_time(value: str) -> str:
    parse_seconds_since_1970(value)
    return value


def _check_ed25519_key(value: str) -> str:
    if len(value.split(" ")) != 2 or not value.startswith("ssh-ed25519 "):
        raise ValueError(_("this must be an ssh-ed25519 public key without a comment"))
    return validate_public_key(value)


def _check_https_address(value: str) -> str:
    """Return `value` when it is `https://HOST/` or has a path of plain characters."""
    _check_peer_domain(urlsplit(value).hostname or "")
    return value


PeerDomain = Annotated[str, Field(max_length=253), AfterValidator(_check_peer_domain)]
Time = Annotated[str, Field(pattern=_TIME), AfterValidator(_check_time)]
Ed25519Key = Annotated[str, Field(max_length=200), AfterValidator(_check_ed25519_key)]


class StrictDescriptorModel(BaseModel):
    """Base of each object of a descriptor: strict types, frozen, closed to unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class DescribedService(StrictDescriptorModel):
    """One service of a region, as other regions see it."""

    service: Annotated[str, AfterValidator(validate_name)] = Field(
        description="Name of the service in `region.yml`.", examples=["wiki"]
    )
    title: str = Field(
        pattern=r"^[^<>{}\\`\x00-\x1f]{1,60}$",
        description="Display name of the service.",
        examples=["Wiki"],
    )
    address: Annotated[str, AfterValidator(_check_https_address)] = Field(
        pattern=r"^https://[a-z0-9.-]{1,253}/[A-Za-z0-9._/-]{0,200}$",
        description="Address of the service. The host in this address is the region's domain, "
        "or a subdomain of it.",
        examples=["https://wiki.andes.example.org/"],
    )
    version: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9.+~:-]{0,40}$",
        description="Installed release; empty where it is not known.",
        examples=["3.1.0"],
    )


class Descriptor(StrictDescriptorModel):
    """What a region publishes about itself."""

    format: Literal[1] = Field(description="Version of this format.", examples=[1])
    region: Annotated[str, AfterValidator(validate_name)] = Field(
        description="Name of the region.", examples=["andes"]
    )
    domain: PeerDomain = Field(description="Domain of the region.", examples=["andes.example.org"])
    contact: Annotated[str, Field(max_length=254), AfterValidator(_check_peer_email)] = Field(
        description="Mail address of the operators.", examples=["ops@andes.example.org"]
    )
    languages: list[Annotated[str, AfterValidator(check_language)]] = Field(
        min_length=1,
        max_length=20,
        description="Languages of the users, the most important one first.",
        examples=[["es", "en"]],
    )
    services: list[DescribedService] = Field(
        max_length=MAX_SERVICES,
        description="The region's services.",
        examples=[[{"service": "wiki", "title": "Wiki",
                    "address": "https://wiki.andes.example.org/", "version": "3.1.0"}]],
    )  # fmt: skip
    peers: list[PeerDomain] = Field(
        max_length=MAX_PEERS,
        description="Domains of the regions that this region federates with.",
        examples=[["himalaya.example.org"]],
    )
    letters: dict[PeerDomain, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(
        default_factory=dict,
        max_length=MAX_PEERS,
        description="SHA-256 of each encrypted letter to a peer, by the peer's domain.",
        examples=[{"himalaya.example.org": "0f…"}],
    )
    key: Ed25519Key = Field(
        description="Public key that verifies this descriptor's signature, without a comment.",
        examples=["ssh-ed25519 AAAA…"],
    )
    serial: int = Field(
        ge=1,
        le=MAX_SERIAL,
        description="Serial number, which increases with each new descriptor. Normally, it is the "
        "time when the descriptor was signed, in seconds since 1970.",
        examples=[1796000000],
    )
    issued: Time = Field(
        description="Time when the descriptor was signed, in UTC.",
        examples=["2026-11-30T00:00:00Z"],
    )
    expires: Time = Field(
        description="Time when the descriptor expires, in UTC.",
        examples=["2026-12-30T00:00:00Z"],
    )

    @model_validator(mode="after")
    def _require_services_below_domain(self) -> Descriptor:
        for entry in self.services:
            if not is_within_domain(urlsplit(entry.address).hostname or "", self.domain):
                raise ValueError(
                    _(
                        "the address of {service} is outside of {domain}",
                        service=entry.service,
                        domain=self.domain,
                    )
                )
        return self


def is_within_domain(host: str, domain: str) -> bool:
    """Return whether `host` is `domain` or a name below it."""
    return host == domain or host.endswith(f".{domain}")


def parse_descriptor(data: dict[str, Any]) -> Descriptor:
    """Return `data` as a descriptor.

    Raises:
        PeerRefused: with the place of the first field that does not fit.
    """
    try:
        return Descriptor.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or _("the whole file")
        raise PeerRefused(
            "field_invalid", path=place[:80], detail=field_problem_text(first)
        ) from None


def field_problem_text(error: ErrorDetails) -> str:
    """Return what is wrong with a field, in plain words where pydantic has none."""
    if error["type"] == "string_pattern_mismatch":
        return _("this text does not have the required format")
    return error["msg"].removeprefix("Value error, ")[:200]


def descriptor_host(region: Region) -> str | None:
    """Return the DNS name under which the region publishes its descriptor; None if it does not."""
    for node in region.nodes:
        for name in region.services_with_public_name_on(node):
            if region.service_with_region_settings(name).publishes_descriptor:
                return region.public_name(name, node)
    return None


def unsigned_descriptor(context: NodeContext) -> dict[str, Any]:
    """Return the region's descriptor without what its node adds when it issues it.

    The node adds `key`, `serial`, `issued` and `expires`.
    """
    region, loaded_region = context.region, context.loaded_region
    digests = {
        loaded_region.peers[name].domain: hashlib.sha256(sealed).hexdigest()
        for name, sealed in loaded_region.letters.items()
    }
    body: dict[str, Any] = {
        "format": FORMAT,
        "region": region.region,
        "domain": region.domain,
        "contact": region.contact,
        "languages": list(region.languages),
        "services": [
            _describe_service(context._replace(node=node), name)
            for node in region.nodes
            for name in region.services_with_public_name_on(node)
        ],
        "peers": sorted(peer.domain for peer in loaded_region.peers.values()),
    }
    # Releases that know no letters refuse the field, so it is there only where it says something.
    return body | ({"letters": digests} if digests else {})


def _describe_service(context: NodeContext, name: str) -> dict[str, str]:
    service = context.region.service_with_region_settings(name)
    release = service.access_details_for_report
    return {
        "service": name,
        "title": service.title,
        "address": f"https://{context.region.public_name(name, context.node)}/",
        "version": release(context).version if release else "",
    }
