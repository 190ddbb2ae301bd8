"""The report as one JSON object, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from chautari.errors import BadInput
from chautari.files import read_regular_file
from chautari.language import _
from chautari.report.model import (
    BackupStatus,
    CheckResult,
    Double,
    NodeReport,
    Notice,
    PeerStatus,
    Reason,
    RegionReport,
    RoleReport,
    ServiceAccess,
)

Json = Mapping[str, object]
FILE = "report.json"
MAX_BYTES = 64 << 20  # of a report that is read again


def render_json(report: RegionReport) -> str:
    """Return the report as one JSON object, in ASCII so that every terminal and pipe takes it."""
    return json.dumps(report_object(report), indent=2, ensure_ascii=True) + "\n"


def read_report(file: Path) -> RegionReport:
    """Return the report that was written to `file`.

    Raises:
        BadInput: when it cannot be read, or is not such a report.
    """
    raw = read_regular_file(file, MAX_BYTES)
    try:
        data = json.loads(raw[: MAX_BYTES + 1])
        data["checks"] = data["checks"]["results"]
        data["peers"] = [
            {"name": name, "domain": peer["domain"], "links": peer["links"]}
            for name, peer in data["peers"].items()
        ]
        return TypeAdapter(RegionReport).validate_python(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadInput(
            _("{file} is not a report that this version can read", file=file),
            fix=_("open report.html in the same folder, or run deploy verify again"),
        ) from None


def is_last_written_report_good(directory: Path) -> bool:
    """Return whether the report that was written to `directory` last says that all is well."""
    try:
        return json.loads(read_regular_file(directory / FILE, MAX_BYTES))["ok"] is True
    except (BadInput, ValueError, KeyError, TypeError, RecursionError):
        return False


def report_object(report: RegionReport) -> Json:
    """Return the report as plain JSON data."""
    return {
        "ok": report.ok,
        "region": report.region,
        "domain": report.domain,
        "command": report.command,
        "started": report.started,
        "seconds": round(report.seconds, 1),
        "nodes": [_node_object(node) for node in report.nodes],
        "left_out": list(report.left_out),
        "checks": checks_object(report),
        "services": _plain_objects(report.services),
        "doubles": _plain_objects(report.doubles),
        "peers": {peer.name: peer_object(peer) for peer in report.peers},
        "backups": [backup_object(item) for item in report.backups],
        "hints": [_notice_object(hint) for hint in report.hints],
    }


def checks_object(report: RegionReport) -> Json:
    """Return the counts of the checks and their results."""
    return {
        "passed": report.count_checks("passed"),
        "failed": report.count_checks("failed"),
        "skipped": report.count_checks("skipped"),
        "results": _plain_objects(report.checks),
    }


def peer_object(peer: PeerStatus) -> Json:
    """Return the status of a peer: the pair's state, and that of each service."""
    return {
        "domain": peer.domain,
        "pair": peer.state,
        "cause": peer.worst_link.cause,
        "next_step": peer.worst_link.next_step,
        "links": [asdict(link) | {"data": dict(link.data)} for link in peer.links],
    }


def backup_object(item: BackupStatus) -> Json:
    """Return how the backups of a node in one target stand, or its tests of a restore."""
    days = None if item.age_seconds is None else round(item.age_seconds / 86_400, 2)
    kind = "backup" if item.target else "drill"
    return {"kind": kind} | asdict(item) | {"data": dict(item.data), "age_days": days}


def _node_object(node: NodeReport) -> Json:
    """Return a node; reasons, notices and refusals carry their code, data and text."""
    fields = asdict(node)
    del fields["packages"]  # the bill of materials has them
    return fields | {
        "ok": node.ok,
        "seconds": round(node.seconds, 1),
        "roles": [_role_object(role) for role in node.roles],
        "notices": [_notice_object(notice) for notice in node.notices],
        "refusals": [
            asdict(item) | {"reason": item.reason, "fix": item.fix} for item in node.refusals
        ],
    }


def _role_object(role: RoleReport) -> Json:
    return asdict(role) | {"why": [_notice_object(reason) for reason in role.why]}


def _notice_object(item: Notice | Reason) -> Json:
    return asdict(item) | {"text": item.text}


def _plain_objects(items: Sequence[CheckResult | ServiceAccess | Double]) -> list[Json]:
    return [asdict(item) for item in items]
