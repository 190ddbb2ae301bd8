"""Which secrets a region needs, and which node gets which."""

from __future__ import annotations

from chautari.backup import secrets as backup_secrets
from chautari.region.model import Region
from chautari.services.secret_spec import Rotation, SecretSpec

MAIL = SecretSpec(
    "mail_relay_password",
    None,
    "password for the mail relay",
    user_supplied=True,
    rotation=Rotation.PERSON,
    rotation_note="Change the password at the provider of the mail relay. The same password must "
    "be in secrets.age.",
)
RECEIPTS = SecretSpec(
    "receipt_key",
    None,
    "key for the digests in the records (receipts) of deploys; it is never sent to a node",
    rotation_note="The next deploy runs every role once.",
)


def required_secrets(region: Region) -> tuple[SecretSpec, ...]:
    """Return every secret `region` needs."""
    found = [MAIL] if region.mail else []
    for service in region.services_with_public_name():
        found += region.service_with_region_settings(service).secrets
    found += backup_secrets.secret_specs(region)
    return tuple(dict.fromkeys([*found, RECEIPTS]))


def secret_names_of_node(region: Region, node: str) -> tuple[str, ...]:
    """Return the secrets that `node` needs by name: the mail relay's, its services', its own."""
    services = {None, *region.nodes[node].services}
    return tuple(
        spec.name
        for spec in required_secrets(region)
        if spec is not RECEIPTS
        and (spec.node == node if spec.node else services & {spec.service, *spec.also_for})
    )
