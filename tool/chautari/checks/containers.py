"""What several applications in containers are checked for."""

from __future__ import annotations

import json
from typing import Any

IN_MEMORY = ("tmpfs", "ramfs")


def assert_temporary_files_on_disk(host: Any, name: str, container: str) -> None:
    """Fail unless /tmp of `container` is the cleaned directory of `name` on the node's disk."""
    path = f"/var/cache/chautari/{name}"
    mounts = json.loads(
        host.check_output("podman inspect --format %s %s", "{{json .Mounts}}", container)
    )
    sources = [item["Source"] for item in mounts if item["Destination"] == "/tmp"]
    assert sources == [path], (
        f"/tmp in the container {container} is {sources or 'in memory'}, not {path}"
    )
    kind = host.check_output("stat --file-system --format=%%T %s", path)
    assert kind not in IN_MEMORY, f"{path} is in memory (file system {kind})"
    found = host.file(path)
    assert (found.user, found.mode) == ("root", 0o1777), (
        f"{path} has the owner {found.user} and the mode {found.mode:o}, not root and 1777"
    )
    mode = host.file("/var/cache/chautari").mode
    assert mode == 0o700, (
        f"/var/cache/chautari has the mode {mode:o}, not 700, so other accounts can enter it"
    )
    old = host.check_output("find %s -mindepth 1 -atime +2 -ctime +2 -mtime +2", path).split()
    assert not old, f"{path} contains files older than two days: {old[:5]}"
