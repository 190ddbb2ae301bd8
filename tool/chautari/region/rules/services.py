"""Rules about where services run, and what every service needs."""

from __future__ import annotations

from collections.abc import Iterator

from chautari.region.model import Region
from chautari.region.rule import Finding, Pins, Rule, field_path, placement_path
from chautari.region.yaml_reader import Path_
from chautari.services.registry import SERVICES

LONGEST_LABEL = 63
LONGEST_NAME = 253


def check_settings_have_a_node(region: Region, _: Pins) -> Iterator[Finding]:
    """Settings of a service that runs on no node are probably a forgotten placement."""
    for service in region.services.configured_services():
        if not region.nodes_running(service):
            yield (
                ("services", service),
                f"no node runs {service}; add it to a node: services: [{service}]",
            )


def check_each_service_on_one_node(region: Region, _: Pins) -> Iterator[Finding]:
    """A service runs on one node: a second one would compete for its name and data."""
    first: dict[str, str] = {}
    for name, node in region.nodes.items():
        for index, service in enumerate(node.services):
            found = region.service_for_region(service)
            if service in first and not (found.is_auxiliary or found.per_node):
                fix = f", or {found.per_node_fix}" if found.per_node_fix else ""
                yield (
                    ("nodes", name, "services", index),
                    f"{service} already runs on {first[service]}; keep it on one node{fix}",
                )
            first.setdefault(service, name)


def check_nodes_support_their_services(region: Region, _: Pins) -> Iterator[Finding]:
    """The roles of a service are tested on certain operating systems and processors only."""
    for name, node in region.nodes.items():
        for service in region.services_of(name):
            requires = service.requires
            if node.os not in requires.os:
                yield (
                    ("nodes", name, "os"),
                    f"{service.title} requires {' or '.join(requires.os)}; this node has "
                    f"{node.os}; install {requires.os[-1]} on the machine and write os: "
                    f"{requires.os[-1]}, or move {service.name} to another node",
                )
            if node.arch is not None and node.arch not in requires.arch:
                yield (
                    ("nodes", name, "arch"),
                    f"{service.title} has no packages for {node.arch}; choose a machine with an "
                    f"{' or '.join(requires.arch)} processor",
                )


def check_public_names_are_unique(region: Region, _: Pins) -> Iterator[Finding]:
    """Two services cannot answer under one name, nor a service under the name of a node."""
    seen: dict[str, str] = {name: f"node {name}" for name in region.nodes}
    for name in region.public_services():
        service = region.service_for_region(name)
        if service.per_node:
            continue
        label = region.dns_label_of_service(name)
        if label in seen:
            yield (
                ("services", service.host_of or name, "host"),
                f"{label!r} is already the name of {seen[label]}; choose another label",
            )
        seen[label] = name


def check_public_names_fit_into_dns(region: Region, _: Pins) -> Iterator[Finding]:
    """DNS limits one label to 63 characters and a whole name to 253 (RFC 1035)."""
    for node in region.nodes:
        names: dict[Path_, str] = {("nodes", node): region.fqdn(node)}
        for name in region.public_services_on(node):
            names[placement_path(region, name, node)] = region.public_name(name, node)
        for path, name in names.items():
            label = name.partition(".")[0]
            if len(label) > LONGEST_LABEL:
                yield (
                    path,
                    f"the DNS name would begin with the label {label}, which has "
                    f"{len(label)} characters, but at most {LONGEST_LABEL} are allowed; shorten "
                    "the node's name or the service's `host`",
                )
            elif len(name) > LONGEST_NAME:
                yield (
                    path,
                    f"the DNS name would have {len(name)} characters, but at most {LONGEST_NAME} "
                    "are allowed; shorten the region's `domain`",
                )


def check_services_can_send_mail(region: Region, _: Pins) -> Iterator[Finding]:
    """Accounts and password resets need mail; without a relay mail would be lost silently."""
    services = [service for node in region.nodes for service in region.services_of(node)]
    if region.mail is None and any(service.sends_mail for service in services):
        yield (
            ("mail",),
            "the services send mail (password resets, invitations, reports about silent peers), "
            "but the region has no mail relay; "
            "write mail: {relay: smtp.example.org, user: …, from: …}",
        )


def check_images_are_pinned(region: Region, pins: Pins) -> Iterator[Finding]:
    """An image is only run when its digest is known; a sandbox runs a double."""
    for name, service in SERVICES.items():
        image = service.image
        if image is None or not region.nodes_running(name) or region.sandbox is not None:
            continue
        version: str | None = getattr(region.services.settings_for(name), "version", None)
        selected = image.to_artifact(name, version, pins)
        if not selected.sha256:
            yield (
                field_path(region, name, "version"),
                f"no digest is known for {service.title} {selected.version}; to pin the image in "
                f"artifacts.lock, run: deploy lock {region.region}",
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
