"""New settings of SSH that a laptop cannot log in with are removed again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration import harm
from tests.integration.conftest import Proof, kill_group

pytestmark = pytest.mark.containers
DROP_INS = "/etc/ssh/sshd_config.d"
# A laptop whose SSH has no algorithm of the policy.
OLD_LAPTOP = """#!/bin/sh
exec /usr/bin/ssh -o KexAlgorithms=ecdh-sha2-nistp256 "$@"
"""


@pytest.fixture
def softened(deployed: Proof, node: str) -> Iterator[Proof]:
    """Return the region with the SSH server of `node` as its provider left it."""
    deployed.on(node, "sh", "-c", f"rm {DROP_INS}/00-chautari.conf; systemctl reload ssh")
    yield deployed
    assert deployed.deploy("region", "--node", node, "--no-checks").code == 0


@contextmanager
def old_laptop(folder: Path) -> Iterator[None]:
    """Let deploys use an SSH that cannot log in with the new settings."""
    program = folder / "ssh"
    program.write_text(OLD_LAPTOP)
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield


def effective(proof: Proof, node: str) -> set[str]:
    return set(proof.on(node, "sshd", "-T").splitlines())


@pytest.mark.parametrize("node", ["hall"])
def test_laptop_that_cannot_use_the_new_settings_is_not_locked_out(
    softened: Proof, node: str, tmp_path: Path
) -> None:
    with old_laptop(tmp_path):
        outcome = softened.deploy("region", "--node", node, "--no-checks", "--json")
        # The old laptop still gets in.
        again = softened.deploy("plan", "--node", node, "--json")
    assert outcome.code == 1
    found = outcome.node(node)
    assert found["state"] == "converged"
    texts = [notice["text"] for notice in found["notices"]]
    assert any("no matching key exchange method" in text for text in texts)
    assert "The settings of SSH were not changed" in found["failure"]["message"]
    assert softened.on(node, "ls", DROP_INS) == ""
    assert "passwordauthentication yes" in effective(softened, node)
    assert again.node(node)["state"] == "planned"
    # The next deploy tries again, and its login keeps the settings.
    outcome = softened.deploy("region", "--no-checks", "--node", node, "--json")
    assert outcome.code == 0, outcome.problems
    assert {"passwordauthentication no", "allowtcpforwarding no"} <= effective(softened, node)


# Not on a node that the checks of others need while it restarts.
@pytest.mark.parametrize("node", ["meet"])
def test_restart_after_a_killed_run_removes_settings_on_trial(
    softened: Proof, node: str, tmp_path: Path
) -> None:
    """Otherwise a machine that restarts in these minutes would lock out this laptop for good."""
    with old_laptop(tmp_path):
        process = softened.start_deploy("region", "--node", node, "--no-checks")
        deadline = time.monotonic() + 120
        while "00-a-chautari-trial.conf\n" not in softened.on(node, "ls", DROP_INS):
            assert time.monotonic() < deadline
        kill_group(process)
    assert harm.kill_runner(softened, node)
    assert "passwordauthentication no" in effective(softened, node)
    # It would remove them too, but a restart ends it.
    timer = softened.on(node, "systemctl", "is-active", "chautari-ssh-restore.timer")
    assert timer == "active\n"
    harm.restart(softened, node)
    assert softened.on(node, "ls", DROP_INS) == ""
    assert "passwordauthentication yes" in effective(softened, node)
