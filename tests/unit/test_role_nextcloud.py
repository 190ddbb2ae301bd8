"""The order of a change of Nextcloud's version, and what starts its background jobs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from role_samples import ROLES, Data, module, read, tasks

TASKS = ROLES / "nextcloud" / "tasks"
SWITCHING = "{{ __nextcloud_state }}/.switching"


def tasks_in_order(name: str) -> Iterator[Data]:
    """Give the tasks of a file, and in place of each included file of the role its tasks."""
    for task in tasks(read(TASKS / name)):
        kind, arguments = module(task)
        if kind == "ansible.builtin.include_tasks":
            yield from tasks_in_order(arguments)
        else:
            yield task


def step(task: Data) -> str:
    """Return what a task means to the people who use Nextcloud."""
    kind, arguments = module(task)
    place = arguments.get("dest", arguments.get("path"))
    if place == SWITCHING:
        return "answers again" if arguments.get("state") == "absent" else "503"
    if place == "{{ __nextcloud_root }}/current":
        return "link" if arguments.get("state") == "link" else ""
    if kind != "ansible.builtin.command":
        return ""
    return {"--on": "maintenance", "--off": "maintenance ends", "--no-interaction": "upgrade"}.get(
        arguments["argv"][-1], ""
    )


def test_program_changes_the_release_before_the_role_asks_it_for_its_state() -> None:
    """The role links no release itself: the program can undo what it did."""
    found = [module(task)[1] for task in tasks_in_order("switch.yml")]
    argvs = [item["argv"] for item in found if isinstance(item, dict) and "argv" in item]
    assert argvs.index(["{{ __nextcloud_libexec }}/nextcloud-upgrade", "run"]) < argvs.index(
        ["occ", "status", "--output=json"]
    )
    assert "link" not in map(step, tasks_in_order("switch.yml"))


def test_interrupted_change_is_ended_before_the_version_is_read() -> None:
    names = [task["name"] for task in tasks_in_order("preflight.yml")]
    recovery = names.index("Finish or undo an interrupted change of release")
    assert recovery < names.index("Read version and state of the instance")


def step_of_app(task: Data) -> str:
    """Return what a task means to people while an app becomes newer."""
    kind, arguments = module(task)
    if kind == "ansible.builtin.include_role" and arguments["name"] == "php_pool":
        return "new code"
    if kind == "ansible.builtin.stat":
        return ""
    return "unpack" if "nextcloud-app" in str(arguments.get("argv")) else step(task)


def test_people_read_the_notice_while_the_code_of_an_app_changes() -> None:
    """Without it they would get upstream's page, or errors of old code with a newer database."""
    steps = list(filter(None, map(step_of_app, tasks_in_order("apps.yml"))))
    assert steps == [
        "503", "unpack", "503", "upgrade", "maintenance ends", "new code", "answers again",
    ]  # fmt: skip


def test_background_jobs_run_after_an_installation_and_an_upgrade() -> None:
    """Until they ran once, Nextcloud's own checks report an error (CronInfo)."""
    for file, last in (
        ("instance.yml", "maintenance:install"),
        ("upgrade.yml", "maintenance:mode"),
        ("change.yml", "nextcloud-upgrade"),
    ):
        [task] = [task for task in tasks(read(TASKS / file)) if last in str(module(task)[1])]
        assert "Run background jobs of Nextcloud" in task["notify"]
    [handler] = [
        task
        for task in read(ROLES / "nextcloud" / "handlers" / "main.yml")
        if task["name"] == "Run background jobs of Nextcloud"
    ]
    assert module(handler)[1] == {"name": "nextcloud-cron.service", "state": "started"}


def commands_of_occ(file: str) -> list[Data]:
    """Return the tasks of a file that run occ."""
    return [
        task
        for task in tasks(read(TASKS / file))
        if task.get("ansible.builtin.command", {}).get("argv", [""])[0] == "occ"
    ]


def test_task_that_waits_for_an_installation_asks_the_release_to_install() -> None:
    """The release in use may be broken."""
    [task] = commands_of_occ("wait.yml")
    assert "__nextcloud_release_path" in task["environment"]["NEXTCLOUD_RELEASE"]


def test_no_other_task_before_the_switch_needs_the_release_in_use() -> None:
    assert not commands_of_occ("database.yml")
    [before] = commands_of_occ("prove_before.yml")
    assert before["failed_when"] == f"{before['register']}.rc is not defined"


@pytest.mark.parametrize(
    ("environment", "release"),
    [
        ({}, "/opt/nextcloud/current"),
        ({"NEXTCLOUD_RELEASE": "/opt/nextcloud/releases/a"}, "/opt/nextcloud/releases/a"),
    ],
)
def test_occ_runs_the_release_that_the_environment_names(
    environment: dict[str, str], release: str, tmp_path: Path
) -> None:
    (tmp_path / "runuser").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "runuser").chmod(0o755)
    argv = ["sh", str(ROLES / "nextcloud/files/occ"), "status"]
    path = f"{tmp_path}:{os.environ['PATH']}"
    found = subprocess.check_output(argv, env={"PATH": path, **environment}, text=True)
    assert found == f"-u www-data -- php -f {release}/occ -- status\n"


def test_each_release_finds_its_own_apps() -> None:
    """A command of the next release fails if the settings name the apps of the one in use."""
    settings = read(ROLES / "nextcloud" / "vars" / "main.yml")["__nextcloud_settings"]
    assert "apps_paths" not in settings
    paths = (ROLES / "nextcloud" / "templates" / "apps.config.php.j2").read_text()
    assert "'path' => OC::$SERVERROOT . '/apps'" in paths
    assert "/opt/nextcloud" not in paths


def test_every_module_of_the_upgrade_program_is_installed() -> None:
    [task] = [
        task for task in tasks(read(TASKS / "upgrade_program.yml")) if "modules" in task["name"]
    ]
    folder = ROLES / "nextcloud" / "files" / "upgrade"
    assert sorted(task["loop"]) == sorted(file.stem for file in folder.glob("*.py"))
