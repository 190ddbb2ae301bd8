"""The receipt declaration of every role fits its tasks and its probes."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment
from jinja2.nodes import Name
from pydantic import TypeAdapter, ValidationError
from role_samples import NAMES, ROLES, SHARED, Data, module, options, read, task_files, tasks

from chautari.node.optional_facts import FACTS
from chautari.render.role_inputs import (
    ReceiptDeclaration,
    load_receipt_declaration,
    role_and_shared_roles,
    tracker_names_by_tag,
)
from chautari.secrets.required_secrets import MAIL, RECEIPTS
from chautari.services.registry import ROLES as KNOWN_ROLES
from chautari.services.registry import SERVICES

DECLARATION = TypeAdapter(ReceiptDeclaration)
# A task whose change cannot be read from the arguments of its module.
OPAQUE = ("command", "shell", "script", "raw", "expect")
PROBES = sorted(ROLES.glob("*/probes/*"))
# Facts that no receipt has to hold, since other inputs change with them.
TOLD_OTHERWISE = {
    "distribution": "every receipt holds the release", "distribution_version": "the same",
    "distribution_major_version": "the same", "memtotal_mb": "every receipt holds the memory",
    "nodename": "the role base watches the kernel's file",
    "env": "ports of SSH, whose settings the firewall's receipt watches",
    "services": "read again while a role is removed",
    "getent_passwd": "read again by the role", "getent_group": "the same",
    "getent_shadow": "the same",
}  # fmt: skip


def ids(value: Any) -> str:
    return str(value.relative_to(ROLES)) if isinstance(value, Path) else str(value)


def all_tasks(role: str) -> list[Data]:
    """Return the tasks that set a role up; what takes it off leaves no receipt."""
    files = [file for file in task_files(role) if file.name != "remove.yml"]
    return [task for file in files for task in tasks(read(file))]


def is_opaque(task: Data) -> bool:
    name, arguments = module(task)
    creates = isinstance(arguments, dict) and "creates" in arguments
    return (
        name.removeprefix("ansible.builtin.") in OPAQUE
        and task.get("changed_when") is not False
        and not creates
    )


@pytest.mark.parametrize("role", NAMES + SHARED)
def test_every_role_has_a_receipt_declaration(role: str) -> None:
    found = read(ROLES / role / "meta" / "receipt.yml")
    assert DECLARATION.validate_python(found or {}) == load_receipt_declaration(role)


@pytest.mark.parametrize(
    "wrong",
    [
        {"need": ["base"]},
        {"needs": "base"},
        {"takes_over": ["/etc/x; reboot"]},
        {"reload_markers": [{"settings": ["/etc/x"]}]},
        {"probes": {"x.sh": ["title"]}},
    ],
)
def test_receipt_declaration_has_types_that_tell_mistakes(wrong: Data) -> None:
    with pytest.raises(ValidationError):
        DECLARATION.validate_python(wrong)


@pytest.mark.parametrize("role", NAMES)
def test_role_needs_only_roles_that_run_before_it(role: str) -> None:
    before = list(KNOWN_ROLES)[: list(KNOWN_ROLES).index(role)]
    needs = load_receipt_declaration(role).needs
    assert set(needs) <= set(before)
    assert len(needs) == len(set(needs))


def tags(task: Data) -> set[str]:
    return set(task.get("tags", ()))


@pytest.mark.parametrize("role", NAMES)
def test_every_command_that_changes_something_is_tracked(role: str) -> None:
    known = tracker_names_by_tag(role).keys()
    parts = [task for part in role_and_shared_roles(role) for task in all_tasks(part)]
    assert [task["name"] for task in parts if is_opaque(task) and not tags(task) & known] == []


@pytest.mark.parametrize("role", NAMES)
def test_every_tracked_tag_exists(role: str) -> None:
    parts = [task for part in role_and_shared_roles(role) for task in all_tasks(part)]
    known = [tag for task in parts for tag in tags(task)]
    assert [tag for tag in tracker_names_by_tag(role) if known.count(tag) != 1] == []


@pytest.mark.parametrize("role", NAMES)
def test_trackers_are_part_of_the_receipt(role: str) -> None:
    parts = [load_receipt_declaration(part) for part in role_and_shared_roles(role)]
    known = {path for part in parts for path in (*part.probes, *part.paths)}
    known |= {item.marker for part in parts for item in part.reload_markers}
    assert {name for names in tracker_names_by_tag(role).values() for name in names} <= known


@pytest.mark.parametrize("role", NAMES + SHARED)
def test_role_depends_on_the_shared_roles_that_it_includes(role: str) -> None:
    files = [task for file in task_files(role) for task in tasks(read(file))]
    used = {
        arguments["name"]
        for name, arguments in map(module, files)
        if name.rpartition(".")[2] in ("import_role", "include_role")
    }
    meta = read(ROLES / role / "meta" / "main.yml")
    assert used <= {item["role"] for item in meta["dependencies"]} <= set(SHARED)


@pytest.mark.parametrize("role", NAMES)
def test_file_with_a_secret_is_closed_to_others(role: str) -> None:
    """Texts that others may read are stored and shown as diffs."""
    for task in all_tasks(role):
        name, arguments = module(task)
        writes = name.removeprefix("ansible.builtin.") in ("template", "copy")
        if writes and task.get("no_log"):
            assert arguments["mode"].endswith("0"), task["name"]


@pytest.mark.parametrize("role", NAMES)
def test_probes_are_those_that_are_declared(role: str) -> None:
    files = {file.name for file in (ROLES / role / "probes").glob("*")}
    assert files == set(load_receipt_declaration(role).probes)
    assert all(load_receipt_declaration(role).probes.values())


@pytest.mark.parametrize("role", NAMES)
def test_watched_paths_are_absolute_and_unique(role: str) -> None:
    declared = load_receipt_declaration(role)
    settings = [path for item in declared.reload_markers for path in (*item.settings, item.marker)]
    assert [path for path in (*declared.paths, *settings) if not path.startswith("/")] == []
    assert len(declared.paths) == len(set(declared.paths))


@pytest.mark.parametrize("probe", PROBES, ids=ids)
def test_probe_is_a_posix_script_with_a_title(probe: Path) -> None:
    done = subprocess.run(["sh", "-n", str(probe)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert probe.read_text().startswith("# ")
    # It is given to a shell as text: an argument of a command is at most 128 KiB long.
    assert len(probe.read_bytes()) < 16_384


@pytest.mark.parametrize("probe", PROBES, ids=ids)
def test_probe_has_no_jinja_and_names_no_secret(probe: Path) -> None:
    text = probe.read_text()
    assert "{{" not in text and "{%" not in text
    own = [secret for service in SERVICES.values() for secret in service.secrets]
    for secret in (MAIL, RECEIPTS, *own):
        assert secret.name not in text
    # Of a password on the node, only a digest may be printed.
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
def test_every_fact_that_a_role_uses_is_declared(role: str) -> None:
    files = [file for file in (ROLES / role).rglob("*") if file.is_file()]
    texts = [file.read_text(errors="replace") for file in files if file.name != "README.md"]
    named = {name for text in texts for name in re.findall(r"ansible_facts[.\['\"]+(\w+)", text)}
    assert named - set(TOLD_OTHERWISE) == set(load_receipt_declaration(role).facts)
    assert set(load_receipt_declaration(role).facts) <= set(FACTS)


# Keys of a task whose value is an expression without braces.
EXPRESSIONS = ("when", "that", "until", "changed_when", "failed_when")


def expressions(data: Any) -> Iterator[str]:
    """Yield every Jinja template in a task file, expressions wrapped in braces."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, list):
        for item in data:
            yield from expressions(item)
    elif isinstance(data, dict):
        for key, value in data.items():
            if key in EXPRESSIONS:
                values = value if isinstance(value, list) else [value]
                yield from (f"{{{{ {item} }}}}" for item in values if isinstance(item, str))
            else:
                yield from expressions(value)


