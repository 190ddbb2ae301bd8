"""Rules across the fields of a region, each with the reason and what to write instead.

Every rule is a small function that yields `(path, message)`; `RULES` is the list of them. They run
after the shape is known to be right, all of them, so that a volunteer sees every error at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from chautari.region import catalog, polls
from chautari.region.containers import CONTAINER_RULES
from chautari.region.meetings import MEETING_RULES
from chautari.region.model import AUXILIARY_SERVICES, Region
from chautari.region.rule import Finding, Pins, Rule, placing

GROUPS = {
    "all", "ungrouped", "localhost", "base", "firewall", "mail", "nginx", "tls", "postgresql",
    "mariadb", "redis", "php", "nextcloud", *polls.APPS, "repository", "turn", "videobridge",
    "jitsi", "bigbluebutton", "containers", "greenlight", "scalelite",
}  # fmt: skip
SENDERS = {"nextcloud", "polls", "greenlight"}  # services that send mail
POOL = ", or place scalelite on a further node, which makes a pool of several"
RESERVED_ADDRESSES = 9  # in a sandbox's network: gateway, small internet and room to grow


def each_service_on_one_node(region: Region, _: Pins) -> Iterator[Finding]:
    """A service has one home: a second one would fight over its name and data."""
    for service in region.services.placed():
        if not any(service in node.services for node in region.nodes.values()):
            yield (
                ("services", service),
                f"no node carries {service}; add it to a node's list: services: [{service}]",
            )
    seen: dict[str, str] = {}
    for name, node in region.nodes.items():
        for index, service in enumerate(node.services):
            many = service in AUXILIARY_SERVICES or (service == "bigbluebutton" and region.pooled)
            if service in seen and not many:
                yield (
                    ("nodes", name, "services", index),
                    f"{service} already stands on {seen[service]}; keep it on one node"
                    + (POOL if service == "bigbluebutton" else ""),
                )
            seen.setdefault(service, name)


def addresses_are_unique(region: Region, _: Pins) -> Iterator[Finding]:
    """Two nodes behind one address and port would be one machine deployed twice."""
    seen: dict[tuple[str, int], str] = {}
    for name, node in region.nodes.items():
        for field, address in (("address", node.address), ("address6", node.address6)):
            if address is None:
                continue
            if other := seen.get((address, node.port)):
                yield (
                    ("nodes", name, field),
                    f"{address} is already the address of {other}; each node needs its own",
                )
            seen[address, node.port] = name


def address6_is_version_6(region: Region, _: Pins) -> Iterator[Finding]:
    """`address6` beside `address` is for the AAAA record."""
    for name, node in region.nodes.items():
        if node.address6 and ip_address(node.address6).version != 6:
            yield ("nodes", name, "address6"), f"{node.address6} is not IPv6; write it in address"


def names_are_unique(region: Region, _: Pins) -> Iterator[Finding]:
    """Two services cannot answer under one name, nor a service under its region's node name."""
    seen: dict[str, str] = {name: f"node {name}" for name in region.nodes}
    for service in region.deployed_services():
        if service == "bigbluebutton" and region.pooled:
            continue
        label = region.services.label_of(service)
        if label in seen:
            where = "bigbluebutton" if service == "scalelite" else service
            yield (
                ("services", where, "host"),
                f"{label!r} is already the name of {seen[label]}; choose another label",
            )
        seen[label] = service


def node_names_are_free(region: Region, _: Pins) -> Iterator[Finding]:
    """A node called like one of Ansible's groups would get that group's roles."""
    for name in region.nodes:
        if name in GROUPS:
            yield ("nodes", name), f"{name!r} is a word of Ansible's or a role; choose another name"


def somebody_can_open_the_secrets(region: Region, _: Pins) -> Iterator[Finding]:
    """Secrets are encrypted to the operators' keys; without an operator nobody could read them."""
    if not region.operators and region.sandbox is None:
        yield (
            ("operators",),
            "nobody could log in or open the secrets; add one: ana: ssh-ed25519 AAAA… ana@laptop",
        )
    for name, keys in region.operators.items():
        if not keys:
            yield ("operators", name), "no key; paste the line of ~/.ssh/id_ed25519.pub"


def operators_are_people(region: Region, _: Pins) -> Iterator[Finding]:
    """An operator named as a node's login account would take it over, and lock it on leaving."""
    logins = {node.user: name for name, node in region.nodes.items()}
    for name in region.operators:
        if name in logins:
            yield (
                ("operators", name),
                f"{logins[name]} logs in with the account {name}; give the person another name",
            )


def sandbox_addresses_are_inside(region: Region, _: Pins) -> Iterator[Finding]:
    """A sandbox never reaches a real machine, and serves doubles to containers alone."""
    if region.sandbox is None:
        return
    network = ip_network(region.sandbox.network)
    for name, node in region.nodes.items():
        address = ip_address(node.address)
        inside = address in network
        reserved = inside and int(address) - int(network.network_address) <= RESERVED_ADDRESSES
        if not inside or reserved or address == network.broadcast_address:
            first = network.network_address + RESERVED_ADDRESSES + 1
            yield (
                ("nodes", name, "address"),
                f"{address} cannot be a container of the sandbox; choose one between {first} and "
                f"{network.broadcast_address - 1}",
            )


