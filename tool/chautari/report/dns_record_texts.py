"""The texts of `deploy dns`: the state of each record, and what to do."""

from __future__ import annotations

from chautari.language import Text, Texts
from chautari.report.message_templates import Data, Template, fill_template

STATE_WORDS: Texts = {
    "right": "right",
    "wrong": "WRONG",
    "missing": "missing",
    "unequal": "spreading",
    "unwanted": "DELETE",
    "unknown": "not known",
}

_STEPS: dict[str, Template] = {
    "wrong": "{name} {kind} is {found}. Set this as its only {kind} record: {value}",
    "missing": "Create this record: {name} {kind} {value}",
    "unequal": (
        "{name} {kind}: the name server {differing_server} still returns {found:or nothing}. "
        "Expected: {value:or no record}. Wait, or correct the record."
    ),
    "unwanted": (
        "The {kind} record of {name} is {found}, but region.yml does not list this address for "
        "{purpose}. Delete this record, or write the address as address6 of the node."
    ),
    "unknown": "{name} {kind}: no name server answered.",
}
_CAA_WRONG: Text = (
    "The CAA record of {name} ({found}) forbids the region's certificate authority. Add this "
    "record: {name} CAA {value}"
)
_CAA_MISSING: Text = (
    "Recommended: create {name} CAA {value}. Then no other authority can issue certificates for "
    "the domain."
)
_NODE_MISSING: Text = (
    "Recommended: create {name} {kind} {value}. The machine {purpose} uses this name, and some "
    "mail servers check this record."
)

FROM_CACHE: Text = (
    "The domain's own name servers could not be queried, perhaps because this network blocks "
    "such queries. These answers are from this machine's DNS server, and may be some hours old."
)

PROBLEMS: dict[str, tuple[Template, Template]] = {
    "domain_not_delegated": (
        "{domain} has no name servers yet: only the registry {zone} answered.",
        "register the domain, or set its name servers at the registrar; then run the command again",
    ),
    "resolver_silent": (
        "The name servers of {domain} could not be found: this machine's DNS server did not "
        "answer.",
        "check your internet connection, then run the command again; to list the records without "
        "a connection: deploy dns {region} --format zone",
    ),
    "no_network": (
        "The name servers of {domain} could not be queried: this machine has no network.",
        "connect this machine to the internet, then run the command again; to list the records "
        "without a connection: deploy dns {region} --format zone",
    ),
    "servers_silent": (
        "The name servers of {domain} did not answer.",
        "check your internet connection, then run the command again; to list the records without "
        "a connection: deploy dns {region} --format zone",
    ),
    "servers_without_address": (
        "The name servers of {domain} have no address.",
        "check the name servers (NS records) of {zone} at your DNS provider",
    ),
}


def record_step_text(state: str, data: Data) -> str:
    """Return what to do about a record; empty if it is right."""
    template = _STEPS.get(state)
    if data["kind"] == "CAA" and state in ("wrong", "missing"):
        template = _CAA_WRONG if state == "wrong" else _CAA_MISSING
    elif state == "missing" and not data["required"]:
        template = _NODE_MISSING
    return fill_template(template, state, data) if template else ""


def zone_problem_texts(code: str, data: Data) -> tuple[str, str]:
    """Return why no record could be looked up, and what to do."""
    message, fix = PROBLEMS[code]
    return fill_template(message, code, data), fill_template(fix, code, data)
