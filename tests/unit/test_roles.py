"""Every role has the same form, and accepts the rendered variables."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from role_samples import (
    NAMES,
    ROLES,
    SHARED,
    Data,
    defaults,
    entry_points,
    module,
    options,
    read,
    task_files,
    tasks,
)  # fmt: skip
from service_samples import node_with

from chautari.render.role_inputs import role_and_shared_roles
from chautari.services.registry import ROLES as KNOWN_ROLES

TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "path": (str,), "int": (int,), "bool": (bool,), "list": (list,), "dict": (dict,),
    "raw": (str, int),
}  # fmt: skip
ALL = NAMES + SHARED


def variables(role: str) -> dict[str, Data]:
    """Return the specs of all variables of a role, by entry point and name."""
    entries = entry_points(role) if role in SHARED else ["main"]
    specs = (
        (entry, name, spec) for entry in entries for name, spec in options(role, entry).items()
    )
    return {f"{entry}: {name}": spec for entry, name, spec in specs}


def tasks_of_role(role: str) -> list[tuple[Path, Data]]:
    """Return the tasks of a role and its handlers, each with its file."""
    return [(file, task) for file in task_files(role) for task in tasks(read(file))]


def test_every_role_of_the_registry_exists() -> None:
    assert sorted(KNOWN_ROLES) == NAMES


@pytest.mark.parametrize("role", NAMES)
@pytest.mark.parametrize(
    "file",
    ["README.md", "meta/argument_specs.yml", "meta/main.yml", "defaults/main.yml",
     "tasks/main.yml", "checks/test_inside.py"],
)  # fmt: skip
def test_every_role_is_complete(role: str, file: str) -> None:
    assert (ROLES / role / file).is_file()


@pytest.mark.parametrize("role", SHARED)
@pytest.mark.parametrize(
    "file", ["README.md", "meta/argument_specs.yml", "meta/main.yml", "meta/receipt.yml"]
)
def test_every_shared_role_is_complete(role: str, file: str) -> None:
    assert (ROLES / role / file).is_file()
    assert all((ROLES / role / "tasks" / f"{entry}.yml").is_file() for entry in entry_points(role))


@pytest.mark.parametrize("role", ALL)
def test_role_passes_shared_roles_the_arguments_that_they_require(role: str) -> None:
    for task in (task for file in task_files(role) for task in tasks(read(file))):
        name, arguments = module(task)
        if name == "ansible.builtin.include_role":
            shared, entry = arguments["name"], arguments["tasks_from"].removesuffix(".yml")
            known, given = options(shared, entry), set(task.get("vars", ()))
            required = {name for name, spec in known.items() if spec.get("required")}
            assert required <= given <= set(known), task["name"]


@pytest.mark.parametrize("role", ALL)
def test_role_metadata_has_author_license_and_platforms(role: str) -> None:
    info = read(ROLES / role / "meta" / "main.yml")["galaxy_info"]
    assert (info["author"], info["license"]) == ("Chautari contributors", "AGPL-3.0-or-later")
    assert info["min_ansible_version"] == "2.19"
    [platform] = info["platforms"]
    assert platform == {"name": "Debian", "versions": ["bookworm", "trixie"]}


@pytest.mark.parametrize("role", ALL)
def test_variables_are_documented_with_their_type(role: str) -> None:
    for where, spec in variables(role).items():
        assert where.partition(": ")[2].startswith(f"{role}_")
        assert spec["description"], where
        assert spec["type"] in TYPES, where
        assert spec["type"] != "list" or "elements" in spec, where


@pytest.mark.parametrize("role", ALL)
def test_variable_is_either_required_or_has_its_default(role: str) -> None:
    given = defaults(role)
    for where, spec in variables(role).items():
        name = where.partition(": ")[2]
        if spec.get("required"):
            assert "default" not in spec, where
            assert name not in given, where
        else:
            assert spec["default"] == given[name], where
            assert type(spec["default"]) is type(given[name]), where
            fits(given[name], spec, where)


@pytest.mark.parametrize("role", ALL)
def test_every_default_is_documented_and_has_a_comment(role: str) -> None:
    assert set(defaults(role)) <= {
        name for entry in entry_points(role) for name in options(role, entry)
    }
    lines = (ROLES / role / "defaults" / "main.yml").read_text().splitlines()
    for above, line in pairwise(lines):
        if line.startswith(f"{role}_"):
            assert above.startswith("# "), line


@pytest.mark.parametrize("role", ALL)
def test_readme_names_every_variable(role: str) -> None:
    text = (ROLES / role / "README.md").read_text()
    names = {where.partition(": ")[2] for where in variables(role)}
    assert {name for name in names if f"| `{name}` |" not in text} == set()


def fits(value: Any, spec: Data, where: str) -> None:
    """Assert that `value` is what `spec` describes, as deep as it goes."""
    kind = spec.get("type", "str")
    assert isinstance(value, TYPES[kind]), where
    assert not isinstance(value, bool) or kind == "bool", where
    assert value in spec.get("choices", [value]), where
    parts = value if kind == "list" else [value] if kind == "dict" else []
    for part in parts:
        if kind == "list":
            fits(part, {"type": spec["elements"]}, where)
        if "options" in spec:
            assert set(part) <= set(spec["options"]), where
            for name, inner in spec["options"].items():
                assert name in part or not inner.get("required"), f"{where}.{name}"
                if name in part:
                    fits(part[name], inner, f"{where}.{name}")


def role_named_by(variable: str) -> str:
    """Return the role whose name a variable begins with; the longest one counts."""
    return max((name for name in NAMES if variable.startswith(f"{name}_")), key=len, default="")


@pytest.mark.parametrize("role", NAMES)
def test_rendered_variables_have_the_types_that_the_role_declares(role: str) -> None:
    rendered = node_with(role)
    given = {
        name: value
        for name, value in (rendered.public | rendered.secret).items()
        if role_named_by(name) == role
    }
    declared = options(role)
    assert set(given) <= set(declared), "the tool renders what the role does not know"
    assert {name for name, spec in declared.items() if spec.get("required")} <= set(given)
    for name, value in given.items():
        fits(value, declared[name], name)


@pytest.mark.parametrize("role", ALL)
def test_task_files_are_short(role: str) -> None:
    lengths = {file.name: len(file.read_text().splitlines()) for file in task_files(role)}
    assert {name for name, length in lengths.items() if length >= 70} == set()


@pytest.mark.parametrize("role", NAMES)
def test_main_only_includes(role: str) -> None:
    for task in tasks(read(ROLES / role / "tasks" / "main.yml")):
        assert module(task)[0] in ("ansible.builtin.include_tasks", "ansible.builtin.import_tasks")


@pytest.mark.parametrize("role", ALL)
def test_tasks_have_names_and_use_builtin_modules(role: str) -> None:
    for _, task in tasks_of_role(role):
        name, _ = module(task)
        assert name.startswith("ansible.builtin."), task
        assert task["name"][0].isupper(), task


@pytest.mark.parametrize("role", ALL)
def test_tasks_neither_hide_a_failure_nor_export_a_secret(role: str) -> None:
    for _, task in tasks_of_role(role):
        assert "ignore_errors" not in task, task
        assert task.get("failed_when") is not False, task
        shown = str(task.get("environment", ""))
        assert not re.search(r"_passwords?\b", shown), task


@pytest.mark.parametrize("role", ALL)
def test_commands_say_what_they_change(role: str) -> None:
    for file, task in tasks_of_role(role):
        name, arguments = module(task)
        if name in ("ansible.builtin.command", "ansible.builtin.shell"):
            keys = set(arguments) if isinstance(arguments, dict) else set()
            handler = file.parent.name == "handlers"
            assert "changed_when" in task or {"creates", "removes"} & keys or handler, task


@pytest.mark.parametrize("role", ALL)
def test_modes_are_quoted(role: str) -> None:
    for _, task in tasks_of_role(role):
        _, arguments = module(task)
        if isinstance(arguments, dict) and "mode" in arguments:
            assert isinstance(arguments["mode"], str), task


def templates_of(role: str) -> list[Path]:
    """Return the templates that become files; others are only read into a task's input."""
    found = set()
    for file in task_files(role):
        for task in tasks(read(file)):
            name, arguments = module(task)
            if name == "ansible.builtin.template" and "{{" not in arguments["src"]:
                found.add(ROLES / role / "templates" / arguments["src"])
    # Roles that include a shared one bring some of its templates.
    return sorted(file for file in found if role not in SHARED or file.is_file())


