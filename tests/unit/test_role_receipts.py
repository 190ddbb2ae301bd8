"""What every role declares for its receipt fits its tasks and its probes."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from role_samples import NAMES, ROLES, Data, module, read, task_files, tasks

from chautari.node.addresses import FACTS
from chautari.render import placement
from chautari.render.inputs import Declaration, _facts, declaration
from chautari.secrets.specs import _MAIL, _NEXTCLOUD, _RECEIPTS

# A task that changes something which no module's arguments tell.
OPAQUE = ("command", "shell", "script", "raw", "expect")
PROBES = sorted(ROLES.glob("*/probes/*"))
# Facts that no receipt has to hold, since something else tells when they change.
TOLD_OTHERWISE = {
    "distribution": "every receipt holds the release", "distribution_version": "the same",
    "distribution_major_version": "the same", "memtotal_mb": "every receipt holds the memory",
    "nodename": "the role base watches the kernel's file",
    "env": "ports of SSH, whose settings the firewall's receipt watches",
    "services": "asked for anew while a role is taken off",
    "getent_passwd": "asked for anew by the role", "getent_group": "the same",
}  # fmt: skip


def ids(value: Any) -> str:
    return str(value.relative_to(ROLES)) if isinstance(value, Path) else str(value)


def all_tasks(role: str) -> list[Data]:
    """Return the tasks that set a role up; what takes it off leaves no receipt."""
    files = [file for file in task_files(role) if file.name != "remove.yml"]
    return [task for file in files for task in tasks(read(file))]


def opaque(task: Data) -> bool:
    name, arguments = module(task)
    creates = isinstance(arguments, dict) and "creates" in arguments
    return (
        name.removeprefix("ansible.builtin.") in OPAQUE
        and task.get("changed_when") is not False
        and not creates
    )


@pytest.mark.parametrize("role", NAMES)
def test_every_role_declares_what_its_receipt_watches(role: str) -> None:
    found = read(ROLES / role / "meta" / "receipt.yml")
    assert Declaration.model_validate(found or {}) == declaration(role)


@pytest.mark.parametrize("role", NAMES)
def test_role_needs_only_roles_that_run_before_it(role: str) -> None:
    before = placement.ORDER[: placement.ORDER.index(role)]
    needs = declaration(role).needs
    assert set(needs) <= set(before)
    assert len(needs) == len(set(needs))


@pytest.mark.parametrize("role", NAMES)
def test_every_command_that_changes_something_is_covered(role: str) -> None:
    wanted = {task["name"] for task in all_tasks(role) if opaque(task)}
    assert wanted - set(declaration(role).covers) == set()


@pytest.mark.parametrize("role", NAMES)
def test_every_covered_task_is_there(role: str) -> None:
    assert set(declaration(role).covers) <= {task["name"] for task in all_tasks(role)}


@pytest.mark.parametrize("role", NAMES)
def test_what_covers_a_task_is_watched(role: str) -> None:
    declared = declaration(role)
    stamps = [item.stamp for item in declared.loaded]
    told = {name for names in declared.covering().values() for name in names}
    assert told <= {*declared.probes, *declared.paths, *stamps}


@pytest.mark.parametrize("role", NAMES)
def test_file_with_a_secret_is_closed_to_others(role: str) -> None:
    """Texts that others may read are kept and shown as diffs."""
    for task in all_tasks(role):
        name, arguments = module(task)
        writes = name.removeprefix("ansible.builtin.") in ("template", "copy")
        if writes and task.get("no_log"):
            assert arguments["mode"].endswith("0"), task["name"]


@pytest.mark.parametrize("role", NAMES)
def test_covered_tasks_have_names_of_their_own(role: str) -> None:
    names = [task["name"] for task in all_tasks(role)]
    assert [name for name in declaration(role).covers if names.count(name) > 1] == []


@pytest.mark.parametrize("role", NAMES)
def test_probes_are_those_that_are_declared(role: str) -> None:
    files = {file.name for file in (ROLES / role / "probes").glob("*")}
    assert files == set(declaration(role).probes)
    assert all(declaration(role).probes.values())


@pytest.mark.parametrize("role", NAMES)
def test_watched_paths_are_whole_and_told_once(role: str) -> None:
    declared = declaration(role)
    settings = [path for item in declared.loaded for path in (*item.settings, item.stamp)]
    assert [path for path in (*declared.paths, *settings) if not path.startswith("/")] == []
    assert len(declared.paths) == len(set(declared.paths))


@pytest.mark.parametrize("probe", PROBES, ids=ids)
def test_probe_is_a_posix_script_that_says_what_it_tells(probe: Path) -> None:
    done = subprocess.run(["sh", "-n", str(probe)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert probe.read_text().startswith("# ")
    # It is given to a shell as text: an argument of a command is at most 128 KiB long.
    assert len(probe.read_bytes()) < 16_384


@pytest.mark.parametrize("probe", PROBES, ids=ids)
def test_probe_has_no_jinja_and_names_no_secret(probe: Path) -> None:
    text = probe.read_text()
    assert "{{" not in text and "{%" not in text
    for secret in (_MAIL, _RECEIPTS, *_NEXTCLOUD):
        assert secret.name not in text
    # Of a password that is kept on the node nothing but a digest may be told.
    for line in text.splitlines():
        if "passw" in line.lower() and not line.startswith("#"):
            assert "md5(" in line or "sha256" in line, line


@pytest.mark.parametrize("probe", PROBES, ids=ids)
def test_probe_changes_nothing(probe: Path) -> None:
    code = "\n".join(line for line in probe.read_text().splitlines() if line[:1] != "#")
    for word in ("INSERT", "UPDATE", "DELETE", "ALTER", "DROP", "CREATE TABLE", "rm ", "mv "):
        assert word not in code
    assert re.findall(r">\s*(?!/dev/null|&)[/\w$\"]+", code.replace("<<", "")) == []


@pytest.mark.parametrize("role", NAMES)
def test_every_fact_that_a_role_goes_by_is_in_its_receipt(role: str) -> None:
    files = [file for file in (ROLES / role).rglob("*") if file.is_file()]
    texts = [file.read_text(errors="replace") for file in files if file.name != "README.md"]
    named = {name for text in texts for name in re.findall(r"ansible_facts[.\[']+(\w+)", text)}
    assert named - set(TOLD_OTHERWISE) <= set(_facts(role)) <= set(FACTS)
