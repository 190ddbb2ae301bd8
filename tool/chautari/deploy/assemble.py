"""Builds the region's report around what the nodes told: services, doubles, what to do next."""

from __future__ import annotations

import time
from collections.abc import Callable

from chautari.deploy.request import DeployContext, Request
from chautari.region.model import Region
from chautari.render import containers, packages
from chautari.render.endpoints import Endpoints
from chautari.render.variables import NodeContext, release_of
from chautari.report.model import ENDINGS, Double, Notice, RegionReport, ServiceInfo

Opened = tuple[str, str, str]  # version, login, note


def new_report(request: Request, endpoints: Endpoints) -> RegionReport:
    """Return the report of a run that begins now."""
    region = request.inventory.region
    return RegionReport(
        region=region.region,
        domain=region.domain,
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        command=request.command,
        doubles=[Double(item.name, item.version, item.reason) for item in endpoints.doubles]
        + _stand_ins(request),
    )


def _stand_ins(request: Request) -> list[Double]:
    """Return the containers that stand in for an operating system, as the doubles they are."""
    region = request.inventory.region
    found = ((name, region.os_substitute(name)) for name in request.node_names())
    return [
        Double(region.nodes[name].os, f"on {name}", f"a container of {item.os} stands in for it")
        for name, item in found
        if item
    ]


def finalize(
    report: RegionReport, context: DeployContext, mode: str, seconds: float
) -> RegionReport:
    """Return `report` with its services and hints filled in; `mode` is what was asked for."""
    report.seconds = seconds
    for node in report.nodes:
        if node.state == "converged":
            node.state = ENDINGS.get(mode, "converged")
    report.services = services(context)
    report.hints = _hints(report, context)
    return report


def services(context: DeployContext) -> list[ServiceInfo]:
    """Return how each service that was worked on is opened."""
    region = context.inventory.region
    found = []
    for name in context.request.node_names():
        node = NodeContext(context.inventory, context.endpoints, name)
        for service in region.services_on(name):
            app = region.services.app_of(service)
            version, login, note = _OPENED[service](node, service)
            double = context.endpoints.is_double(app)
            found.append(
                ServiceInfo(
                    service=app,
                    url=f"https://{region.public_name(service, name)}/",
                    node=name,
                    version=version + (" (double)" if double else ""),
                    login=login,
                    note=note,
                )
            )
    return found


def _admin(context: NodeContext, service: str) -> Opened:
    secret = f"{context.region.services.app_of(service)}_admin_password"
    note = f"password: deploy secrets show {context.region.region} {secret}"
    return release_of(context, service).version, "admin", note


def _jitsi(context: NodeContext, _: str) -> Opened:
    settings = context.region.services.of_jitsi()
    if settings.access == "open":
        return packages.jitsi_version(context), "", "anyone starts a meeting"
    note = f"passwords: deploy secrets show {context.region.region} jitsi_member_NAME"
    return packages.jitsi_version(context), ", ".join(settings.members), note


def _bigbluebutton(context: NodeContext, _: str) -> Opened:
    settings = context.region.services.of_bigbluebutton()
    note = {
        "nextcloud": "rooms are in Nextcloud",
        "greenlight": "rooms are in Greenlight",
        "none": "its API: bbb-conf --secret",
    }
    return packages.bigbluebutton_version(context), "", note[settings.rooms]


def _greenlight(context: NodeContext, _: str) -> Opened:
    region = context.region
    login = region.services.of_greenlight().admin or region.contact
    note = f"first password: deploy secrets show {region.region} greenlight_admin_password"
    return containers.image(context, "greenlight").version, login, note


def _scalelite(context: NodeContext, _: str) -> Opened:
    return containers.image(context, "scalelite").version, "", "its servers: chautari-pool, there"


_OPENED: dict[str, Callable[[NodeContext, str], Opened]] = {
    "nextcloud": _admin,
    "polls": _admin,
    "jitsi": _jitsi,
    "bigbluebutton": _bigbluebutton,
    "greenlight": _greenlight,
    "scalelite": _scalelite,
}


def hosts_line(region: Region) -> str:
    """Return lines for /etc/hosts with which a browser on this machine finds a sandbox."""
    lines = []
    for name, node in region.nodes.items():
        for service in region.services_on(name):
            lines.append(f"{node.address} {region.public_name(service, name)}")
    return "; ".join(lines)


def _hints(report: RegionReport, context: DeployContext) -> list[Notice]:
    """Return how to open a sandbox's services from this machine."""
    if context.inventory.region.sandbox is None or not report.services:
        return []
    return [
        Notice("add_hosts", {"lines": hosts_line(context.inventory.region)}),
        Notice("trust_authority", {"file": str(context.endpoints.ca_file)}),
    ]
