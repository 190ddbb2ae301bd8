"""What several applications in containers are checked for."""

from __future__ import annotations

import json
from typing import Any

IN_MEMORY = ("tmpfs", "ramfs")


def check_temporary_files_on_disk(host: Any, name: str, container: str) -> None:
    """Fail unless /tmp of `container` is the cleaned directory of `name` on the node's disk."""
    path = f"/var/cache/chautari/{name}"
    mounts = json.loads(
        host.check_output("podman inspect --format %s %s", "{{json .Mounts}}", container)
    )
    sources = [item["Source"] for item in mounts if item["Destination"] == "/tmp"]
    assert sources == [path], f"/tmp of {container} is {sources or 'in memory'}"
    kind = host.check_output("stat --file-system --format=%%T %s", path)
    assert kind not in IN_MEMORY, f"{path} is in memory"
    found = host.file(path)
    assert (found.user, found.mode) == ("root", 0o1777), f"{path} has the mode {found.mode:o}"
    assert host.file("/var/cache/chautari").mode == 0o700, "other accounts can reach it"
    old = host.check_output("find %s -mindepth 1 -atime +2 -ctime +2 -mtime +2", path).split()
    assert not old, f"files older than two days stay there: {old[:5]}"
