"""What a person says about a new region, and how nodes and services are written as options."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple, get_args

from chautari import __version__
from chautari.language import _
from chautari.region.field_types import to_canonical_address, validate_domain
from chautari.region.model import OperatingSystem
from chautari.region.names import validate_name
from chautari.services.registry import SERVICES
from chautari.suggestions import fix_for_unknown_word

DEFAULT_OS = "debian-13"
_LOGIN = re.compile(
    r"(?:(?P<user>[^@]*)@)?"
    r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<host>[^\[\]]*?))"
    r"(?::(?P<port>[0-9]{1,6}))?"
)
_ACCOUNT = re.compile(r"[A-Za-z0-9._@+-]{1,128}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
# What may follow an address, with the values that are valid; None for an address.
_KEYS: dict[str, tuple[str, ...] | None] = {
    "os": get_args(OperatingSystem),
    "hardware": ("vps", "donated"),
    "address6": None,
}


class NodeAnswer(NamedTuple):
    """A machine: its name, address and login. What is empty is not known yet."""

    name: str
    address: str
    user: str = "root"
    port: int = 22
    os: str = ""
    hardware: str = ""
    address6: str = ""
    host_key: str = ""

    def as_yaml_data(self) -> dict[str, Any]:
        """Return the node as `region.yml` has it, without its services."""
        found: dict[str, Any] = {"address": self.address, "os": self.os or DEFAULT_OS}
        defaults = NodeAnswer("", "")
        for key in ("address6", "user", "port", "hardware", "host_key"):
            if getattr(self, key) != getattr(defaults, key):
                found[key] = getattr(self, key)
        return found


class ServiceAnswer(NamedTuple):
    """A service that the region wants; `node` is empty where the proposal decides."""

    service: str
    node: str = ""


class MailAnswer(NamedTuple):
    """The mail relay."""

    relay: str
    port: int
    user: str
    sender: str

    def as_yaml_data(self) -> dict[str, Any]:
        """Return the relay as `region.yml` has it."""
        return {"relay": self.relay, "port": self.port, "user": self.user, "from": self.sender}


@dataclass(frozen=True)
class RegionAnswers:
    """All answers; `operator` has the public key `key`."""

    name: str
    domain: str
    contact: str
    operator: str
    key: str
    country: str = ""
    timezone: str = "UTC"
    languages: tuple[str, ...] = ("en",)
    bandwidth: str = "normal"
    nodes: tuple[NodeAnswer, ...] = ()
    services: tuple[ServiceAnswer, ...] = ()
    mail: MailAnswer | None = field(default=None)

    def as_yaml_data(self) -> dict[str, Any]:
        """Return the region as `region.yml` has it, without services."""
        found: dict[str, Any] = {
            "region": self.name,
            "toolkit": __version__,
            "domain": self.domain,
            "contact": self.contact,
            "timezone": self.timezone,
        }
        if self.country:
            found["country"] = self.country
        found |= {"languages": list(self.languages), "bandwidth": self.bandwidth}
        found["operators"] = {self.operator: self.key}
        found["nodes"] = {node.name: node.as_yaml_data() for node in self.nodes}
        if self.mail:
            found["mail"] = self.mail.as_yaml_data()
        return found


def parse_node(text: str) -> NodeAnswer:
    """Return the node in `NAME=[USER@]ADDRESS[:PORT][,os=OS]`.

    Raises:
        ValueError: with what to write instead.
    """
    name, equals, rest = text.partition("=")
    if not equals:
        raise ValueError(
            _("{text!r} is not NAME=ADDRESS; write, for example, bog1=root@203.0.113.10", text=text)
        )
    login, *extras = rest.split(",")
    node = parse_login(validate_name(name), login)
    for extra in extras:
        key, equals, value = extra.partition("=")
        if not equals or key not in _KEYS:
            raise ValueError(
                _(
                    "{extra!r} is not one of: {keys}",
                    extra=extra,
                    keys=", ".join(f"{x}=…" for x in _KEYS),
                )
            )
        valid = _KEYS[key]
        if valid and value not in valid:
            raise ValueError(
                _(
                    "{value!r} is not a valid value; choose one of: {valid}",
                    value=value,
                    valid=", ".join(valid),
                )
            )
        changed: Any = {key: value if valid else to_canonical_address(value)}
        node = node._replace(**changed)
    return node


def parse_login(name: str, text: str) -> NodeAnswer:
    """Return the node called `name` with `[USER@]ADDRESS[:PORT]`.

    Raises:
        ValueError: with what to write instead.
    """
    user, at, place = text.rpartition("@")
    if not _is_ipv6(place):
        found = _LOGIN.fullmatch(text)
        if not found:
            raise ValueError(
                _("{text!r} is not an address; write, for example, root@203.0.113.10", text=text)
            )
        user, at = found["user"] or "", "@" if found["user"] is not None else ""
        place, port = found["ipv6"] or found["host"] or "", int(found["port"] or 22)
    else:
        port = 22
    if at and not _USER.fullmatch(user):
        raise ValueError(
            _("{user!r} is not an account; write, for example, root@203.0.113.10", user=user)
        )
    if not 1 <= port <= 65535:
        raise ValueError(_("{port} is not a port; write a number from 1 to 65535", port=port))
    return NodeAnswer(name, to_canonical_address(place), user or "root", port)


def parse_service(text: str) -> ServiceAnswer:
    """Return the service in `SERVICE[@NODE]`.

    Raises:
        ValueError: with what to write instead.
    """
    service, __, node = text.partition("@")
    if service not in SERVICES:
        hint = fix_for_unknown_word(service, list(SERVICES))
        raise ValueError(_("there is no service {service!r}; {hint}", service=service, hint=hint))
    return ServiceAnswer(service, node)


def check_relay_account(text: str) -> str:
    """Return `text` if it can be the account on a mail relay.

    Raises:
        ValueError: with what to write instead.
    """
    if not _ACCOUNT.fullmatch(text):
        raise ValueError(
            _("{text!r} is not an account; use letters, digits and . _ @ + -", text=text)
        )
    return text


def parse_relay(text: str) -> tuple[str, int]:
    """Return the name and the port in `HOST[:PORT]`.

    Raises:
        ValueError: with what to write instead.
    """
    host, colon, port = text.partition(":")
    if colon and not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise ValueError(
            _("{port!r} is not a port; write, for example, smtp.example.org:587", port=port)
        )
    return validate_domain(host), int(port) if colon else 587


def _is_ipv6(text: str) -> bool:
    try:
        return isinstance(ip_address(text), IPv6Address)
    except ValueError:
        return False
