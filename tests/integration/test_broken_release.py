"""A release of Nextcloud that is broken is replaced, and never kept as one that worked."""

from __future__ import annotations

import json

import pytest
from tests.integration.conftest import Proof

pytestmark = [pytest.mark.containers, pytest.mark.one_node, pytest.mark.usefixtures("deployed")]
NODE = "cloud"
ROOT = "/opt/nextcloud"
BROKEN = f"{ROOT}/releases/0-broken"
# What each does to a copy of the release in use.
DAMAGES = {
    "without occ": "rm {0}/occ",
    "with a fatal error": "printf '<?php\\nundefined_function();\\n' > {0}/lib/versioncheck.php "
    "&& printf '<?php\\nundefined_function();\\n' > {0}/occ",
    "empty": "find {0} -mindepth 1 -delete",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_broken_release_does_not_keep_its_successor_away(proof: Proof, damage: str) -> None:
    good = proof.on(NODE, "readlink", f"{ROOT}/current").strip()
    proof.on(NODE, "cp", "-a", good, BROKEN)
    proof.on(NODE, "sh", "-c", DAMAGES[damage].format(BROKEN))
    proof.on(NODE, "sh", "-c", f"ln -sfn {BROKEN} {ROOT}/current && touch {ROOT}/proofs/0-broken")
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert outcome.code == 0, outcome.problems
    assert proof.on(NODE, "readlink", f"{ROOT}/current").strip() == good
    assert "0-broken" not in proof.on(NODE, "ls", f"{ROOT}/proofs").split()
    status = json.loads(proof.on(NODE, "occ", "status", "--output=json").splitlines()[-1])
    assert (status["installed"], status["maintenance"], status["needsDbUpgrade"]) == (
        True,
        False,
        False,
    )