def services_can_send_mail(region: Region, _: Pins) -> Iterator[Finding]:
    """Accounts and password resets need mail; without a relay it would vanish in silence."""
    if region.mail is None and any(SENDERS & set(node.services) for node in region.nodes.values()):
        yield (
            ("mail",),
            "the services send mail (password resets, invitations) and no relay is set; write "
            "mail: {relay: smtp.example.org, user: …, from: …}",
        )


def nextcloud_release_is_pinned(region: Region, pins: Pins) -> Iterator[Finding]:
    """A release is only ever unpacked when its checksum was known before."""
    nextcloud = region.services.nextcloud
    known_pins = pins.get("nextcloud", {})
    if nextcloud is None or nextcloud.version is None or nextcloud.version in known_pins:
        return
    known = ", ".join(sorted(known_pins, reverse=True))
    yield (
        ("services", "nextcloud", "version"),
        f"no checksum is known for {nextcloud.version}; choose one of {known}, or pin it in "
        "artifacts.lock",
    )


def nextcloud_fits_the_os(region: Region, _: Pins) -> Iterator[Finding]:
    """Nextcloud 35 refuses to start on PHP 8.2, which is what Debian 12 has."""
    nextcloud = region.services.nextcloud
    if nextcloud is None or nextcloud.version is None:
        return
    for node in region.nodes.values():
        if "nextcloud" not in node.services or node.os not in catalog.PHP_OF:
            continue
        if not catalog.runs_on(nextcloud.version, node.os):
            php = ".".join(map(str, catalog.PHP_OF[node.os]))
            yield (
                ("services", "nextcloud", "version"),
                f"{nextcloud.version} does not run on {node.os}'s PHP {php}; choose "
                f"{catalog.newest_for(node.os).version} or another OS",
            )


def polls_release_is_pinned(region: Region, pins: Pins) -> Iterator[Finding]:
    """Where upstream publishes no checksum, a region must have one of its own.

    A sandbox needs none: it installs what `--mirror` gives, or a double.
    """
    if "polls" not in region.deployed_services():
        return
    chosen = region.services.of_polls()
    app = polls.APPS[chosen.app]
    version = chosen.version or app.release.version
    if version in pins.get(chosen.app, {}) or (region.sandbox and chosen.version is None):
        return
    known = version == app.release.version
    yield (
        ("services", "polls", "version") if region.services.polls else placing(region, "polls"),
        f"no checksum is known for {app.title} {version}; fetch it over two different lines"
        f"{f' from {app.release.url}' if known else ''}, compare, and pin it in artifacts.lock: "
        f"{chosen.app}: {{{version}: {{url: …, sha256: …}}}}",
    )


def polls_fit_the_os(region: Region, _: Pins) -> Iterator[Finding]:
    """An app that upstream no longer develops stops at the PHP it knows."""
    app = polls.APPS[region.services.of_polls().app]
    for name, node in region.nodes.items():
        known = node.os in catalog.PHP_OF
        if "polls" in node.services and known and not app.runs_on(node.os):
            php = ".".join(map(str, catalog.PHP_OF[node.os]))
            fitting = " or ".join(os for os in catalog.PHP_OF if app.runs_on(os))
            yield (
                ("nodes", name, "os"),
                f"{app.title} does not run on {node.os}'s PHP {php}; place polls on a node with "
                f"os: {fitting}",
            )


def ubuntu_is_for_bigbluebutton(region: Region, _: Pins) -> Iterator[Finding]:
    """The roles of the other services are made for Debian and tried on nothing else."""
    for name, node in region.nodes.items():
        others = [service for service in node.services if service != "bigbluebutton"]
        if others and node.os not in catalog.PHP_OF:
            yield (
                ("nodes", name, "os"),
                f"{', '.join(others)} stands on Debian, not on {node.os}; write os: debian-13, or "
                "take it out of this node's services",
            )


def ubuntu_in_a_sandbox_is_stood_in_for(region: Region, _: Pins) -> Iterator[Finding]:
    """No image of Ubuntu is made here, and a sandbox says openly what it has in its place."""
    if region.sandbox is None:
        return
    for name, node in region.nodes.items():
        if node.os not in catalog.PHP_OF and node.os not in region.sandbox.os_substitutes:
            yield (
                ("nodes", name, "os"),
                f"a sandbox has no {node.os}; name a substitute: sandbox: {{os_substitutes: "
                f"{{{node.os}: {{os: debian-12, memory_mb: 900, cores: 1}}}}}}",
            )


RULES: tuple[Rule, ...] = (
    each_service_on_one_node,
    addresses_are_unique,
    address6_is_version_6,
    names_are_unique,
    node_names_are_free,
    somebody_can_open_the_secrets,
    operators_are_people,
    sandbox_addresses_are_inside,
    services_can_send_mail,
    nextcloud_release_is_pinned,
    nextcloud_fits_the_os,
    polls_release_is_pinned,
    polls_fit_the_os,
    ubuntu_is_for_bigbluebutton,
    ubuntu_in_a_sandbox_is_stood_in_for,
    *MEETING_RULES,
    *CONTAINER_RULES,
)


def findings(region: Region, pins: Pins) -> list[Finding]:
    """Return what every rule found in `region`; `pins` are the releases with a known checksum."""
    return [finding for rule in RULES for finding in rule(region, pins)]
