"""Host variables: every value a role needs, computed here so that Jinja derives nothing.

One function a role returns that role's public variables; names start with the role's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from chautari.region import catalog
from chautari.region.catalog import Artifact
from chautari.region.model import Region
from chautari.region.polls import APPS
from chautari.render import apps, bigbluebutton, containers, jitsi, packages, polls
from chautari.render.context import NodeContext, Variables
from chautari.render.placement import closed_ports_of, names_of, ports_of, roles_of
from chautari.secrets import specs as secret_names
from chautari.secrets.store import SecretStore

__all__ = ["NodeContext", "NodeVariables", "Variables", "nextcloud_release", "of_node"]
LOCALES = {
    "es": "es_ES.UTF-8", "pt": "pt_BR.UTF-8", "ne": "ne_NP.UTF-8", "hi": "hi_IN.UTF-8",
    "bn": "bn_BD.UTF-8", "ta": "ta_IN.UTF-8", "si": "si_LK.UTF-8", "fr": "fr_FR.UTF-8",
}  # fmt: skip
# By app: the databases it needs, by the role that makes them.
DATABASES: dict[str, dict[str, tuple[str, ...]]] = {
    "nextcloud": {"postgresql": ("nextcloud",)},
    "greenlight": {"postgresql": ("greenlight",)},
    "scalelite": {"postgresql": ("scalelite",)},
    **{name: app.databases for name, app in APPS.items()},
}


@dataclass(frozen=True)
class NodeVariables:
    """All of one node's variables; `secret` ones only ever travel in 0600 files.

    `doubles` are the names of the region's doubles: only checks may behave differently for them.
    """

    node: str
    roles: tuple[str, ...]
    public: Variables
    secret: Variables
    doubles: tuple[str, ...] = ()


def of_node(context: NodeContext, secrets: SecretStore | None) -> NodeVariables:
    """Return the variables of every role of the node; without `secrets` none are included."""
    roles = roles_of(context.region, context.node)
    public: Variables = {}
    for role in roles:
        public |= _BY_ROLE[role](context)
    secret = _secrets(context.region, context.node, secrets) if secrets else {}
    doubles = tuple(item.name for item in context.endpoints.doubles)
    return NodeVariables(context.node, roles, public, secret, doubles)


def base(context: NodeContext) -> Variables:
    """Return who the machine is, and who may log in."""
    region = context.region
    operators = {name: list(keys) for name, keys in region.operators.items()}
    operators |= {name: list(keys) for name, keys in context.endpoints.operators.items()}
    language = region.languages[0]
    return {
        "base_hostname": context.node,
        "base_domain": region.domain,
        "base_timezone": region.timezone,
        "base_locale": LOCALES.get(language.split("_")[0], "en_US.UTF-8"),
        "base_operators": [{"name": name, "keys": keys} for name, keys in operators.items()],
        "base_drift_mail": region.mail.drift if region.mail else "never",
    }


def firewall(context: NodeContext) -> Variables:
    """Return the ports of the node's services."""
    return {
        "firewall_ssh_port": context.region.nodes[context.node].port,
        "firewall_ports": ports_of(context.region, context.node),
        "firewall_closed_ports": closed_ports_of(context.region, context.node),
    }


def mail(context: NodeContext) -> Variables:
    """Return the relay the node hands its mail to."""
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
        # Only a sandbox can be asked whether the checks' mail arrived; elsewhere it would be noise.
        "mail_discard": [] if context.endpoints.mail_api else list(context.check_emails.values()),
    }


def nginx(context: NodeContext) -> Variables:
    """Return the names that plain HTTP redirects to HTTPS, and whether nginx answers there.

    Beside BigBlueButton the port is haproxy's.
    """
    services = context.region.nodes[context.node].services
    return {
        "nginx_names": list(names_of(context.region, context.node)),
        "nginx_https": bigbluebutton.SERVICE not in services,
    }


def tls(context: NodeContext) -> Variables:
    """Return the certificates the node asks for."""
    addresses = list(context.region.nodes[context.node].addresses)
    return {
        "tls_certificates": [
            {"name": name, "addresses": addresses}
            for name in names_of(context.region, context.node)
        ],
        "tls_acme_directory": context.endpoints.acme_directory or context.region.acme.directory,
        "tls_contact": context.region.contact,
    }


