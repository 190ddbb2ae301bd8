"""Reports that the tests of every output share."""

from __future__ import annotations

from chautari.report.model import (
    BackupStatus,
    CheckResult,
    Double,
    NodeReport,
    Notice,
    PeerLink,
    PeerStatus,
    Refusal,
    RegionReport,
    RoleReport,
    ServiceAccess,
    TaskFailure,
)

HOSTILE = (
    '<script>alert(1)</script> [red]x[/red] \x1b[31mred\x1b[0m\x00\x08 & "q" ]]> '
    "\ufffe\ud800{{ 7*7 }}"
)


def good_report() -> RegionReport:
    """Two nodes, one of them with a service, and nothing wrong."""
    bog1 = NodeReport("bog1", "203.0.113.10", "converged", "Debian 12 (bookworm)", "r1", 3, 0, 41.3)
    bog1.roles = [RoleReport("base", ok=14, changed=3, skipped=1, seconds=21.2)]
    med1 = NodeReport("med1", "203.0.113.11", "converged", "Debian 13 (trixie)", "r2", 5, 0, 128.9)
    med1.roles = [RoleReport("nginx", 12, 1, 0, 0, 4.1), RoleReport("nextcloud", 31, 4, 0, 2, 91.4)]
    checks = [
        CheckResult("bog1", "base", "test_clock", "passed", "The clock is kept in step", 0.1),
        CheckResult("med1", "nginx", "test_runs", "passed", "nginx runs", 0.2),
        CheckResult("med1", "nextcloud", "test_login", "passed", "The login page opens", 1.25),
    ]
    return RegionReport(
        region="andes",
        domain="andes.example.org",
        started="2026-11-23T17:06:34+00:00",
        command="deploy region",
        seconds=372.4,
        nodes=[bog1, med1],
        checks=checks,
        services=[
            ServiceAccess(
                "nextcloud", "https://cloud.andes.example.org/", "med1", "34.0.4", "admin"
            )
        ],
    )


def peer_samples() -> list[PeerStatus]:
    """Return a peer in each state."""
    descriptor = PeerLink("green", "current", "serial 1796000000, until 2026-12-30T00:00:00Z")
    place = {"service": "wiki", "title": "Wiki", "node": "med1"}
    return [
        PeerStatus(
            "himalaya", "himalaya.example.org",
            (descriptor, PeerLink("green", "trusted", "both trust each other", **place)),
        ),
        PeerStatus(
            "karakoram", "karakoram.example.org",
            (descriptor, PeerLink("pending", "waiting", "the wiki of karakoram does not trust ours "
             "yet", "ask the group of karakoram to deploy", since=1796000000, **place)),
        ),
        PeerStatus(
            "a-region-with-a-long-name-31-xx", "long.example.org",
            (PeerLink("broken", "expired", "the last descriptor counted until "
             "2026-10-30T00:00:00Z", "ask the other group to deploy again"),),
        ),
    ]  # fmt: skip


def backup_samples() -> list[BackupStatus]:
    """Return backups in each state, and a test of a restore."""
    step = "run: deploy backup andes --node med1"
    return [
        BackupStatus("bog1", "disk", "green", "stored", "the last backup is 3 hours old", "", 1, 9),
        BackupStatus("bog1", "himalaya", "pending", "never", "there is no backup yet", step),
        BackupStatus("med1", "disk", "broken", "too_old", "the last backup is 9 days old", step, 1),
        BackupStatus("med1", "", "pending", "drill_never", "no restore has been tested yet", step),
    ]


def bad_report() -> RegionReport:
    """A failed, a refused and an unreachable node, a failing and a skipped check, a double."""
    report = good_report()
    bog1, med1 = report.nodes
    bog1.state, bog1.failed = "failed", 1
    bog1.failure = TaskFailure(
        "nginx", "Reload nginx", "port 443 is taken", ["bog1 nginx[7]: bind() failed"]
    )
    med1.notices = [Notice("role_message", {"text": "The calendar app could not be fetched."})]
    refusal = Refusal("error", {"message": "Only 0.9 GB are free.", "fix": "Make room."})
    cal1 = NodeReport("cal1", "203.0.113.12", "refused", "Debian 12", refusals=[refusal])
    report.nodes += [cal1, NodeReport("pas1", "2001:db8::14", "unreachable")]
    report.checks[2].outcome = "failed"
    report.checks[2].message = "answered 502 Bad Gateway"
    report.checks[2].advice = "Look whether PHP runs."
    report.checks[2].journal = [f"med1 php[{number}]: gone" for number in range(15)]
    report.checks[2].side = "outside"
    report.checks[1].outcome = "skipped"
    report.checks[1].message = "There is nothing to ask."
    report.doubles = [Double("nextcloud", "34.0.4", "no release was at hand")]
    report.hints = [Notice("trust_authority", {"file": "/ca.pem"})]
    report.peers = peer_samples()
    report.backups = backup_samples()
    return report


def hostile_report() -> RegionReport:
    """A report in which every text that can be hostile is."""
    report = bad_report()
    report.region = report.domain = report.command = report.started = HOSTILE
    for node in report.nodes:
        node.name, node.address, node.os = node.name + HOSTILE, HOSTILE, HOSTILE
        node.notices = [
            Notice("role_message", {"text": text}) for text in (HOSTILE, "a\r\nb\tc" + "w" * 200)
        ]
        node.refusals = [Refusal("error", {"message": HOSTILE, "fix": HOSTILE})]
        node.failure = TaskFailure(HOSTILE, HOSTILE, HOSTILE, [HOSTILE, "漢" * 90])
        node.roles = [RoleReport(HOSTILE, 1, 1, 1, 1, 1.0)]
    for check in report.checks:
        check.node += HOSTILE
        check.service = check.check = check.title = check.message = check.advice = HOSTILE
        check.journal = [HOSTILE, "क्षेत्र " * 40]
    report.services = [
        ServiceAccess(HOSTILE, "javascript:alert(1)", "med1", HOSTILE, HOSTILE, HOSTILE),
        ServiceAccess(HOSTILE, "https://[broken", HOSTILE, HOSTILE, HOSTILE, HOSTILE),
    ]
    report.doubles = [Double(HOSTILE, HOSTILE, HOSTILE)]
    report.hints = [Notice("trust_authority", {"file": HOSTILE})]
    link = PeerLink(
        "broken", HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, {"a": HOSTILE}
    )
    report.peers = [PeerStatus(HOSTILE, HOSTILE, (link, link))]
    report.backups = [BackupStatus(HOSTILE, HOSTILE, "broken", HOSTILE, HOSTILE, HOSTILE, 1)]
    return report
