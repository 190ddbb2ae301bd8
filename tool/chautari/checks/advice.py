"""What to do when a check on a node fails, read from our own source.

A node reports the outcome of its checks. What a person does next is not the node's to say: a
hostile one would have a command run on the laptop.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping

from chautari.paths import content_root


def advice_for_failed_check(role: str, check: str) -> str:
    """Return the advice of a check inside a node; empty for one that this version does not have.

    `check` is the name of its function, with its parameters in brackets if it has any.
    """
    return _advice_of_role(role).get(check.partition("[")[0], "")


@functools.cache
def _advice_of_role(role: str) -> Mapping[str, str]:
    file = content_root() / "roles" / role / "checks" / "test_inside.py"
    # The name of a role may come from a node.
    if not role.replace("_", "").isalnum() or not file.is_file():
        return {}
    return dict(_advice_by_check(ast.parse(file.read_text())))


def _advice_by_check(module: ast.Module) -> Iterator[tuple[str, str]]:
    constants: dict[str, str] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id] = _evaluate_string(node.value, constants)
        elif isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.advice":
                    yield node.name, _evaluate_string(mark.args[0], constants)


def _evaluate_string(value: ast.expr, constants: Mapping[str, str]) -> str:
    """Return the text of an expression of texts and names of texts."""
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return constants.get(name, "")
        case ast.JoinedStr(values=parts):
            return "".join(_evaluate_string(part, constants) for part in parts)
        case ast.FormattedValue(value=inner):
            return _evaluate_string(inner, constants)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _evaluate_string(left, constants) + _evaluate_string(right, constants)
    return ""
