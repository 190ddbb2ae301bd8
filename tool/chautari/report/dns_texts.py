"""The texts of refusals because of DNS records."""

from __future__ import annotations

from chautari.report.message_templates import Data, Template


def _dns_record_fix(data: Data) -> str:
    """Return which DNS record to create, or which one to delete."""
    name, kind, right = data["name"], data["kind"], data["right"]
    if kind == "AAAA" and right:
        return (
            "Write the machine's own IPv6 address as address6 in region.yml. Or set this as the "
            f"only AAAA record for {name} at your DNS provider, then deploy again: "
            f"{name} AAAA {right}"
        )
    if kind == "AAAA":
        return (
            "Write the machine's own IPv6 address as address6 in region.yml. Or delete the AAAA "
            f"record for {name} at your DNS provider, then deploy again."
        )
    if right:
        return (
            f"Set this as the only {kind} record for {name} at your DNS provider, then deploy "
            f"again: {name} {kind} {right}"
        )
    return f"Delete the {kind} record for {name} at your DNS provider, then deploy again."


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
