"""The bill of materials of a deploy: what is installed on each node, as CycloneDX 1.6 (JSON).

    region ─ node ─ packages of its roles, pinned archives and container images with their SHA-256

What a node says is data: names and versions were checked when they arrived, and no other text of a
node gets in here.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from chautari import __version__
from chautari.report.model import InstalledArtifact, InstalledPackage, NodeReport, RegionReport

FILE = "bill-of-materials.cdx.json"
_Json = dict[str, object]
_OS = re.compile(r"([a-z]{1,20})-([0-9]{1,4}(?:\.[0-9]{1,4})?)")


def render_bill(report: RegionReport) -> str:
    """Return the bill of materials of a deploy; empty if no node was deployed."""
    nodes = [node for node in report.nodes if node.packages or _artifacts_of(report, node)]
    return json.dumps(_bill_object(report, nodes), indent=1) + "\n" if nodes else ""


def _bill_object(report: RegionReport, nodes: list[NodeReport]) -> _Json:
    region = f"region/{report.region}"
    components: dict[str, _Json] = {}
    parts: dict[str, list[str]] = {region: [_node_reference(node) for node in nodes]}
    roles = _roles_by_package(nodes)
    for node in nodes:
        own = [_node_component(node)]
        contained = [_package_component(item, node.os, roles[item.name]) for item in node.packages]
        contained += map(_artifact_component, _artifacts_of(report, node))
        parts[_node_reference(node)] = [str(item["bom-ref"]) for item in contained]
        # A package that several nodes have is one component.
        components |= {str(item["bom-ref"]): item for item in own + contained}
    unique = {reference: list(dict.fromkeys(found)) for reference, found in parts.items()}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lifecycles": [{"phase": "operations"}],
            "tools": {
                "components": [
                    {"type": "application", "name": "chautari", "version": __version__}
                ]
            },
            "component": {"type": "platform", "bom-ref": region, "name": report.region},
        },
        "components": list(components.values()),
        "dependencies": [
            {"ref": reference, "dependsOn": found} for reference, found in unique.items()
        ],
        # The packages that a package needs, and those of the base system, are not listed.
        "compositions": [{"aggregate": "incomplete", "dependencies": list(unique)}],
    }  # fmt: skip


def _artifacts_of(report: RegionReport, node: NodeReport) -> list[InstalledArtifact]:
    return [item for item in report.artifacts if item.node == node.name]


def _node_reference(node: NodeReport) -> str:
    return f"node/{node.name}"


def _node_component(node: NodeReport) -> _Json:
    found: _Json = {"type": "device", "bom-ref": _node_reference(node), "name": node.name}
    if _OS.fullmatch(node.os):
        found["properties"] = _properties({"os": [node.os]})
    return found


def _roles_by_package(nodes: list[NodeReport]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for node in nodes:
        for item in node.packages:
            found.setdefault(item.name, set()).update(item.roles)
    return {name: sorted(roles) for name, roles in found.items()}


def _package_component(item: InstalledPackage, os: str, roles: list[str]) -> _Json:
    match = _OS.fullmatch(os)
    vendor = match[1] if match else "unknown"
    about = {"arch": item.architecture} | ({"distro": os} if match else {})
    name, version = quote(item.name, safe=""), quote(item.version, safe="")
    purl = f"pkg:deb/{vendor}/{name}@{version}?{urlencode(about)}"
    return {
        "type": "application", "bom-ref": purl, "name": item.name, "version": item.version,
        "purl": purl, "properties": _properties({"role": roles}),
    }  # fmt: skip


def _artifact_component(item: InstalledArtifact) -> _Json:
    """Return an archive or an image; the digest is that of the pin, which the node has compared."""
    name = item.url.rpartition("/")[2].lower() if item.image else item.name
    about = (
        {"repository_url": item.url, "tag": item.version}
        if item.image
        else {"checksum": f"sha256:{item.sha256}", "download_url": item.url}
    )
    version = f"sha256:{item.sha256}" if item.image else item.version
    kind = "oci" if item.image else "generic"
    purl = f"pkg:{kind}/{quote(name, safe='')}@{quote(version, safe='')}?{urlencode(about)}"
    hashes = [{"alg": "SHA-256", "content": item.sha256}]
    found: _Json = {
        "type": "container" if item.image else "application", "bom-ref": purl, "name": item.name,
        "version": item.version, "hashes": hashes, "purl": purl,
        "properties": _properties(
            {"service": [item.service], "double": ["true"] if item.double else []}
        ),
    }  # fmt: skip
    if not item.image:
        found["externalReferences"] = [
            {"type": "distribution", "url": item.url, "hashes": hashes}
        ]  # fmt: skip
    return found


def _properties(values: dict[str, Iterable[str]]) -> list[_Json]:
    return [
        {"name": f"chautari:{key}", "value": value} for key, found in values.items()
        for value in found
    ]  # fmt: skip
