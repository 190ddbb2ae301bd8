"""Generates `schemas/region.schema.json` and `docs/reference/region.md` from the model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from chautari.files import write_atomically
from chautari.paths import content_root
from chautari.region.model import Region

SCHEMA_ID = "region.schema.json"


def schema_text() -> str:
    """Return the JSON Schema of `region.yml`, as it is kept in the tree."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return json.dumps(schema | Region.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def reference_text() -> str:
    """Return the reference page of `region.yml`, as it is kept in the tree."""
    schema = Region.model_json_schema()
    parts = {"Region": schema} | schema["$defs"]
    lines = ["# region.yml", "", "Generated from the model by `make generate`; do not edit.", ""]
    for name, part in parts.items():
        lines += _section(name, part)
    return "\n".join(lines)


def _section(name: str, part: dict[str, Any]) -> list[str]:
    required = set(part.get("required", ()))
    lines = [f"## {name}", "", part.get("description", ""), ""]
    lines += ["| key | required | default | meaning | example |", "|---|---|---|---|---|"]
    for key, field in part.get("properties", {}).items():
        default = "" if key in required else f"`{json.dumps(field.get('default'))}`"
        example = json.dumps(field["examples"][0], ensure_ascii=False)
        needed = "yes" if key in required else ""
        lines.append(f"| `{key}` | {needed} | {default} | {field['description']} | `{example}` |")
    return [*lines, ""]


def main(arguments: list[str]) -> int:
    """Write the generated files, or with `--check` only say which of them lag behind."""
    root = content_root()
    wanted = {
        root / "schemas" / SCHEMA_ID: schema_text(),
        root / "docs" / "reference" / "region.md": reference_text(),
    }
    old = [file for file, text in wanted.items() if not _holds(file, text)]
    for file in old:
        if "--check" in arguments:
            print(f"{file.relative_to(root)} lags behind the model: make generate", file=sys.stderr)
        else:
            write_atomically(file, wanted[file])
    return 1 if old and "--check" in arguments else 0


def _holds(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
