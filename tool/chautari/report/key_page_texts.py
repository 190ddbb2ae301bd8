"""The texts of `deploy explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chautari.language import Text, Texts, _

_PLAIN: Texts = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping (lines such as key: value)",
}
NO_DEFAULT: Text = "none"
REQUIRED: Text = "none; this key is required"


def allowed_values_text(schema: Mapping[str, Any]) -> str:
    """Return which values a key can have."""
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return _("one of: {values}", values=", ".join(map(str, values)))
    if "anyOf" in schema:
        return " or ".join(allowed_values_text(item) for item in schema["anyOf"])
    kind = schema.get("type", "")
    if kind == "array":
        return _(
            "a list; each item is {allowed_values}",
            allowed_values=allowed_values_text(schema.get("items", {})),
        )
    if kind == "object" and isinstance(inner := schema.get("additionalProperties"), dict):
        return _(
            "a mapping; each value is {allowed_values}", allowed_values=allowed_values_text(inner)
        )
    if kind == "integer" and "minimum" in schema and "maximum" in schema:
        return _(
            "a whole number from {minimum} to {maximum}",
            minimum=schema["minimum"],
            maximum=schema["maximum"],
        )
    return _(_PLAIN.get(kind, _PLAIN["object" if "$ref" in schema else "string"]))