def used_variables(role: str) -> set[str]:
    """Return the variables that a role's templates, tasks, handlers, defaults and vars use."""
    folders = ("defaults", "handlers", "tasks", "vars")
    data = [read(file) for name in folders for file in (ROLES / role / name).rglob("*.yml")]
    texts = [text for item in data for text in expressions(item)]
    texts += [f.read_text() for f in (ROLES / role / "templates").rglob("*") if f.is_file()]
    environment = Environment(extensions=["jinja2.ext.do"])
    parsed = (environment.parse(text) for text in texts)
    return {name.name for tree in parsed for name in tree.find_all(Name) if name.ctx == "load"}


def defined_variables(role: str) -> set[str]:
    """Return the variables that a role's tasks and `vars/` define themselves."""
    found = {name for file in (ROLES / role / "vars").rglob("*.yml") for name in read(file)}
    for task in (task for file in task_files(role) for task in tasks(read(file))):
        found |= set(task.get("vars", {})) | {task.get("loop_control", {}).get("loop_var", "")}
        name, arguments = module(task)
        found |= set(arguments) if name == "ansible.builtin.set_fact" else set()
    return found


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@pytest.mark.parametrize("role", NAMES)
def test_every_variable_that_a_role_uses_is_in_its_argument_specs(role: str) -> None:
    """A receipt holds digests of the variables that the specs name, and of no others."""
    rendered = {name for other in NAMES for name in options(other)}
    used = used_variables(role) - defined_variables(role)
    shared = tuple(f"{part}_" for part in SHARED)
    own = {name for name in used if name.startswith(f"{role}_") and not name.startswith(shared)}
    assert own | (used & rendered) <= set(options(role))