def postgresql(context: NodeContext) -> Variables:
    """Return the databases of the node's services."""
    return {"postgresql_databases": _databases(context, "postgresql")}


def mariadb(context: NodeContext) -> Variables:
    """Return the databases of the node's services."""
    return {"mariadb_databases": _databases(context, "mariadb")}


def _databases(context: NodeContext, role: str) -> list[Variables]:
    services = context.region.nodes[context.node].services
    apps = [context.region.services.app_of(service) for service in services]
    names = [name for app in apps for name in DATABASES.get(app, {}).get(role, ())]
    return [{"name": name, "owner": name} for name in names]


def redis(context: NodeContext) -> Variables:
    """Return who may use the Redis socket."""
    if containers.services_of(context.region, context.node):
        return containers.redis(context)
    return {"redis_socket_group_members": ["www-data"]}


def php(_: NodeContext) -> Variables:
    """Return nothing of PHP's own: services bring their modules and pools."""
    return {}


def turn(context: NodeContext) -> Variables:
    """Return the settings of the TURN server for the meetings that the node carries."""
    own = "bigbluebutton" in context.region.nodes[context.node].services
    return bigbluebutton.turn(context) if own else jitsi.turn(context)


def nextcloud(context: NodeContext) -> Variables:
    """Return Nextcloud's release, address and settings."""
    region = context.region
    settings = region.services.of_nextcloud()
    release = nextcloud_release(context)
    return {
        "nextcloud_version": release.version,
        "nextcloud_url": release.url,
        "nextcloud_sha256": release.sha256,
        "nextcloud_domain": region.fqdn(settings.host),
        "nextcloud_quota": settings.quota,
        "nextcloud_language": region.languages[0],
        "nextcloud_phone_region": region.country or "",
        "nextcloud_maintenance_window_start": night_hour(region.timezone),
        "nextcloud_low_bandwidth": region.bandwidth == "low",
        "nextcloud_mail_from": region.mail.from_ if region.mail else region.contact,
        "nextcloud_check_email": context.check_emails["nextcloud"],
        **apps.variables(context, release.version),
        **bigbluebutton.nextcloud(context),
    }


def nextcloud_release(context: NodeContext) -> Artifact:
    """Return the release to install: the sandbox's, the region's choice, or the OS's newest."""
    if found := context.endpoints.artifacts.get("nextcloud"):
        return found
    chosen = context.region.services.of_nextcloud().version
    if chosen is not None:
        return context.inventory.releases["nextcloud"][chosen]
    return catalog.newest_for(context.region.nodes[context.node].os)


def night_hour(timezone: str) -> int:
    """Return the hour in UTC at which it is one o'clock at night in `timezone`, in winter time.

    Nextcloud puts heavy jobs into the four hours that begin then.
    """
    winter = datetime(2026, 1, 15, 1, 0, tzinfo=ZoneInfo(timezone))
    return winter.astimezone(UTC).hour


def _secrets(region: Region, node: str, secrets: SecretStore) -> Variables:
    found: Variables = secrets.values_of(secret_names.of_node(region, node))
    suffix = "_database_password"
    passwords = {name.removesuffix(suffix): found[name] for name in found if name.endswith(suffix)}
    found |= {"postgresql_passwords": passwords} if passwords else {}
    found |= jitsi.shaped_secrets(region, node, found)
    found |= containers.shaped_secrets(region, node, found)
    return found | bigbluebutton.shaped_secrets(region, node, found)


_BY_ROLE: dict[str, Callable[[NodeContext], Variables]] = {
    function.__name__: function
    for function in (
        base, firewall, mail, nginx, tls, postgresql, mariadb, redis, php, nextcloud,
        packages.repository, turn, jitsi.videobridge, jitsi.jitsi, bigbluebutton.bigbluebutton,
        containers.containers, containers.greenlight, containers.scalelite,
    )
}  # fmt: skip
_BY_ROLE |= dict.fromkeys(APPS, polls.variables)
# By service: the release that is unpacked on a node; the others are installed from packages.
RELEASES: dict[str, Callable[[NodeContext], Artifact]] = {
    "nextcloud": nextcloud_release,
    "polls": polls.release,
}


def release_of(context: NodeContext, service: str) -> Artifact:
    """Return the release of `service` that is unpacked at `place`."""
    return RELEASES[service](context)
