"""Plain Ansible deploys with the inventory that `deploy render` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.conftest import Proof

pytestmark = pytest.mark.containers
ROOT = Path(__file__).resolve().parents[2]


def test_plain_ansible_works_with_the_rendered_inventory(deployed: Proof, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    assert deployed.deploy("render", "-o", str(inventory)).code == 0
    secrets = list(inventory.rglob("secrets.yml"))
    assert secrets and all(file.stat().st_mode & 0o777 == 0o600 for file in secrets)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")),
         "-i", str(inventory), "--limit", "ground", "playbooks/region.yml"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "changed=0" in done.stdout
