"""Regions in sandboxes that work together: the demo, a third region, a stopped peer, and leaving.

The regions are those of `make demo-federation`, in a folder of their own. A run deploys three
regions from scratch, so only `make soak` does it. The tests build on each other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.integration.conftest import DEPLOY, ProgressReporter

from chautari.checks.outside import NewMailInSink
from chautari_sandbox import paths, state
from chautari_sandbox.demo_federation.regions import DemoRegion, demo_regions
from chautari_sandbox.privileges import as_root

pytestmark = [pytest.mark.containers, pytest.mark.soak]
FOLDER = paths.cache_dir() / "tests" / "federation"
ANDES, HIMALAYA, DELTA = demo_regions(FOLDER)
NODES = {"andes": "bog1", "himalaya": "ktm1", "delta": "dac1"}
MEMORY = "/var/lib/chautari-portal/federation/memory.json"
# As long as the slowest timer that has to notice a peer which is back, and some more.
LONGEST_RETURN = 1200


class Demo(NamedTuple):
    """How a run of the demo ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def seconds(self) -> dict[str, float]:
        return {step["title"]: step["seconds"] for step in json.loads(self.stdout)["steps"]}


def run(*argv: str) -> Demo:
    environment = {**os.environ, "CHAUTARI_INVENTORIES": str(FOLDER)}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    return Demo(done.returncode, done.stdout, done.stderr)


def run_demo(*options: str) -> Demo:
    return run(sys.executable, "-m", "chautari_sandbox.demo_federation", *options)


def deploy(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(DEPLOY, *arguments, "--json").stdout)
    return found


def on_node(region: DemoRegion, *command: str, stdin: str = "") -> str:
    name = f"chautari_{region.name}_{NODES[region.name]}"
    done = subprocess.run(
        as_root(["podman", "exec", "-i", name, *command]),
        input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def control_container(verb: str, region: DemoRegion) -> None:
    name = f"chautari_{region.name}_{NODES[region.name]}"
    subprocess.run(as_root(["podman", verb, name]), check=True, capture_output=True)


def files_of(region: DemoRegion) -> dict[str, bytes]:
    return {
        str(path.relative_to(region.folder)): path.read_bytes()
        for path in sorted(region.folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module", autouse=True)
def regions() -> Iterator[None]:
    """Begin without the regions, and remove them afterwards."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    begun = run_demo("--down")
    assert begun.code == 0, begun.stderr
    yield
    assert run_demo("--down").code == 0


def test_two_regions_trust_each_other_and_share_a_file(progress: ProgressReporter) -> None:
    first = run_demo("--json")
    assert first.code == 0, first.stderr[-4000:]
    progress.summarize(f"two regions: {first.seconds}")
    assert first.seconds["wait until both regions trust each other"] < 60


def test_second_run_changes_no_file_and_no_node() -> None:
    before = files_of(ANDES), files_of(HIMALAYA)
    again = run_demo("--json")
    assert again.code == 0, again.stderr[-4000:]
    assert (files_of(ANDES), files_of(HIMALAYA)) == before
    for region in (ANDES, HIMALAYA):
        outcome = deploy("region", region.name, "--no-checks")
        assert [(node["state"], node["changed"]) for node in outcome["nodes"]] == [("converged", 0)]


def test_third_region_joins_with_one_line_a_side(progress: ProgressReporter) -> None:
    before = ANDES.file.read_text().splitlines()
    third = run_demo("--third", "--json")
    assert third.code == 0, third.stderr[-4000:]
    progress.summarize(f"three regions: {third.seconds}")
    after = ANDES.file.read_text().splitlines()
    changed = [line for line in after if line not in before]
    assert changed == ["federation: {peers: [himalaya, delta]}"]
    assert len(after) == len(before)


def test_stopped_peer_breaks_no_deploy_is_reported_and_comes_back(
    progress: ProgressReporter,
) -> None:
    sandbox = state.load_last_saved_state(HIMALAYA.name)
    assert sandbox
    mailbox = NewMailInSink(sandbox.mail_api)
    control_container("stop", HIMALAYA)
    try:
        outcome = deploy("region", ANDES.name, "--full")
        assert outcome["ok"], outcome
        pretend_silence()
        on_node(ANDES, "systemctl", "start", "chautari-portal-heartbeat.service")
        mail = mailbox.wait_for_mail("ops@himalaya.example.org", "himalaya")
        assert mail["headers"]["cc"] == "ops@andes.example.org"
        assert overall_state() == "broken"
    finally:
        control_container("start", HIMALAYA)
    began = time.monotonic()
    while overall_state() != "green":
        assert time.monotonic() - began < LONGEST_RETURN, deploy("federation", "status", ANDES.name)
        time.sleep(10)
    progress.summarize(f"green again {time.monotonic() - began:.0f} s after the peer came back")


def pretend_silence() -> None:
    """Let the node believe that it heard nothing of the peer for the whole limit."""
    memory = json.loads(on_node(ANDES, "cat", MEMORY))
    memory["checked"] = int(time.time())
    memory["records"][HIMALAYA.name]["silence"] = 12 * 3600
    on_node(ANDES, "tee", MEMORY, stdin=json.dumps(memory))


def overall_state() -> str:
    found = deploy("federation", "status", ANDES.name)
    return str(found["peers"][HIMALAYA.name]["pair"])


def test_regions_leave_each_other(progress: ProgressReporter) -> None:
    left = run_demo("--leave", "--json")
    assert left.code == 0, left.stderr[-4000:]
    progress.summarize(f"leaving: {left.seconds}")
    assert not (ANDES.folder / "peers" / "himalaya.json").exists()
    assert (ANDES.folder / "peers" / "delta.json").exists()
    assert "federation: {peers: [delta]}" in ANDES.file.read_text()
    assert "federation: {peers: [delta]}" in HIMALAYA.file.read_text()
