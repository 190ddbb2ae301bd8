"""Variables of the roles that several services share, by the name of the role."""

from __future__ import annotations

from collections.abc import Mapping

from chautari.backup.variables import backup_space_variables, backup_variables
from chautari.language import best_language, texts_of_node_mails
from chautari.region.model import LOGIN_KEYS
from chautari.render.context import NodeContext, Variables
from chautari.render.placement import (
    closed_ports_of_node,
    open_ports_of_node,
    public_names_of_node,
)
from chautari.services.artifacts import PackageRepository
from chautari.services.base import RoleVariables
from chautari.services.containers import image_reference, image_to_run
from chautari.services.shared_roles import BACKUP_ROLE, BACKUP_SPACE_ROLE

LOCALES = {
    "es": "es_ES.UTF-8", "pt": "pt_BR.UTF-8", "ne": "ne_NP.UTF-8", "hi": "hi_IN.UTF-8",
    "bn": "bn_BD.UTF-8", "ta": "ta_IN.UTF-8", "si": "si_LK.UTF-8", "fr": "fr_FR.UTF-8",
}  # fmt: skip


def base_variables(context: NodeContext) -> Variables:
    """Return the node's name and place, and who may log in."""
    region = context.region
    language = region.languages[0]
    return {
        "base_hostname": context.node,
        "base_domain": region.domain,
        "base_timezone": region.timezone,
        "base_locale": LOCALES.get(language.split("_")[0], "en_US.UTF-8"),
        "base_operators": _operators(context),
        "base_drift_mail": region.mail.drift if region.mail else "never",
        "base_region": region.region,
        "base_alerts": bool(region.mail and region.mail.alerts),
        "base_translations": dict(texts_of_node_mails(best_language(region.languages))),
        "base_reboot_window": region.reboot_window or "",
    }


def ssh_variables(context: NodeContext) -> Variables:
    """Return whose keys may log in."""
    node = context.region.nodes[context.node]
    return {
        "ssh_operators": _operators(context),
        "ssh_login_accounts": sorted({"root", node.user}),
        "ssh_remove_other_keys": LOGIN_KEYS in node.adopt,
    }


def _operators(context: NodeContext) -> list[dict[str, object]]:
    operators = {name: list(keys) for name, keys in context.region.operators.items()}
    operators |= {name: list(keys) for name, keys in context.endpoints.operators.items()}
    return [{"name": name, "keys": keys} for name, keys in operators.items()]


def firewall_variables(context: NodeContext) -> Variables:
    """Return the ports of the node's services."""
    region, node = context.region, context.node
    ports = open_ports_of_node(region, node)
    gateway = context.endpoints.peer_gateway
    for service in region.services_of(node):
        for port in service.peer_ports(context) if service.peer_ports else ():
            ports.append(port._replace(sources=(*port.sources, gateway)) if gateway else port)
    return {
        "firewall_ssh_port": region.nodes[node].port,
        "firewall_ports": [port.firewall_variables() for port in ports],
        "firewall_closed_ports": [
            port.firewall_variables() for port in closed_ports_of_node(region, node)
        ],
    }


def fail2ban_variables(context: NodeContext) -> Variables:
    """Return the services with passwords on the node, and the addresses of all nodes."""
    region, node = context.region, context.node
    logs = {service.failed_logins for service in region.services_of(node)}
    return {
        "fail2ban_ssh_port": region.nodes[node].port,
        "fail2ban_ignored": [address for one in region.nodes.values() for address in one.addresses],
        "fail2ban_services": sorted(filter(None, logs)),
    }


def mail_variables(context: NodeContext) -> Variables:
    """Return the relay that the node sends its mail through."""
    settings = context.region.mail
    if settings is None:
        return {}
    return {
        "mail_relay_host": settings.relay,
        "mail_relay_port": settings.port,
        "mail_relay_user": settings.user,
        "mail_from": settings.from_,
        "mail_hostname": context.region.fqdn(context.node),
        "mail_root_to": context.region.contact,
        # Only a sandbox can report whether the checks' mail arrived; elsewhere it would be noise.
        "mail_discard": []
        if context.endpoints.mail_api
        else list(context.emails_for_checks.values()),
    }


def nginx_variables(context: NodeContext) -> Variables:
    """Return the names and languages of the node's sites, and whether nginx serves HTTPS."""
    services = context.region.services_of(context.node)
    return {
        "nginx_names": list(public_names_of_node(context.region, context.node)),
        "nginx_https": not any(service.owns_https for service in services),
        "nginx_languages": list(context.region.languages),
    }


def tls_variables(context: NodeContext) -> Variables:
    """Return the certificates of the node."""
    addresses = list(context.region.nodes[context.node].addresses)
    return {
        "tls_certificates": [
            {"name": name, "addresses": addresses}
            for name in public_names_of_node(context.region, context.node)
        ],
        "tls_acme_directory": context.endpoints.acme_directory or context.region.acme.directory,
        "tls_contact": context.region.contact,
    }


def postgresql_variables(context: NodeContext) -> Variables:
    """Return the databases of the node's services."""
    return {"postgresql_databases": _databases_of_node(context, "postgresql")}


def mariadb_variables(context: NodeContext) -> Variables:
    """Return the databases of the node's services."""
    return {"mariadb_databases": _databases_of_node(context, "mariadb")}


def _databases_of_node(context: NodeContext, role: str) -> list[Variables]:
    services = context.region.services_of(context.node)
    names = [name for service in services for name in service.databases.get(role, ())]
    return [{"name": name, "owner": name} for name in names]


def repository_role_variables(context: NodeContext) -> Variables:
    """Return the package repositories of the node's services, and the releases they are held at."""
    sources = package_repositories_of_node(context)
    return {"repository_sources": [_repository_variables(item) for item in sources]}


def package_repositories_of_node(context: NodeContext) -> list[PackageRepository]:
    """Return the package repositories of the node's services."""
    packages = {
        service.packages.name: service.packages
        for service in context.region.services_of(context.node)
        if service.packages
    }
    return [source for item in packages.values() for source in item.sources(context)]


def _repository_variables(item: PackageRepository) -> Variables:
    return {
        "name": item.name,
        "uri": item.uri,
        "suite": item.suite,
        "components": list(item.components),
        "key_url": item.key_url,
        "fingerprints": list(item.fingerprints),
        "bundle": item.bundle,
        "version": item.release,
        "packages": list(item.packages),
        "fingerprint_url": item.fingerprint_url,
    }


def containers_variables(context: NodeContext) -> Variables:
    """Return the images to install, and registries without TLS, which only a sandbox has."""
    services = context.region.services_of(context.node)
    images = [image_to_run(context, service.name) for service in services if service.image]
    doubles = [item for item in images if context.endpoints.is_double(item.name)]
    return {
        "containers_images": [image_reference(item) for item in images],
        # The sandbox's nodes are containers themselves, on a file system without overlay.
        "containers_driver": "vfs" if doubles else "overlay",
        "containers_plain_registries": sorted({item.url.split("/")[0] for item in doubles}),
    }


VARIABLES: Mapping[str, RoleVariables] = {
    "base": base_variables,
    "ssh": ssh_variables,
    "firewall": firewall_variables,
    "fail2ban": fail2ban_variables,
    "mail": mail_variables,
    "nginx": nginx_variables,
    "tls": tls_variables,
    "postgresql": postgresql_variables,
    "mariadb": mariadb_variables,
    "repository": repository_role_variables,
    "containers": containers_variables,
    BACKUP_ROLE: backup_variables,
    BACKUP_SPACE_ROLE: backup_space_variables,
}
