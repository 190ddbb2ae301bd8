"""Extracts from a file the texts that people read, with their lines; code is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

# Keys of Ansible's files whose values people read.
PROSE_KEYS = ("name", "msg", "fail_msg", "success_msg", "description", "short_description")
CODE = "CODE"


class Text(NamedTuple):
    """One text that people read, and the line it begins at."""

    line: int
    text: str


def texts(file: Path) -> list[Text]:
    """Return the texts of a file that `is_readable`."""
    return list(READERS[file.suffix](file.read_text()))


def is_readable(file: Path) -> bool:
    """Return whether texts can be found in a file: for templates, only in those of HTML."""
    return file.suffix in READERS and (file.suffix != ".j2" or file.name.endswith(".html.j2"))


def markdown_texts(source: str) -> Iterator[Text]:
    """Yield headings, paragraphs, list items and table cells, without code and addresses."""
    source = re.sub(r"```.*?```", lambda found: "\n" * found[0].count("\n"), source, flags=re.S)
    start, gathered = 0, list[str]()
    for number, line in enumerate([*source.splitlines(), ""], 1):
        begins = re.match(r"\s*(?:[-*] |\d+\. |#|\||    )", line)
        if gathered and (not line.strip() or begins):
            yield Text(start, _plain(" ".join(gathered)))
            gathered = []
        if line.startswith("    ") and not gathered:
            continue
        if line.startswith("|"):
            yield from (Text(number, _plain(cell)) for cell in line.strip("| ").split(" | "))
        elif line.startswith("#"):
            yield Text(number, _plain(line.lstrip("# ")))
        elif line.strip():
            start = start if gathered else number
            gathered.append(re.sub(r"^\s*(?:[-*]|\d+\.) ", "", line).strip())


def sentences(text: str) -> list[str]:
    """Split a text after full stops, question and exclamation marks."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z0-9\"(])", text)


def _plain(text: str) -> str:
    text = re.sub(r"`[^`]*`", CODE, text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"\*\*|(?<!\w)\*|\*(?!\w)", "", text).strip()


def yaml_texts(source: str) -> Iterator[Text]:
    """Yield task names, messages, descriptions and comments of a file of Ansible's."""
    for number, line in enumerate(source.splitlines(), 1):
        if comment := re.match(r"\s*#+ (.*)", line):
            yield Text(number, comment[1])
    for document in yaml.compose_all(source, Loader=yaml.CSafeLoader):
        yield from _prose_values(document)


def _prose_values(node: yaml.Node | None) -> Iterator[Text]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _prose_values(item)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in PROSE_KEYS:
                yield from _scalars(value)
            yield from _prose_values(value)


def _scalars(node: yaml.Node) -> Iterator[Text]:
    scalars = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for scalar in scalars:
        if isinstance(scalar, yaml.ScalarNode):
            text = re.sub(r"{{.*?}}|`[^`]*`", CODE, scalar.value, flags=re.S)
            yield Text(scalar.start_mark.line + 1, text)


def python_texts(source: str) -> Iterator[Text]:
    """Yield string literals that hold a space; of docstrings, those that are shown as help."""
    tree = ast.parse(source)
    left_out = {id(doc) for doc in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            left_out |= {id(part) for part in node.values}
            parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
            yield Text(node.lineno, _without_code("".join(map(str, parts))))
        elif isinstance(node, ast.Constant) and id(node) not in left_out and _is_prose(node.value):
            yield Text(node.lineno, _without_code(str(node.value)))


def _is_prose(value: object) -> bool:
    return isinstance(value, str) and " " in value


def _without_code(text: str) -> str:
    return re.sub(r"`[^`]*`", CODE, text)


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the docstrings that only readers of the code see."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body and not _is_shown(node) else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def _is_shown(node: ast.AST) -> bool:
    """Return whether the docstring is shown: as help, in the schema, or as a check's title."""
    if isinstance(node, ast.ClassDef):
        return any("StrictModel" in ast.unparse(base) for base in node.bases)
    if isinstance(node, ast.FunctionDef):
        if node.name.startswith("test_"):
            return True
        called = (ast.unparse(item) for item in node.decorator_list)
        return any(re.match(r"(?:click|\w+)\.(?:command|group)\(", text) for text in called)
    return False


def shell_texts(source: str) -> Iterator[Text]:
    """Yield comments, and quoted texts that hold a space."""
    for number, line in enumerate(source.splitlines(), 1):
        if comment := re.match(r"\s*#+ (.*)", line):
            yield Text(number, comment[1])
        else:
            yield from (Text(number, quoted) for quoted in re.findall(r'"([^"$]* [^"]*)"', line))


def html_texts(source: str) -> Iterator[Text]:
    """Yield the texts between the tags of a Jinja template of HTML."""
    source = re.sub(r"{%.*?%}|{{.*?}}|<style>.*?</style>", CODE, source, flags=re.S)
    for number, line in enumerate(source.splitlines(), 1):
        yield from (
            Text(number, text) for text in re.split(r"<[^>]*>", line) if " " in text.strip()
        )


READERS = {
    ".md": markdown_texts,
    ".yml": yaml_texts,
    ".py": python_texts,
    ".sh": shell_texts,
    ".j2": html_texts,
}
