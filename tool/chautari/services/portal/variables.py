"""Variables of the front page's role: all that the page says, and the region's descriptor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chautari import __version__
from chautari.backup import scope
from chautari.federation import signing_key
from chautari.federation.descriptor import unsigned_descriptor
from chautari.services.base import AccessDetails
from chautari.services.languages import ENGLISH
from chautari.services.portal.languages import (
    PAGE_LANGUAGES,
    fallback_page_language,
    language_names_by_code,
    language_without_country,
)
from chautari.services.portal.settings import Portal

if TYPE_CHECKING:
    from chautari.federation.peers import PinnedPeer
    from chautari.region.model import Region
    from chautari.render.context import NodeContext
    from chautari.services.base import FrontPageEntry, Secrets, Service, Variables

NAME = "portal"
HTTPS = 443
# Each site of the role `web_site` publishes there when a backup of its node was last restored.
RESTORED_PATH = "/.well-known/chautari/backup.json"


def portal_variables(context: NodeContext) -> Variables:
    """Return the name of the page, its content, and the descriptor that the node signs."""
    region = context.region
    return {
        "portal_domain": region.public_name(NAME, context.node),
        "portal_default_language": fallback_page_language(region.languages),
        "portal_languages": list(PAGE_LANGUAGES),
        "portal_page": page_content(context),
        "portal_descriptor": json.dumps(unsigned_descriptor(context), sort_keys=True),
        "portal_federation": peer_watch_settings(context),
        "portal_peer_networks": list(context.endpoints.peer_networks),
        "portal_letters": letters_to_peers(context),
    }


def letters_to_peers(context: NodeContext) -> list[dict[str, str]]:
    """Return the encrypted letters that the region publishes for its peers."""
    return [
        {"domain": context.loaded_region.peers[name].domain, "content": sealed.decode()}
        for name, sealed in context.loaded_region.letters.items()
    ]


def secret_variables(_: Region, __: str, secrets: Secrets) -> Variables:
    """Return the key that the descriptor is signed with."""
    return {"portal_signing_key": secrets[signing_key.NAME]}


def page_content(context: NodeContext) -> Variables:
    """Return everything that the page shows, as the node's program reads it."""
    region, settings = context.region, context.region.settings_of(Portal)
    return {
        "version": __version__,
        "region": region.region,
        "url": f"https://{region.public_name(NAME, context.node)}/",
        "title": settings.title or {"": region.region[:1].upper() + region.region[1:]},
        "about": settings.about,
        "accounts": settings.accounts,
        "contact": region.contact,
        "country": region.country or "",
        "timezone": region.timezone,
        # Lists, since the files on the way to the node sort the keys of maps.
        "languages": list(region.languages),
        "page_languages": list(PAGE_LANGUAGES),
        "language_names": language_names_by_code([*region.languages, *PAGE_LANGUAGES]),
        "services": services_on_page(context),
        "peers": peers_on_page(context),
    }


def services_on_page(context: NodeContext) -> list[Variables]:
    """Return the services that people open, in the order in which the nodes list them."""
    region = context.region
    names = dict.fromkeys(name for node in region.nodes for name in region.nodes[node].services)
    services = map(region.service_with_region_settings, names)
    return [
        _front_page_service_variables(context, service, service.front_page)
        for service in services
        if service.front_page
    ]


def _front_page_service_variables(
    context: NodeContext, service: Service, entry: FrontPageEntry
) -> Variables:
    region = context.region
    own = f"https://{region.fqdn(region.dns_label_of_service(service.name))}"
    # A service with a web server of its own has no site of the role `web_site`.
    is_backed_up = not service.owns_https and any(
        service.name == item.name
        for node in scope.nodes_with_backup(region)
        for item in scope.states_of_node(region, node)
    )
    opened_in = next((name for name in entry.opened_in if region.nodes_running(name)), "")
    return {
        "name": service.name,
        "app": service.app.capitalize() or service.title,
        "url": "" if opened_in else f"{own}/",
        "opened_in": opened_in,
        "account": entry.account_for(region),
        "languages": _language_support_of_app(context, service),
        "check": {
            "url": f"{own}{entry.check_path}",
            "expected_text": entry.expected_text,
            "restored_url": f"{own}{RESTORED_PATH}" if is_backed_up else "",
            # A router may not lead the node back to its own public address.
            "on_this_node": context.node in region.nodes_running(service.name),
        },
    }


def _language_support_of_app(context: NodeContext, service: Service) -> dict[str, str]:
    """Return for each of the region's languages whether the app has it: full, partial or none."""
    if service.translations is None:
        return {}
    node = context.region.first_node_running(service.name)
    translations = service.translations(context._replace(node=node))
    partial = {
        language_without_country(name.replace(translations.separator, "_"))
        for name in translations.partial
    }
    return {
        language: "full"
        if language_without_country(language) == ENGLISH
        or translations.find_upstream_locale(language)
        else "partial"
        if language_without_country(language) in partial
        else "none"
        for language in context.region.languages
    }


def peers_on_page(context: NodeContext) -> list[Variables]:
    """Return the federated regions and their services, as their descriptors name them."""
    return [
        {
            "name": name,
            "region": peer.descriptor.region,
            "domain": peer.domain,
            "url": next((x.address for x in peer.descriptor.services if x.service == NAME), ""),
            "services": [
                {"service": item.service, "title": item.title, "url": item.address}
                for item in peer.descriptor.services
                if item.service != NAME
            ],
        }
        for name, peer in context.loaded_region.peers.items()
    ]


def peer_watch_settings(context: NodeContext) -> Variables:
    """Return the pinned peers that the node watches, and how it reports silent ones.

    Without peers there is nothing to watch. A region with peers has a mail relay, as rules require.
    """
    region, peers = context.region, context.loaded_region.peers
    if not peers or region.mail is None:
        return {"peers": []}
    return {
        "region": region.region,
        "domain": region.domain,
        "contact": region.contact,
        "silence_hours": region.federation.silence_hours,
        "mail_from": region.mail.from_,
        "mail_relay": {"host": region.mail.relay, "port": region.mail.port},
        "peers": [_watched_peer_variables(name, peer) for name, peer in peers.items()],
    }


def _watched_peer_variables(name: str, peer: PinnedPeer) -> Variables:
    """Return what the node compares a peer's descriptor with, and whom it writes to."""
    address = urlsplit(peer.url)
    return {
        "name": name,
        "region": peer.descriptor.region,
        "domain": peer.domain,
        "host": address.hostname,
        "port": address.port or HTTPS,
        "key": peer.key,
        "serial": peer.descriptor.serial,
        "contact": peer.descriptor.contact,
        "languages": list(peer.descriptor.languages),
    }


def access_details_for_report(_: NodeContext) -> AccessDetails:
    """Return the version of the page, which is that of the toolkit."""
    return AccessDetails(__version__, note="open to everyone, without a login")
