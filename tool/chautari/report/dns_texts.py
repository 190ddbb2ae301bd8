"""The texts of refusals because of DNS records."""

from __future__ import annotations

from chautari.report.message_templates import Data, Template


def _dns_record_fix(data: Data) -> str:
    """Return which DNS record to create, or which one to delete."""
    name, kind, right = data["name"], data["kind"], data["right"]
    if right:
        fix = (
            f"At your DNS provider, set this as the only {kind} record for {name}, then deploy "
            f"again: {name} {kind} {right}"
        )
    else:
        fix = f"At your DNS provider, delete the {kind} record for {name}, then deploy again."
    if kind == "AAAA":
        return (
            "Use one of two ways. 1. Write the machine's own IPv6 address as address6 in "
            f"region.yml. 2. {fix}"
        )
    return fix


def _domain_fix(data: Data) -> str:
    """Return how to leave the website at the domain alone, or to use the domain."""
    name, kind, right = data["name"], data["kind"], data["right"]
    other_name = (
        "If the domain has a website, choose another name in region.yml, for example services: "
        f"{{{data['service']}: {{host: start}}}}."
    )
    if right:
        return (
            f"{other_name} To use the domain itself, set this as its only {kind} record: "
            f"{name} {kind} {right}"
        )
    return f"{other_name} To use the domain itself, delete its {kind} record."


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
