"""The checks of a node: run on the node, beside the same ones run over SSH.

Both times are a person's: from the command to its end, with start-up, and for ours with whatever
else `deploy verify` does; it looks from outside as well.
"""

from __future__ import annotations

import json
import os
import sys

import yaml

from benchmarks.lab import ROOT, Lab
from benchmarks.measure import (
    Command,
    Figure,
    Sample,
    figure,
    interleaved,
    once,
    seconds,
    times_faster,
)

NODE = "cloud"
FACTOR = 5


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Run every inside check of one node both ways, and count that they are the same."""
    lab.deployed()
    counts: dict[str, set[int]] = {"ours": set(), "peer": set()}
    outside: set[int] = set()
    on_the_node: list[float] = []

    def ours() -> Sample:
        command = lab.command("verify", str(lab.region), "--node", NODE, "--json")
        sample = once(command)
        report = lab.report(sample)
        inside = [item for item in report["checks"]["results"] if item["side"] == "inside"]
        counts["ours"].add(len(inside))
        outside.add(len(report["checks"]["results"]) - len(inside))
        on_the_node.append(report["nodes"][0]["seconds"])
        return sample

    def peer() -> Sample:
        results = lab.place("t") / "results.jsonl"
        sample = once(_over_ssh(lab, str(results)))
        counts["peer"].add(len(results.read_text().splitlines()))
        return sample

    found = interleaved({"deploy verify": ours, "testinfra over SSH": peer}, rounds, print)
    mine, theirs = found.values()
    note = (
        f"checks inside: {sorted(counts['ours'])} by us, {sorted(counts['peer'])} by the peer; "
        f"checks outside, only by us: {sorted(outside)}"
    )
    return [
        figure(
            "all checks of a node", seconds(mine), seconds(theirs),
            goal=times_faster(FACTOR), against="testinfra over SSH", note=note,
        ),
        figure(
            "of that, the checks inside the node", on_the_node, reason="the peer has no such part",
        ),
    ]  # fmt: skip


def _over_ssh(lab: Lab, results: str) -> Command:
    """Return the pytest run that carries out the same checks from here."""
    host = yaml.safe_load((lab.inventory / "hosts.yml").read_text().replace("!unsafe ", ""))
    roles = [role for role, group in host["all"]["children"].items() if NODE in group["hosts"]]
    variables = lab.inventory / "host_vars" / NODE / "main.yml"
    public = yaml.safe_load(variables.read_text().replace("!unsafe ", ""))
    place = lab.place("s")
    settings = place / "settings.json"
    since = once(lab.inside(NODE, "date +%s")).stdout.strip()
    settings.write_text(
        json.dumps(
            {
                "node": NODE,
                "roles": roles,
                "settings": public,
                "doubles": [],
                "since": f"@{since}",
            }
        )
    )
    config = place / "ssh_config"
    config.write_text(
        f"Host {lab.addresses[NODE]}\n  User root\n  IdentityFile {lab.key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {lab.known_hosts}\n"
    )
    files = (ROOT / "roles" / role / "checks" / "test_inside.py" for role in roles)
    argv = (
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
        "-p", "chautari.checks.inside", "--import-mode=importlib", "-c", os.devnull,
        "--rootdir", str(ROOT), f"--hosts=ssh://root@{lab.addresses[NODE]}",
        f"--ssh-config={config}", *map(str, files),
    )  # fmt: skip
    env = {
        "PYTHONPATH": str(ROOT / "tool"),
        "CHAUTARI_SECRETS": os.devnull,
        "CHAUTARI_SETTINGS": str(settings),
        "CHAUTARI_RESULTS": results,
    }
    return Command(argv, env, codes=(0, 1))
