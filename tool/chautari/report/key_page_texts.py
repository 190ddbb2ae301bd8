"""The texts of `deploy explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PLAIN = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping (lines such as key: value)",
}
NO_DEFAULT = "none"
REQUIRED = "none; this key is required"


def allowed_values_text(schema: Mapping[str, Any]) -> str:
    """Return which values a key can have."""
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"one of: {', '.join(map(str, values))}"
    if "anyOf" in schema:
        return " or ".join(allowed_values_text(item) for item in schema["anyOf"])
    kind = schema.get("type", "")
    if kind == "array":
        return f"a list; each item is {allowed_values_text(schema.get('items', {}))}"
    if kind == "object" and isinstance(inner := schema.get("additionalProperties"), dict):
        return f"a mapping; each value is {allowed_values_text(inner)}"
    if kind == "integer" and "minimum" in schema and "maximum" in schema:
        return f"a whole number from {schema['minimum']} to {schema['maximum']}"
    return _PLAIN.get(kind, "a mapping (lines such as key: value)" if "$ref" in schema else "text")
