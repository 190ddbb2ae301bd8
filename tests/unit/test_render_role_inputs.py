"""The inputs of a role as digests: they change with what the role uses, and with nothing else."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from node_samples import SECRETS, node
from region_samples import ROOT

from chautari.deploy.survey import COMPARED
from chautari.node import receipt_writer
from chautari.render import role_cache, role_inputs
from chautari.render.variables import NodeVariables

KEY = "canary-key"
CACHED = (
    role_inputs.load_receipt_declaration, role_inputs.role_and_shared_roles,
    role_inputs._role_files, role_inputs.load_role_summary,
    role_inputs._variables_in_argument_specs, role_inputs.plays_by_role,
    role_cache._read_cache_entries, role_cache._file_states,
)  # fmt: skip


def clear_caches() -> None:
    for function in CACHED:
        function.cache_clear()


@pytest.fixture
def content(med1: NodeVariables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a copy of the playbooks and of the node's roles, which a test may change."""
    roles = {
        f"roles/{part}" for role in med1.roles for part in role_inputs.role_and_shared_roles(role)
    }
    for name in ("playbooks", *roles):
        shutil.copytree(ROOT / name, tmp_path / "content" / name)
    monkeypatch.setattr(role_inputs, "content_root", lambda: tmp_path / "content")
    clear_caches()
    yield tmp_path / "content"
    clear_caches()


@pytest.fixture
def med1(tmp_path: Path) -> NodeVariables:
    return node(tmp_path, "med1")


def inputs_of(of: NodeVariables, key: str = KEY, ansible: str = "a" * 64) -> dict[str, Any]:
    clear_caches()
    return {item["role"]: item for item in role_inputs.role_inputs_of_node(of, key, ansible)}


def changed(before: dict[str, Any], after: dict[str, Any], part: str) -> set[str]:
    return {role for role in before if before[role][part] != after[role][part]}


def test_inputs_keep_the_order_of_roles(med1: NodeVariables) -> None:
    assert tuple(inputs_of(med1)) == med1.roles


def test_inputs_are_reproducible(med1: NodeVariables) -> None:
    assert inputs_of(med1) == inputs_of(med1)


@pytest.mark.parametrize(
    "file", ["tasks/main.yml", "templates/new.j2", "meta/receipt.yml", "handlers/main.yml",
             "defaults/main.yml", "vars/deep/x.yml"],
)  # fmt: skip
def test_changed_file_changes_only_its_role(file: str, content: Path, med1: NodeVariables) -> None:
    before, context = inputs_of(med1), content / "roles" / "nginx" / file
    context.parent.mkdir(parents=True, exist_ok=True)
    context.write_text((context.read_text() if context.exists() else "") + "# one more line\n")
    assert changed(before, inputs_of(med1), "files") == {"nginx"}


@pytest.mark.parametrize(
    "file", ["README.md", "checks/test_inside.py", "checks/new.py", "__pycache__/x.pyc"]
)
def test_file_that_no_run_uses_changes_nothing(
    file: str, content: Path, med1: NodeVariables
) -> None:
    before, context = inputs_of(med1), content / "roles" / "nginx" / file
    context.parent.mkdir(parents=True, exist_ok=True)
    context.write_text("something else: nginx_names base_hostname\n")
    assert inputs_of(med1) == before


def test_moved_text_changes_the_digest(content: Path, med1: NodeVariables) -> None:
    before = inputs_of(med1)
    folder = content / "roles" / "nginx" / "tasks"
    (folder / "main.yml").rename(folder / "other.yml")
    assert changed(before, inputs_of(med1), "files") == {"nginx"}


def test_play_of_a_role_is_part_of_its_files(content: Path, med1: NodeVariables) -> None:
    before, context = inputs_of(med1), content / "playbooks" / "region.yml"
    context.write_text(context.read_text().replace("  hosts: php\n", "  hosts: php\n  serial: 1\n"))
    assert changed(before, inputs_of(med1), "files") == {"php"}


def test_changed_variable_changes_only_roles_that_use_it(med1: NodeVariables) -> None:
    before = inputs_of(med1)
    other = med1._replace(public=med1.public | {"base_timezone": "Asia/Kathmandu"})
    after = inputs_of(other)
    assert "base" in changed(before, after, "variables")
    for role in changed(before, after, "variables"):
        assert "base_timezone" in before[role]["variables"]
    assert "redis" not in changed(before, after, "variables")


def test_variable_without_a_role_changes_nothing(med1: NodeVariables) -> None:
    assert inputs_of(med1._replace(public=med1.public | {"nobody_asks": 1})) == inputs_of(med1)


def test_variable_added_to_the_specs_is_a_new_input(content: Path, med1: NodeVariables) -> None:
    assert "base_timezone" not in inputs_of(med1)["redis"]["variables"]
    file = content / "roles" / "redis" / "meta" / "argument_specs.yml"
    specs = yaml.safe_load(file.read_text())
    specs["argument_specs"]["main"]["options"]["base_timezone"] = {"type": "str"}
    file.write_text(yaml.safe_dump(specs))
    assert "base_timezone" in inputs_of(med1)["redis"]["variables"]


def test_name_in_a_task_file_is_no_use_of_a_variable(content: Path, med1: NodeVariables) -> None:
    file = content / "roles" / "redis" / "tasks" / "main.yml"
    file.write_text(file.read_text() + "# base_timezone\n")
    assert "base_timezone" not in inputs_of(med1)["redis"]["variables"]


