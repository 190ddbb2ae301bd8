"""What the backup role promises, seen from the node."""

from __future__ import annotations

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.role("backup")


@pytest.mark.advice("Deploy again.", units=[])
def test_only_root_can_read_the_keys(host: Host) -> None:
    """Only root can read the passphrase and the key of the backups"""
    for name in ("passphrase", "login_key"):
        file = host.file(f"/etc/chautari/backup/{name}")
        assert (file.user, file.group, file.mode) == ("root", "root", 0o600), name
