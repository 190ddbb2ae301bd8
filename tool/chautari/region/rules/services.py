"""Rules about where services run, and what every service needs."""

from __future__ import annotations

from collections.abc import Iterator

from chautari.language import _
from chautari.region.model import Region
from chautari.region.rule import Finding, Pins, Rule, field_path, placement_path
from chautari.region.yaml_reader import Path_
from chautari.services.registry import SERVICES

LONGEST_LABEL = 63
LONGEST_NAME = 253


def check_settings_have_a_node(region: Region, __: Pins) -> Iterator[Finding]:
    """Settings of a service that runs on no node are probably a forgotten placement."""
    for service in region.services.configured_services():
        if not region.nodes_running(service):
            yield (
                ("services", service),
                _(
                    "no node runs {service}; add it to a node: services: [{service}]",
                    service=service,
                ),
            )


def check_each_service_on_one_node(region: Region, __: Pins) -> Iterator[Finding]:
    """A service runs on one node: a second one would compete for its name and data."""
    first: dict[str, str] = {}
    for name, node in region.nodes.items():
        for index, service in enumerate(node.services):
            found = region.service_with_region_settings(service)
            if service in first and not (found.is_auxiliary or found.per_node):
                fix = (
                    _(", or {per_node_fix}", per_node_fix=_(found.per_node_fix))
                    if found.per_node_fix
                    else ""
                )
                yield (
                    ("nodes", name, "services", index),
                    _(
                        "{service} already runs on {first}; keep it on one node{fix}",
                        service=service,
                        first=first[service],
                        fix=fix,
                    ),
                )
            first.setdefault(service, name)


def check_nodes_support_their_services(region: Region, __: Pins) -> Iterator[Finding]:
    """The roles of a service are tested on certain operating systems and processors only."""
    for name, node in region.nodes.items():
        for service in region.services_of(name):
            requires = service.requires
            if node.os not in requires.os:
                yield (
                    ("nodes", name, "os"),
                    _(
                        "{title} requires {os}, but this node has {os2}; install {os3} on the "
                        "machine and write os: {os3}, or move {name} to another node",
                        title=service.title,
                        os=" or ".join(requires.os),
                        os2=node.os,
                        os3=requires.os[-1],
                        name=service.name,
                    ),
                )
            if node.arch is not None and node.arch not in requires.arch:
                yield (
                    ("nodes", name, "arch"),
                    _(
                        "{title} has no packages for {arch}; choose a machine with an "
                        "{arch2} processor",
                        title=service.title,
                        arch=node.arch,
                        arch2=" or ".join(requires.arch),
                    ),
                )


def check_public_names_are_unique(region: Region, __: Pins) -> Iterator[Finding]:
    """Two services cannot answer under one name, nor a service under the name of a node."""
    seen: dict[str, str] = {name: _("node {name}", name=name) for name in region.nodes}
    for name in region.services_with_public_name():
        service = region.service_with_region_settings(name)
        if service.per_node:
            continue
        label = region.dns_label_of_service(name)
        if label in seen:
            yield (
                ("services", service.host_of or name, "host"),
                _(
                    "{label!r} is already the name of {seen}; choose another label",
                    label=label,
                    seen=seen[label],
                ),
            )
        seen[label] = name


def check_public_names_fit_into_dns(region: Region, __: Pins) -> Iterator[Finding]:
    """DNS limits one label to 63 characters and a whole name to 253 (RFC 1035)."""
    for node in region.nodes:
        names: dict[Path_, str] = {("nodes", node): region.fqdn(node)}
        for name in region.services_with_public_name_on(node):
            names[placement_path(region, name, node)] = region.public_name(name, node)
        for path, name in names.items():
            label = name.partition(".")[0]
            if len(label) > LONGEST_LABEL:
                yield (
                    path,
                    _(
                        "the DNS name would begin with the label {label}, which has {count} "
                        "characters, but at most {longest_label} are allowed; shorten the "
                        "node's name or the service's `host`",
                        label=label,
                        count=len(label),
                        longest_label=LONGEST_LABEL,
                    ),
                )
            elif len(name) > LONGEST_NAME:
                yield (
                    path,
                    _(
                        "the DNS name would have {count} characters, but at most "
                        "{longest_name} are allowed; shorten the region's `domain`",
                        count=len(name),
                        longest_name=LONGEST_NAME,
                    ),
                )


def check_services_can_send_mail(region: Region, __: Pins) -> Iterator[Finding]:
    """Accounts and password resets need mail; without a relay mail would be lost silently."""
    services = [service for node in region.nodes for service in region.services_of(node)]
    if region.mail is None and any(service.sends_mail for service in services):
        yield (
            ("mail",),
            _(
                "the services send mail (password resets, invitations, reports about silent "
                "peers), but the region has no mail relay; write mail: {relay: "
                "smtp.example.org, user: …, from: …}"
            ),
        )


def check_images_are_pinned(region: Region, pins: Pins) -> Iterator[Finding]:
    """An image is only run when its digest is known; a sandbox runs a double."""
    for name, service in SERVICES.items():
        image = service.image
        if image is None or not region.nodes_running(name) or region.sandbox is not None:
            continue
        version: str | None = getattr(
            region.services.settings_or_defaults_of(name), "version", None
        )
        selected = image.to_artifact(name, version, pins)
        if not selected.sha256:
            yield (
                field_path(region, name, "version"),
                _(
                    "no digest is known for {title} {version}; to pin the image in "
                    "artifacts.lock, run: deploy lock {region}",
                    title=service.title,
                    version=selected.version,
                    region=region.region,
                ),
            )


RULES: tuple[Rule, ...] = (
    check_settings_have_a_node,
    check_each_service_on_one_node,
    check_nodes_support_their_services,
    check_public_names_are_unique,
    check_public_names_fit_into_dns,
    check_services_can_send_mail,
    check_images_are_pinned,
)