def test_shared_role_is_part_of_the_role_that_imports_it(
    content: Path, med1: NodeVariables
) -> None:
    folder = content / "roles" / "web_site"
    (folder / "meta" / "receipt.yml").write_text(
        "facts: [default_ipv4]\npaths: [/srv/site]\ntracked_by: {set_site: /srv/site}\n"
    )
    (folder / "meta" / "main.yml").write_text("dependencies: []\n")
    own = content / "roles" / "nginx" / "meta" / "main.yml"
    own.write_text("dependencies: [{role: web_site}]\n")
    before = inputs_of(med1)
    assert before["nginx"]["facts"] == ["default_ipv4"]
    assert {"kind": "paths", "name": "/srv/site"} in before["nginx"]["items"]
    assert before["nginx"]["tracked_by"]["set_site"] == ["/srv/site"]
    assert before["nginx"]["shared_roles"] == ["web_site"]
    (folder / "tasks" / "new.yml").write_text("---\n")
    assert changed(before, inputs_of(med1), "files") == {"nginx", "nextcloud"}


def test_every_variable_that_a_role_documents_is_among_its_inputs(med1: NodeVariables) -> None:
    values = med1.public | med1.secret
    for role, item in inputs_of(med1).items():
        own = {name for name in values if name.startswith(f"{role}_")}
        assert own <= set(item["variables"])


def test_facts_that_a_role_declares_are_inputs(content: Path, med1: NodeVariables) -> None:
    assert inputs_of(med1)["nginx"]["facts"] == []
    file = content / "roles" / "nginx" / "meta" / "receipt.yml"
    file.write_text(file.read_text() + "facts: [default_ipv4]\n")
    assert inputs_of(med1)["nginx"]["facts"] == ["default_ipv4"]


def test_declaration_names_the_facts_of_a_role() -> None:
    assert {"default_ipv4", "all_ipv4_addresses"} <= set(
        role_inputs.load_receipt_declaration("turn").facts
    )
    assert "processor_vcpus" in role_inputs.load_receipt_declaration("bigbluebutton").facts


def test_survey_sends_every_input_that_a_receipt_records() -> None:
    """What is not sent cannot be compared."""
    assert set(receipt_writer.RECORDED_INPUTS) <= set(COMPARED)


def test_changed_secret_changes_the_roles_that_use_it(med1: NodeVariables) -> None:
    other = med1._replace(secret=med1.secret | {"nextcloud_admin_password": "canary-other"})
    assert changed(inputs_of(med1), inputs_of(other), "variables") == {"nextcloud"}


def test_digests_are_keyed(med1: NodeVariables) -> None:
    one, two = inputs_of(med1), inputs_of(med1, key="another")
    for role in one:
        assert set(one[role]["variables"].values()).isdisjoint(two[role]["variables"].values())
        assert one[role]["files"] == two[role]["files"]


def test_equal_values_of_two_variables_have_different_digests(med1: NodeVariables) -> None:
    everything = [d for item in inputs_of(med1).values() for d in item["variables"].values()]
    assert len(everything) == len(set(everything))


def test_changed_ansible_changes_every_role(med1: NodeVariables) -> None:
    after = inputs_of(med1, ansible="b" * 64)
    assert changed(inputs_of(med1), after, "ansible") == set(after)


def test_inputs_hold_neither_secrets_nor_their_plain_digests(med1: NodeVariables) -> None:
    text = json.dumps(list(inputs_of(med1).values()))
    assert "canary" not in text
    for name in SECRETS.names:
        for value in (SECRETS[name], json.dumps(SECRETS[name]), f"{SECRETS[name]}\n"):
            for algorithm in ("md5", "sha1", "sha256"):
                digest = hashlib.new(algorithm, value.encode()).hexdigest()
                assert digest[: role_inputs.DIGEST_LETTERS] not in text


def test_role_needs_only_roles_of_the_node(tmp_path: Path) -> None:
    bog1, med1 = inputs_of(node(tmp_path, "bog1")), inputs_of(node(tmp_path, "med1"))
    assert (bog1["mail"]["needs"], med1["tls"]["needs"]) == ([], ["nginx"])
    for item in (*bog1.values(), *med1.values()):
        assert set(item["needs"]) <= set(role_inputs.load_receipt_declaration(item["role"]).needs)
    fewer = node(tmp_path, "med1")._replace(roles=("base", "nginx", "nextcloud"))
    assert inputs_of(fewer)["nextcloud"]["needs"] == ["nginx"]


def test_inputs_have_probes_with_script_and_title(med1: NodeVariables) -> None:
    for role, item in inputs_of(med1).items():
        probes = {i["name"]: i["script"] for i in item["items"] if i["kind"] == "probe"}
        declared = role_inputs.load_receipt_declaration(role).probes
        assert probes == {
            title: (ROOT / "roles" / role / "probes" / file).read_text()
            for file, title in declared.items()
        }


def test_inputs_survive_json(med1: NodeVariables) -> None:
    found = list(inputs_of(med1).values())
    assert json.loads(json.dumps(found)) == found
    kinds = {item["kind"] for role in found for item in role["items"]}
    assert kinds == {"paths", "reload_marker", "probe"}
