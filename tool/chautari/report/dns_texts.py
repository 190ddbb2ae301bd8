"""The texts of refusals because of DNS records."""

from __future__ import annotations

from chautari.report.message_templates import Data, Template


def _dns_record_fix(data: Data) -> str:
    """Return which DNS record to create, or which one to delete."""
    name, kind, right = data["name"], data["kind"], data["right"]
    provider = f"for {name} at your DNS provider, then deploy again"
    fix = (
        f"set this as the only {kind} record {provider}: {name} {kind} {right}"
        if right
        else f"delete the {kind} record {provider}."
    )
    if kind == "AAAA":
        return f"Write the machine's own IPv6 address as address6 in region.yml. Or {fix}"
    return fix[:1].upper() + fix[1:]


def _domain_fix(data: Data) -> str:
    """Return how to leave the website at the domain alone, or to use the domain."""
    kind, right = data["kind"], data["right"]
    record = (
        f"set this as its only {kind} record: {data['name']} {kind} {right}"
        if right
        else f"delete its {kind} record"
    )
    return (
        "If the domain has a website, choose another name in region.yml, for example services: "
        f"{{{data['service']}: {{host: start}}}}. To use the domain itself, {record}"
    )


DNS_RECORDS: dict[str, tuple[Template, Template]] = {
    "domain_elsewhere": (
        "The {kind} record for {name} points to {found}. Another website may be there.",
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
