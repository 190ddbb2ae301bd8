"""Build the region's report around the nodes' reports: services, doubles and hints."""

from __future__ import annotations

import shlex
import time

from chautari.deploy.request import DeployContext, Request
from chautari.language import _
from chautari.region.model import Region
from chautari.render.endpoints import Endpoints
from chautari.render.variables import NodeContext
from chautari.report.message_templates import Data
from chautari.report.model import (
    ENDINGS,
    BackupStatus,
    Double,
    InstalledArtifact,
    Notice,
    PeerStatus,
    RegionReport,
    ServiceAccess,
)
from chautari.services.base import Service
from chautari.services.containers import image_to_run
from chautari.ssh.target import ssh_targets

# States of a node whose services can be opened.
_RUNNING = ("converged", "verified")


def new_report(request: Request, endpoints: Endpoints) -> RegionReport:
    """Return the report of a run that begins now."""
    region = request.loaded_region.region
    return RegionReport(
        region=region.region,
        domain=region.domain,
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        command=request.command,
        left_out=tuple(name for name in region.nodes if name not in request.node_names()),
        doubles=[Double(item.name, item.version, item.reason) for item in endpoints.doubles]
        + _list_os_doubles(request),
    )


def _list_os_doubles(request: Request) -> list[Double]:
    """Return a double for each node whose container runs a substitute operating system."""
    region = request.loaded_region.region
    found = ((name, region.os_substitute(name)) for name in request.node_names())
    return [
        Double(
            region.nodes[name].os,
            _("on {name}", name=name),
            _("a container with {os} replaces it", os=item.os),
        )
        for name, item in found
        if item
    ]


def finalize_report(
    report: RegionReport, context: DeployContext, mode: str, began: float
) -> RegionReport:
    """Fill in what is known at the end, such as services and hints; return the same report."""
    report.peers = _peer_statuses(report, context, mode)
    report.backups = _backup_statuses(report, context, mode)
    report.seconds = time.monotonic() - began
    for node in report.nodes:
        if node.state == "converged":
            node.state = ENDINGS.get(mode, "converged")
    report.services = service_accesses(context)
    if mode == "deploy":
        report.artifacts = _installed_artifacts(report, context)
    if mode in ("deploy", "plan"):
        _add_language_notices(report, context)
    report.hints = _sandbox_access_notices(report, context)
    return report


def _peer_statuses(report: RegionReport, context: DeployContext, mode: str) -> list[PeerStatus]:
    """Return the status of the region's peers; like the checks, only if it was requested."""
    if not context.request.loaded_region.peers or not _includes_checks(context.request, mode):
        return []
    from chautari.deploy import peer_status  # a region without peers does not pay for it

    return peer_status.peer_statuses_after_run(context, report.nodes)


def _includes_checks(request: Request, mode: str) -> bool:
    return request.checks and not request.detach and mode in ("deploy", "verify")


def _backup_statuses(report: RegionReport, context: DeployContext, mode: str) -> list[BackupStatus]:
    """Return how the backups of the nodes stand; like the checks, only if it was requested."""
    region = context.loaded_region.region
    if region.backup is None or not _includes_checks(context.request, mode):
        return []
    from chautari.deploy import backup_status  # a region without backups does not pay for it

    names, identities = tuple(node.name for node in report.nodes), context.request.identities
    targets = ssh_targets(
        context.loaded_region, context.endpoints, names, identities, context.known_hosts
    )
    return backup_status.ask_nodes_for_backups(region, targets, report.nodes)


def service_accesses(context: DeployContext) -> list[ServiceAccess]:
    """Return how each service that was worked on is opened."""
    region = context.loaded_region.region
    found = []
    for name in context.request.node_names():
        node = NodeContext(context.loaded_region, context.endpoints, name)
        for service in region.services_of(name):
            if service.access_details_for_report is None:
                continue
            access_details_for_report = service.access_details_for_report(node)
            double = context.endpoints.is_double(service.role_and_artifact_name)
            found.append(
                ServiceAccess(
                    service=service.role_and_artifact_name,
                    url=f"https://{region.public_name(service.name, name)}/",
                    node=name,
                    version=access_details_for_report.version + (" (double)" if double else ""),
                    login=access_details_for_report.login,
                    note=access_details_for_report.note,
                    languages=_translations_by_language(service, node),
                )
            )
    return found


def _installed_artifacts(report: RegionReport, context: DeployContext) -> list[InstalledArtifact]:
    """Return what the services of each node that was deployed came from."""
    region = context.loaded_region.region
    found = []
    for name in (node.name for node in report.nodes if node.state == "converged"):
        node = NodeContext(context.loaded_region, context.endpoints, name)
        for service in region.services_of(name):
            pinned = service.artifacts(node) if service.artifacts else ()
            archives = [context.endpoints.artifacts.get(item.name, item) for item in pinned]
            images = [image_to_run(node, service.name)] if service.image else []
            found += [
                InstalledArtifact(
                    node=name,
                    service=service.name,
                    name=item.name,
                    version=item.version,
                    url=item.url,
                    sha256=item.sha256,
                    image=item in images,
                    double=context.endpoints.is_double(item.name),
                )
                for item in (*archives, *images)
                if item.name not in context.endpoints.missing
            ]
    return found


def _translations_by_language(service: Service, node: NodeContext) -> dict[str, str]:
    """Return the region's languages, each with the name of the service's translation."""
    if service.translations is None:
        return {}
    translations = service.translations(node)
    return {
        language: translations.find_upstream_locale(language) or ""
        for language in node.region.languages
    }


def _add_language_notices(report: RegionReport, context: DeployContext) -> None:
    """Add a notice for each service that lacks one of the region's languages."""
    region = context.loaded_region.region
    for one in report.nodes:
        node = NodeContext(context.loaded_region, context.endpoints, one.name)
        for service in region.services_of(one.name):
            missing = [
                name for name, own in _translations_by_language(service, node).items() if not own
            ]
            if (
                not missing
                or service.translations is None
                or service.access_details_for_report is None
            ):
                continue
            data: Data = {
                "service": service.title,
                "version": service.access_details_for_report(node).version,
                "missing": missing,
                "default": service.translations(node).find_first_locale_or_english(
                    region.languages
                ),
            }
            one.notices.append(Notice("languages_missing", data))


def sandbox_hosts_file_lines(region: Region) -> list[str]:
    """Return lines for /etc/hosts with which a browser on this machine finds a sandbox."""
    lines = []
    for name, node in region.nodes.items():
        names = [
            region.public_name(item, name) for item in region.services_with_public_name_on(name)
        ]
        if names:
            lines.append(" ".join([node.address, *names]))
    return lines


def _sandbox_access_notices(report: RegionReport, context: DeployContext) -> list[Notice]:
    """Return how to open a sandbox's services from this machine."""
    in_sandbox = context.loaded_region.region.sandbox is not None
    running = any(node.state in _RUNNING for node in report.nodes)
    if not in_sandbox or not report.services or not running:
        return []
    lines = sandbox_hosts_file_lines(context.loaded_region.region)
    return [
        Notice("add_hosts", {"lines": shlex.join(lines), "entries": lines}),
        Notice("trust_authority", {"file": str(context.endpoints.ca_file)}),
    ]
