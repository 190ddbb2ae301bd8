"""Finds texts in Python code that people read and that translators would never see."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator

# A text is what has two words; commands, paths and styles are none.
WORDS = re.compile(r"[A-Za-z]{2,}[,.:;]? [a-z({]")
COMMANDS = re.compile(
    r"(deploy|ssh|sudo|git|ssh-keygen|dpkg|journalctl|systemctl|sh|borg|chmod|chown|export|apt-get|"
    r"cd|chautari-\S+|bold|connect to host|listener|"
    r"operator namespaces|merge|\{\} -m|command=\S*|SELECT|-- |#|<\?xml|"
    r"; Records)\b"
)
# What these get is compared, parsed or run, but not shown.
NO_TEXT = {
    "_", "N_", "ngettext", "count_with_noun", "compile", "match", "fullmatch", "search", "sub",
    "findall", "split", "startswith", "endswith", "partition", "rpartition", "removeprefix",
    "removesuffix", "replace", "strftime", "Literal", "Field", "option", "argument", "command",
    "group", "version_option", "Template", "fill_template", "PydanticCustomError",
}  # fmt: skip
NO_TEXT_KEYWORDS = {"help", "metavar", "pattern", "prefix", "examples", "format", "description"}


def unwrapped_texts(source: str, known: Container[str] = ()) -> Iterator[tuple[int, str]]:
    """Yield texts in functions that no translation can replace, with their lines.

    Those in `known` are collected for translators, and translated where they are shown.
    """
    yield from _texts_with_lines(source, known, in_functions=True)


def uncollected_constants(source: str, known: Container[str]) -> Iterator[tuple[int, str]]:
    """Yield texts in constants that translators never see, with their lines."""
    yield from _texts_with_lines(source, known, in_functions=False)


def _texts_with_lines(
    source: str, known: Container[str], *, in_functions: bool
) -> Iterator[tuple[int, str]]:
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        text = _text_of(node)
        if not text or not WORDS.search(text) or COMMANDS.match(text.strip()):
            continue
        line = list(_ancestors(node, parents))
        if _is_in_function(line) != in_functions or any(map(_is_no_text, line)):
            continue
        if not (isinstance(node, ast.Constant) and " ".join(str(node.value).split()) in known):
            yield node.lineno, text


def _text_of(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"`[^`]*`", "", node.value)
    if isinstance(node, ast.JoinedStr):
        parts = (
            str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
        )
        return re.sub(r"`[^`]*`", "", "".join(parts))
    return ""


def _ancestors(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[tuple[ast.AST, ast.AST]]:
    while node in parents:
        yield node, parents[node]
        node = parents[node]


def _is_in_function(line: list[tuple[ast.AST, ast.AST]]) -> bool:
    return any(
        isinstance(parent, ast.Lambda)
        or (isinstance(parent, ast.FunctionDef) and child in parent.body)
        for child, parent in line
    )


def _is_no_text(pair: tuple[ast.AST, ast.AST]) -> bool:
    """Return whether a text in `child` is not shown, because of where it stands in `parent`."""
    child, parent = pair
    match parent:
        case ast.Call():
            name = ast.unparse(parent.func).rpartition(".")[2]
            return name in NO_TEXT or (name == "get" and child is parent.args[0])
        case ast.keyword():
            return parent.arg in NO_TEXT_KEYWORDS
        case ast.Expr() | ast.Compare() | ast.Assert() | ast.Subscript():
            return not isinstance(parent, ast.Expr) or isinstance(child, ast.Constant)
        case ast.JoinedStr():
            return isinstance(child, ast.Constant)
        case ast.Dict():
            return child in parent.keys
        case ast.FunctionDef():
            return child in parent.decorator_list
    return False
