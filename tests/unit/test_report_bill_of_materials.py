"""The bill of materials of a deploy: valid CycloneDX, complete, and nothing else from a node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from node_samples import SECRETS
from packageurl import PackageURL
from pool_samples import POOL
from region_samples import POLLS, SANDBOX, load_sample_region
from report_samples import HOSTILE, bad_report, good_report, hostile_report

from chautari.deploy import node_events, region_report
from chautari.deploy.node_events import NodeReportBuilder
from chautari.deploy.request import DeployContext, Request
from chautari.report import writer
from chautari.report.bill_of_materials import FILE, render_bill
from chautari.report.model import InstalledArtifact, InstalledPackage, NodeReport, RegionReport

# The sandbox has no app deck.
ARCHIVES = ("framadate", "nextcloud", "calendar", "contacts", "tasks")
NGINX = InstalledPackage("nginx", "1.22.1-9+deb12u1", "amd64", ("nginx", "nextcloud"))
OPENSSH = InstalledPackage("openssh-server", "1:9.2p1-2~x", "amd64", ("ssh",))


def deployed_report() -> RegionReport:
    report = good_report()
    for node, os in zip(report.nodes, ("debian-12", "debian-13"), strict=True):
        node.os, node.packages = os, [NGINX, OPENSSH]
    report.artifacts = [
        InstalledArtifact(
            "med1", "nextcloud", "nextcloud", "35.0.1", "https://download.example.org/n.tar.bz2",
            "ab" * 32, double=True,
        ),
        InstalledArtifact(
            "bog1", "greenlight", "greenlight", "3.8.2.4", "docker.io/bigbluebutton/greenlight",
            "12" * 32, image=True,
        ),
    ]  # fmt: skip
    return report


def bill_of(report: RegionReport) -> Any:
    """Return the bill, which has to be valid by the official schema."""
    text = render_bill(report)
    assert text.isascii()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = json.loads(text)
    references = [item["bom-ref"] for item in found["components"]]
    assert len(set(references)) == len(references)
    named = {ref for item in found["dependencies"] for ref in (item["ref"], *item["dependsOn"])}
    assert named == {*references, found["metadata"]["component"]["bom-ref"]}
    return found


def test_validator_refuses_what_is_not_valid() -> None:
    """Otherwise, the other tests would prove nothing."""
    found = bill_of(deployed_report())
    for wrong in ({"specVersion": 1.6}, {"extra": 1}, {"components": [{"name": "no type"}]}):
        text = json.dumps(found | wrong)
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is not None, wrong


def test_bill_lists_packages_archives_and_images_of_each_node() -> None:
    found = bill_of(deployed_report())
    contained = {item["ref"]: item["dependsOn"] for item in found["dependencies"]}
    assert contained["region/andes"] == ["node/bog1", "node/med1"]
    urls = [PackageURL.from_string(item) for item in contained["node/bog1"]]
    assert [(item.type, item.namespace, item.name, item.version) for item in urls] == [
        ("deb", "debian", "nginx", "1.22.1-9+deb12u1"),
        ("deb", "debian", "openssh-server", "1:9.2p1-2~x"),
        ("oci", None, "greenlight", f"sha256:{'12' * 32}"),
    ]
    assert urls[0].qualifiers == {"arch": "amd64", "distro": "debian-12"}
    assert urls[2].qualifiers == {
        "repository_url": "docker.io/bigbluebutton/greenlight", "tag": "3.8.2.4",
    }  # fmt: skip
    by_name = {item["name"]: item for item in found["components"]}
    assert [item["value"] for item in by_name["nginx"]["properties"]] == ["nextcloud", "nginx"]
    archive = by_name["nextcloud"]
    assert archive["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert archive["externalReferences"][0]["url"] == "https://download.example.org/n.tar.bz2"
    assert {"name": "chautari:double", "value": "true"} in archive["properties"]
    assert by_name["greenlight"]["type"] == "container"


def test_package_of_several_nodes_is_listed_once() -> None:
    report = deployed_report()
    report.nodes[1].os = report.nodes[0].os
    names = [item["name"] for item in bill_of(report)["components"]]
    assert (names.count("nginx"), names.count("bog1"), names.count("med1")) == (1, 1, 1)


def test_each_bill_has_its_own_number() -> None:
    numbers = {bill_of(deployed_report())["serialNumber"] for _ in range(2)}
    assert len(numbers) == 2


def test_bill_is_written_only_after_a_deploy(tmp_path: Path) -> None:
    assert FILE not in writer.write_reports(bad_report(), tmp_path / "a")
    file = writer.write_reports(deployed_report(), tmp_path / "b")[FILE]
    assert json.loads(file.read_text())["bomFormat"] == "CycloneDX"
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    assert "artifacts" not in report and "packages" not in report["nodes"][0]


def package(**changed: Any) -> dict[str, Any]:
    return {
        "name": "nginx",
        "version": "1.0",
        "architecture": "amd64",
        "roles": ["nginx"],
    } | changed


def feed(*packages: Any) -> NodeReport:
    report = NodeReport("bog1", "203.0.113.10", "converged", "debian-12")
    event = {"event": "installed_packages", "packages": list(packages)}
    NodeReportBuilder(report, lambda *_: None).feed_line(json.dumps(event))
    return report


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../x"}, {"name": "a" * 101}, {"name": "x\x1b[2J"}, {"name": "{{ x }}"},
        {"version": "1.0 | sh"}, {"version": ""}, {"version": "1" * 101},
        {"architecture": "amd64\n"}, {"name": HOSTILE.replace("\ud800", "")},
    ],
)  # fmt: skip
def test_hostile_package_is_left_out_and_named_as_such(wrong: dict[str, Any]) -> None:
    report = feed(package(), package(**wrong))
    assert [item.name for item in report.packages] == ["nginx"]
    assert [notice.data for notice in report.notices] == [{"number": 1}]


def test_hostile_role_is_left_out() -> None:
    report = feed(package(roles=["nginx", "</script>", *["base"] * 999]))
    assert set(report.packages[0].roles) == {"nginx", "base"}
    assert len(report.packages[0].roles) < node_events.MAX_PACKAGE_ROLES


def test_number_of_packages_has_a_limit() -> None:
    report = feed(*(package(name=f"p{number}") for number in range(9_000)))
    assert len(report.packages) == node_events.MAX_PACKAGES
    assert [notice.data for notice in report.notices] == [{"number": 6_000}]


@pytest.mark.parametrize("packages", [None, {}, [1], [{"name": "x"}], [package(version=1)]])
def test_malformed_list_fails_the_node(packages: Any) -> None:
    report = NodeReport("bog1", "203.0.113.10", "converged")
    event = {"event": "installed_packages", "packages": packages}
    NodeReportBuilder(report, lambda *_: None).feed_line(json.dumps(event))
    assert [item.code for item in report.refusals] == ["unreadable_message"]


def test_hostile_report_has_a_valid_bill() -> None:
    report = hostile_report()
    for node in report.nodes:
        node.packages = [NGINX]
    bill_of(report)


@pytest.mark.parametrize(
    ("text", "mode", "state", "expected"),
    [
        (POLLS, "deploy", "converged", dict.fromkeys(ARCHIVES, False)),
        (POOL, "deploy", "converged", {"greenlight": True, "scalelite": True}),
        (POLLS, "verify", "converged", {}),
        (POLLS, "deploy", "failed", {}),
    ],
)
def test_region_s_archives_and_images_are_listed_after_a_deploy(
    text: str, mode: str, state: Any, expected: dict[str, bool], tmp_path: Path
) -> None:
    request = Request(load_sample_region(tmp_path, text), "region", checks=False)
    context = DeployContext(request, SANDBOX, SECRETS, ())
    report = region_report.new_report(request, SANDBOX)
    report.nodes = [NodeReport(name, "203.0.113.10", state) for name in request.node_names()]
    region_report.finalize_report(report, context, mode, 0.0)
    assert {item.name: item.image for item in report.artifacts} == expected
    for item in report.artifacts:
        assert len(item.sha256) == 64 and item.version
    if expected:
        assert bill_of(report)
