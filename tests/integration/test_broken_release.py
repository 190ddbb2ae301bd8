"""A release of Nextcloud that is broken is replaced, and no longer counts as one that worked."""

from __future__ import annotations

import json

import pytest
from tests.integration.conftest import Proof

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("deployed")]
NODE = "cloud"
ROOT = "/opt/nextcloud"
# An empty release with a record that it worked, or one without its command.
BREAK = """
cp -a {good} {root}/releases/0-broken && {damage} &&
ln -sfn {root}/releases/0-broken {root}/current && touch {root}/proofs/0-broken
"""


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("rm {root}/releases/0-broken/occ", marks=pytest.mark.soak),
        "find {root}/releases/0-broken -mindepth 1 -delete",
    ],
)
def test_broken_release_does_not_keep_its_successor_away(proof: Proof, damage: str) -> None:
    good = proof.on(NODE, "readlink", f"{ROOT}/current").strip()
    proof.on(NODE, "sh", "-c", BREAK.format(good=good, root=ROOT, damage=damage.format(root=ROOT)))
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert outcome.code == 0, outcome.problems
    assert proof.on(NODE, "readlink", f"{ROOT}/current").strip() == good
    assert "0-broken" not in proof.on(NODE, "ls", f"{ROOT}/proofs").split()
    status = json.loads(proof.on(NODE, "occ", "status", "--output=json").splitlines()[-1])
    assert status["installed"]
    assert not status["maintenance"] and not status["needsDbUpgrade"]
