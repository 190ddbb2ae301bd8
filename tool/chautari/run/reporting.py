"""Builds the region's report around what the nodes told: services, doubles, what to do next."""

from __future__ import annotations

import time

from chautari.region.model import Region
from chautari.render.internet import Internet
from chautari.render.variables import Place, nextcloud_release
from chautari.report.model import Double, NodeState, RegionReport, ServiceInfo
from chautari.run.request import Plan, Request


def empty(request: Request, internet: Internet) -> RegionReport:
    """Return the report of a run that begins now."""
    region = request.inventory.region
    return RegionReport(
        region=region.region,
        domain=region.domain,
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        command=request.command,
        doubles=[Double(item.name, item.version, item.reason) for item in internet.doubles],
    )


ENDINGS: dict[str, NodeState] = {"check": "verified", "plan": "planned"}


def finish(report: RegionReport, ready: Plan, mode: str, seconds: float) -> RegionReport:
    """Return `report` with its services and hints filled in; `mode` is what was asked for."""
    report.seconds = seconds
    for node in report.nodes:
        if node.state == "converged":
            node.state = ENDINGS.get(mode, "converged")
    report.services = services(ready)
    report.hints = _hints(report, ready)
    return report


def services(ready: Plan) -> list[ServiceInfo]:
    """Return how each service that was worked on is opened."""
    region = ready.inventory.region
    found = []
    for name in ready.request.chosen():
        if "nextcloud" in region.nodes[name].services:
            place = Place(ready.inventory, ready.internet, name)
            release = nextcloud_release(place)
            double = ready.internet.is_double("nextcloud")
            found.append(
                ServiceInfo(
                    service="nextcloud",
                    url=f"https://{region.fqdn(region.services.of('nextcloud').host)}/",
                    node=name,
                    version=release.version + (" (double)" if double else ""),
                    login="admin",
                    note=f"password: deploy secrets show {region.region} nextcloud_admin_password",
                )
            )
    return found


def hosts_line(region: Region) -> str:
    """Return lines for /etc/hosts with which a browser on this machine finds a sandbox."""
    lines = []
    for node in region.nodes.values():
        for service in node.services:
            lines.append(f"{node.address} {region.fqdn(region.services.of(service).host)}")
    return "; ".join(lines)


def _hints(report: RegionReport, ready: Plan) -> list[str]:
    hints = []
    if not report.ok:
        hints.append(f"mend what is named above, then: deploy region {report.region}")
    if ready.inventory.region.sandbox is not None and report.services:
        line = hosts_line(ready.inventory.region)
        hints.append(f"to open it in a browser here, add to /etc/hosts: {line}")
        hints.append(f"and let the browser trust the sandbox's CA: {ready.internet.ca_file}")
    return hints
