"""Nextcloud's role asks the release that it installs, since the one in use may be broken."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from role_samples import ROLES

from chautari.files import read_toolkit_yaml

TASKS = ROLES / "nextcloud/tasks"
SCRIPT = "#!/bin/sh\necho \"$(basename \"$0\") $*\"\n"  # fmt: skip


def commands_of(name: str) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a file that run occ."""
    waiting = read_toolkit_yaml(TASKS / f"{name}.yml")
    while waiting:
        task = waiting.pop(0)
        waiting = [*task.get("block", []), *task.get("rescue", []), *waiting]
        if task.get("ansible.builtin.command", {}).get("argv", [""])[0] == "occ":
            yield task


@pytest.mark.parametrize("name", ["wait", "point"])
def test_tasks_before_the_switch_ask_the_release_to_install(name: str) -> None:
    found = list(commands_of(name))
    assert found
    for task in found:
        assert "__nextcloud_release_path" in task["environment"]["NEXTCLOUD_RELEASE"], task["name"]


def test_no_other_task_before_the_switch_needs_the_release_in_use() -> None:
    assert not list(commands_of("database"))
    [before] = commands_of("prove_before")
    assert before["failed_when"] == f"{before['register']}.rc is not defined"


@pytest.mark.parametrize(
    ("environment", "release"),
    [({}, "/opt/nextcloud/current"), ({"NEXTCLOUD_RELEASE": "/opt/nextcloud/releases/a"}, None)],
)
def test_occ_runs_the_release_that_the_environment_names(
    environment: dict[str, str], release: str | None, tmp_path: Path
) -> None:
    for name in ("runuser", "php"):
        (tmp_path / name).write_text(SCRIPT)
        (tmp_path / name).chmod(0o755)
    found = subprocess.check_output(
        ["sh", str(ROLES / "nextcloud/files/occ"), "status"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **environment},
        text=True,
    )
    expected = release or environment["NEXTCLOUD_RELEASE"]
    assert found == f"runuser -u www-data -- php -f {expected}/occ -- status\n"
