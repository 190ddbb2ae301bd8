"""The texts of refusals because of DNS records."""

from __future__ import annotations

from chautari.language import _
from chautari.report.message_templates import Data, Template


def _dns_record_fix(data: Data) -> str:
    """Return which DNS record to create, or which one to delete."""
    name, kind, right = data["name"], data["kind"], data["right"]
    if kind == "AAAA" and right:
        return _(
            "Write the machine's own IPv6 address as address6 in region.yml. Or set this "
            "as the only AAAA record for {name} at your DNS provider, then deploy again: "
            "{name} AAAA {right}",
            name=name,
            right=right,
        )
    if kind == "AAAA":
        return _(
            "Write the machine's own IPv6 address as address6 in region.yml. Or delete "
            "the AAAA record for {name} at your DNS provider, then deploy again.",
            name=name,
        )
    if right:
        return _(
            "Set this as the only {kind} record for {name} at your DNS provider, then "
            "deploy again: {name} {kind} {right}",
            kind=kind,
            name=name,
            right=right,
        )
    return _(
        "Delete the {kind} record for {name} at your DNS provider, then deploy again.",
        kind=kind,
        name=name,
    )


def _domain_fix(data: Data) -> str:
    """Return how to leave the website at the domain alone, or to use the domain."""
    name, kind, right = data["name"], data["kind"], data["right"]
    other_name = _(
        "If the domain has a website, choose another name in region.yml, for example "
        "services: {{{service}: {{host: start}}}}.",
        service=data["service"],
    )
    if right:
        return _(
            "{other_name} To use the domain itself, set this as its only {kind} record: "
            "{name} {kind} {right}",
            other_name=other_name,
            kind=kind,
            name=name,
            right=right,
        )
    return _(
        "{other_name} To use the domain itself, delete its {kind} record.",
        other_name=other_name,
        kind=kind,
    )


DNS_RECORDS: dict[str, tuple[Template, Template]] = {
    "domain_elsewhere": (
        "The {kind} record for {name} points to {found}. Another website may be at this address.",
        _domain_fix,
    ),
    "record_missing": (
        "The {kind} record for {name} does not exist, so the audio and video of meetings would "
        "not arrive.",
        "Create this record at your DNS provider, then deploy again: {name} {kind} {right}",
    ),
    "record_wrong": (
        "The {kind} record for {name} points to {found}, so the audio and video of meetings would "
        "not arrive.",
        _dns_record_fix,
    ),
}