@pytest.mark.parametrize("role", ALL)
def test_written_templates_begin_with_the_managed_header(role: str) -> None:
    for file in templates_of(role):
        lines = file.read_text().splitlines()
        first = lines[1] if lines[0].startswith(("#!", "<?php", "<?xml")) else lines[0]
        assert first.startswith("{{ ansible_managed | comment"), file


@pytest.mark.parametrize("role", ALL)
def test_template_tasks_set_owner_group_and_mode(role: str) -> None:
    for file in task_files(role):
        for task in tasks(read(file)):
            name, arguments = module(task)
            if name == "ansible.builtin.template":
                assert {"owner", "group", "mode"} <= set(arguments), task["name"]


@pytest.mark.parametrize("role", NAMES)
def test_every_check_has_a_title_and_advice(role: str) -> None:
    for file in (ROLES / role / "checks").glob("test_*.py"):
        text = file.read_text()
        assert f'pytestmark = pytest.mark.role("{role}")' in text
        assert text.count("\ndef test_") == text.count("@pytest.mark.advice(")


# Fetched in a check as well, or a few kilobytes.
KEYS = {"repository"}


@pytest.mark.parametrize("role", NAMES)
def test_downloads_that_check_mode_skips_are_reported(role: str) -> None:
    """`deploy plan` counts downloads, and names those that it cannot count."""
    paths = [path for part in role_and_shared_roles(role) for path in task_files(part)]
    files = [read(path) for path in paths if path.name != "remove.yml"]
    everything = [task for file in files for task in tasks(file)]
    reported = [task for task in everything if "download_estimate" in task.get("tags", ())]
    assert all("ansible_check_mode" in str(task["when"]) for task in reported)
    text = "\n".join(path.read_text() for path in paths)
    guarded = re.search(r"ansible_check_mode or .*(?:candidate|packages_known|\(none\))", text)
    fetches = any(command in text for command in ("get_url", "download-archive", "podman, pull"))
    assert bool(reported) == bool(guarded or (fetches and role not in KEYS))


@pytest.mark.parametrize("role", ["jitsi", "videobridge"])
def test_copies_of_earlier_answers_are_emptied_in_each_run(role: str) -> None:
    """An interrupted run may have changed the answers and left their copies."""
    found = tasks(read(ROLES / role / "tasks" / "answers.yml"))
    [task] = [task for task in found if "truncate" in str(module(task)[1])]
    assert "when" not in task and task["changed_when"] is False
