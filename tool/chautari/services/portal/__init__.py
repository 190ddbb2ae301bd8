"""The region's front page, its signed descriptor, and its entries for directories."""

from __future__ import annotations

from chautari.federation.signing_key import signing_key_spec
from chautari.services.base import Requirements, Role, Service
from chautari.services.portal import variables
from chautari.services.portal.settings import Portal
from chautari.services.portal.variables import NAME

SERVICE = Service(
    name=NAME,
    title="Front page",
    summary="the region's services and their state, in the reader's language",
    page="portal",
    settings=Portal,
    example={"title": "Red Andes", "accounts": "Ask the secretary of your cooperative."},
    roles=("nginx", "tls", "portal"),
    # After the last shared role, so that the node's own services respond to the first checks.
    own_roles=(Role("portal", "Front page", after=("tls", "containers")),),
    secrets=(signing_key_spec(NAME),),
    secret_variables=variables.secret_variables,
    publishes_descriptor=True,
    requires=Requirements(installed="/var/lib/chautari-portal"),
    variables={"portal": variables.portal_variables},
    release_and_login_for_report=variables.release_and_login_for_report,
)
