"""Find the texts for translators in checks and in the code of nodes: why something failed.

An f-string is a template: each expression in it becomes a placeholder, since the control side gets
the text with its values.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

_WORD = re.compile(r"(?<![/\w{])[a-z]{3,}(?!\w)")
_SENTENCE = re.compile(r"[a-z]{2,},? [a-z]")
_DETAILS = ("message", "reason", "why")
_TOO_GENERAL = 4  # letters: a template with fewer ones would fit texts of other programs
_LITERAL_BRACES = str.maketrans({"{": "{{", "}": "}}"})


def failure_templates(module: ast.Module) -> Iterator[str]:
    """Yield what the checks in a module say when they fail."""
    for node in ast.walk(module):
        for expression in _messages_of(node):
            template = _Template().fill_from(expression)
            fixed = re.sub(r"{\w*}", "", template)
            if _WORD.search(fixed) and len(fixed) > _TOO_GENERAL:
                yield template


def detail_templates(module: ast.Module) -> Iterator[str]:
    """Yield what the code of a node says in the details of its errors."""
    for node in ast.walk(module):
        for expression in _details_of(node):
            template = _Template().fill_from(expression)
            if _SENTENCE.search(re.sub(r"{\w*}", "", template)):
                yield template


def _details_of(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the text of an error, values with a name such as `reason`, and what is returned."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        yield from node.exc.args[:1]
    elif isinstance(node, ast.Call):
        yield from (item.value for item in node.keywords if item.arg in _DETAILS)
    elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in _DETAILS:
        yield node.value
    elif isinstance(node, ast.Return) and node.value is not None:
        yield from node.value.values if isinstance(node.value, ast.BoolOp) else [node.value]


def _messages_of(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the message of an assertion, of `pytest.fail` and of an error."""
    if isinstance(node, ast.Assert) and node.msg is not None:
        yield node.msg
    elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        yield from node.exc.args[:1]
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.fail":
        yield from node.args[:1]


class _Template:
    """Makes a template from the expression of a text."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def fill_from(self, node: ast.expr) -> str:
        """Return the template; empty for an expression without a text of ours."""
        match node:
            case ast.Constant(value=str(text)):
                return text.translate(_LITERAL_BRACES)
            case ast.JoinedStr(values=parts):
                return "".join(map(self.fill_from, parts))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.fill_from(left) + self.fill_from(right)
            case ast.FormattedValue(value=value):
                return self._placeholder(value)
        return self._placeholder(node)

    def _placeholder(self, value: ast.expr) -> str:
        expression = ast.unparse(value)
        if expression not in self._names:
            base = _name_of(value)
            number = sum(name.rstrip("0123456789") == base for name in self._names.values())
            self._names[expression] = f"{base}{number + 1}" if number else base
        return f"{{{self._names[expression]}}}"


def _name_of(value: ast.expr) -> str:
    """Return the name of a placeholder that says most about its value."""
    match value:
        case ast.Attribute(attr=name):
            return name.rstrip("_0123456789")
        case ast.Subscript(slice=ast.Constant(value=str(key))) if key.isidentifier():
            return key.lower()
    names = (node.id for node in ast.walk(value) if isinstance(node, ast.Name))
    found = next((name for name in names if not hasattr(builtins, name)), "value")
    return found.rstrip("_0123456789").lower()
