"""The first deploy of a node, broken off again and again: it ends as an undisturbed one does.

Here apt installs hundreds of packages, databases are made and releases are switched: what a
redeploy never touches. It takes many minutes, so only `make soak` has it.
"""

from __future__ import annotations

import random
import time

import pytest
from tests.integration import harm
from tests.integration.conftest import Proof, Teller

pytestmark = [pytest.mark.containers, pytest.mark.soak]
NODE = "cloud"
TIMES = 6
# A first deploy of this node takes four minutes or more; each run is left at work for a part of it.
LEFT_SECONDS = (5.0, 60.0)


@pytest.fixture
def bare(proof: Proof) -> Proof:
    """The region's machines as a provider hands them over."""
    assert proof.deploy("sandbox down").code == 0
    (proof.folder / "known_hosts").unlink(missing_ok=True)
    return proof


def test_first_deploy_that_is_broken_off_converges(bare: Proof, teller: Teller) -> None:
    dice = random.Random(5)
    hits = []
    for turn in range(TIMES):
        process = bare.begin("region", "--no-checks", "--node", NODE)
        began = time.monotonic()
        # Until the machine is prepared there is no run, and nothing to ask it with.
        while not (at_work := harm.at_work(bare, NODE, patient=True)) and process.poll() is None:
            assert time.monotonic() - began < 900
            time.sleep(0.5)
        time.sleep(dice.uniform(*LEFT_SECONDS))
        what = ("runner killed", "node restarted")[turn % 2]
        if at_work and turn % 2:
            harm.restart(bare, NODE)
        elif at_work:
            harm.kill_runner(bare, NODE)
        process.communicate(timeout=600)
        hits += [what] * (bool(at_work) and harm.broken_off(bare, NODE))
        teller.say(f"first deploy: {what}, {len(hits)} of {turn + 1} hit")
    outcome = bare.deploy("region", "--json")
    assert outcome.code == 0, outcome.troubles
    assert outcome.report["checks"]["failed"] == 0
    full = bare.deploy("region", "--no-checks", "--json", "--full", "--node", NODE)
    assert full.code == 0, full.troubles
    assert full.node(NODE)["changed"] == 0, full.node(NODE)["roles"]
    counted = {what: hits.count(what) for what in dict.fromkeys(hits)}
    teller.figure(f"first deploy of {NODE} broken off {len(hits)} times {counted}: checks green, "
                  "the second full run 0 changes")  # fmt: skip
    assert len(counted) == 2 and len(hits) >= TIMES // 2
