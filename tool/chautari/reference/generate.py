"""Generate the schema, the reference pages, the playbook and the list of services."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chautari.files import write_atomically
from chautari.paths import content_root
from chautari.reference.command_reference import command_reference_text
from chautari.region.model import Region
from chautari.services.base import Role
from chautari.services.registry import ROLES, SERVICES

SCHEMA_ID = "region.schema.json"
IN_USE_TASKS = "in_use.yml"


def schema_text() -> str:
    """Return the JSON Schema of `region.yml`."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return json.dumps(schema | Region.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def region_reference_text() -> str:
    """Return the reference page of `region.yml`."""
    schema = Region.model_json_schema()
    parts = {"Region": schema} | schema["$defs"]
    lines = ["# region.yml", "", "Generated from the model by `make generate`; do not edit.", ""]
    for name, part in parts.items():
        lines += _model_section(name, part)
    return "\n".join(lines)


def _model_section(name: str, part: Mapping[str, Any]) -> list[str]:
    required = set(part.get("required", ()))
    lines = [f"## {name}", "", part.get("description", ""), ""]
    lines += ["| key | required | default | meaning | example |", "|---|---|---|---|---|"]
    for key, field in part.get("properties", {}).items():
        default = "" if key in required else f"`{json.dumps(field.get('default'))}`"
        example = json.dumps(field["examples"][0], ensure_ascii=False)
        needed = "yes" if key in required else ""
        lines.append(f"| `{key}` | {needed} | {default} | {field['description']} | `{example}` |")
    return [*lines, ""]


def services_index_text() -> str:
    """Return the list of services with their pages."""
    lines = [
        "# Services",
        "",
        "Generated from the services' packages by `make generate`; do not edit.",
        "",
        "| service | in `region.yml` | operating systems | |",
        "|---|---|---|---|",
    ]
    for service in SERVICES.values():
        systems = ", ".join(service.requires.os)
        link = f"[{service.title}]({service.page}.md)"
        lines.append(f"| {link} | `{service.name}` | {systems} | {service.summary} |")
    return "\n".join([*lines, ""])


def playbook_yaml(root: Path) -> str:
    """Return the playbook: one play a role, in the order they run; `root` holds the roles."""
    parts = [
        "---\n"
        "# Generated from the services' packages by `make generate`; do not edit.\n"
        "# One play a role, in the order they run; a group holds the nodes that run the role.\n"
        "# Handlers run at the end of their role's play, so the next role finds services reloaded."
    ]
    asking = [role for role in ROLES.values() if _has_in_use_tasks(root, role)]
    parts.append("\n".join(_in_use_play_yaml(role) for role in asking))
    parts += [
        _role_play_yaml(role, gather=number == 0) for number, role in enumerate(ROLES.values())
    ]
    return "\n".join([parts[0], "\n\n".join(parts[1:]), ""])


def _has_in_use_tasks(root: Path, role: Role) -> bool:
    return (root / "roles" / role.name / "tasks" / IN_USE_TASKS).is_file()


def _in_use_play_yaml(role: Role) -> str:
    return f"""\
- name: Check whether {role.title} is in use, before anything changes
  hosts: {role.name}
  become: true
  gather_facts: false
  tasks:
    - name: Check {role.title}
      ansible.builtin.include_role:
        name: {role.name}
        tasks_from: {IN_USE_TASKS}"""


def _role_play_yaml(role: Role, *, gather: bool) -> str:
    return f"""\
- name: {role.title}
  hosts: {role.name}
  become: true
  gather_facts: {str(gather).lower()}
  roles:
    - role: {role.name}"""


def generated_files(root: Path) -> dict[Path, str]:
    """Return the text of every generated file, by its path under `root`."""
    return {
        root / "schemas" / SCHEMA_ID: schema_text(),
        root / "docs" / "reference" / "region.md": region_reference_text(),
        root / "docs" / "reference" / "command.md": command_reference_text(),
        root / "docs" / "services" / "README.md": services_index_text(),
        root / "playbooks" / "region.yml": playbook_yaml(root),
    }


def main(arguments: list[str]) -> int:
    """Write the generated files, or with `--check` only name those that are out of date."""
    root = content_root()
    expected = generated_files(root)
    old = [file for file, text in expected.items() if not _content_equals(file, text)]
    for file in old:
        if "--check" in arguments:
            name = file.relative_to(root)
            print(f"{name} is out of date. Fix: make generate", file=sys.stderr)
        else:
            write_atomically(file, expected[file])
    return 1 if old and "--check" in arguments else 0


def _content_equals(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
