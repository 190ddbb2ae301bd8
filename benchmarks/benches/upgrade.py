"""How long Nextcloud does not answer while a deploy changes it to the next point release.

The archives of both releases are doubles, so only the steps of Nextcloud itself are simulated.
"""

from __future__ import annotations

import json
import re

from benchmarks.lab import Lab
from benchmarks.measure import BenchError, Figure, at_most, figure, once
from chautari.services.nextcloud.releases import RELEASES

NODE = "cloud"
DOWN_SECONDS = 60
RESULT = "/var/lib/nextcloud/upgrade/last.json"


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Deploy the next point release, and the one after it, once a round."""
    lab.deployed()
    down = []
    for turn in range(rounds):
        pin_next_release(lab)
        sample = once(lab.redeploy("--node", NODE))
        result = json.loads(once(lab.inside(NODE, f"cat {RESULT}")).stdout)
        if result["outcome"] != "done":
            raise BenchError(f"the upgrade ended as {result['outcome']}")
        down.append(float(result["down_seconds"]))
        print(f"  round {turn + 1}: down for {down[-1]:.1f} s of {sample.seconds:.1f} s")
    return [
        figure(
            "service down during a point upgrade", down, goal=at_most(DOWN_SECONDS, "s"),
            simulated=True,
        )
    ]  # fmt: skip


def pin_next_release(lab: Lab) -> str:
    """Set the version in region.yml to the next point release, and pin its archive."""
    text = lab.region.read_text()
    found = re.search(r"version: '([0-9.]+)', ", text)
    installed = found[1] if found else RELEASES[0].version
    major, minor, point = map(int, installed.split("."))
    version = f"{major}.{minor}.{point + 1}"
    url = f"https://download.example.org/nextcloud-{version}.tar.bz2"
    lock = f"nextcloud:\n  {version}: {{url: '{url}', sha256: {'0' * 64}}}\n"
    lab.region.with_name("artifacts.lock").write_text(lock)
    before = "{host: cloud-files, "
    text = text.replace(found[0], "") if found else text
    lab.region.write_text(text.replace(before, f"{before}version: '{version}', "))
    lab.region_changed()
    return version
