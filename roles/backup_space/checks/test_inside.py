"""What the role backup_space promises, seen from the node."""

from __future__ import annotations

from typing import Any

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.role("backup_space")


@pytest.mark.advice("Deploy again.", units=[])
def test_folder_belongs_to_root(host: Host, settings: dict[str, Any]) -> None:
    """The folder of the peers' backups belongs to root"""
    folder = host.file(settings.get("backup_space_folder", "/srv/chautari-backups"))
    assert folder.is_directory and folder.user == "root"
