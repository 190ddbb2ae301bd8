"""One variable of one role changes: nothing but that role and its dependants has to run."""

from __future__ import annotations

from typing import Any

from benchmarks import peers
from benchmarks.lab import ROOT, Lab
from benchmarks.measure import Figure, Sample, at_most, figure, once, seconds

NODE = "cloud"
QUOTAS = ("2 GB", "3 GB")
EXPECTED = frozenset({"nextcloud"})
PEER_ROUNDS = 3


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Change Nextcloud's quota and deploy; the report tells which roles ran."""
    lab.deployed()
    ours: list[Sample] = []
    peer: list[Sample] = []
    ran: list[tuple[str, ...]] = []
    for turn in range(rounds):
        _change_quota(lab)
        sample = once(lab.redeploy("--node", NODE, "--json"))
        ran.append(roles_that_ran(lab.report(sample)))
        ours.append(sample)
        print(f"  round {turn + 1}: {sample.seconds:.2f} s, ran {', '.join(ran[-1])}")
        if turn < PEER_ROUNDS:
            # The peer has the same change to make: the quota goes back, and is pushed.
            _change_quota(lab)
            lab.region_changed()
            peer.append(once(peers.push(lab, [NODE])))
            once(lab.redeploy("--node", NODE))
    _set_quota(lab, QUOTAS[0])
    once(lab.redeploy("--node", NODE))
    lab.region_changed()
    return [
        figure(
            "deploy after one changed variable", seconds(ours), seconds(peer), against="stock push",
            note=lab.no_checks()[1],
        ),
        verdict(ran),
    ]  # fmt: skip


def verdict(ran: list[tuple[str, ...]]) -> Figure:
    """Return how many roles ran too many or too few in the worst of the rounds."""
    told = sorted({", ".join(roles) or "none" for roles in ran})
    return figure(
        "difference from the number of roles that had to run",
        [float(max(len(EXPECTED.symmetric_difference(roles)) for roles in ran))],
        unit="roles", goal=at_most(0, "roles"), reason="a stock push runs every role",
        note=f"ran in {len(ran)} rounds: {'; '.join(told)}",
    )  # fmt: skip


def roles_that_ran(report: dict[str, Any]) -> tuple[str, ...]:
    """Return the roles that a report tells of as run on the node.

    What belongs to no role, such as looking at the machine's facts, is told beside them.
    """
    [node] = report["nodes"]
    ran = (role["name"] for role in node["roles"] if not role["up_to_date"])
    return tuple(name for name in ran if (ROOT / "roles" / name).is_dir())


def _change_quota(lab: Lab) -> None:
    """Take the other quota than the one that the region has now."""
    text = lab.region.read_text()
    quota = next(quota for quota in QUOTAS if f"quota: {quota}" not in text)
    _set_quota(lab, quota)


def _set_quota(lab: Lab, quota: str) -> None:
    text = lab.region.read_text()
    for old in QUOTAS:
        text = text.replace(f"quota: {old}", f"quota: {quota}")
    lab.region.write_text(text)
