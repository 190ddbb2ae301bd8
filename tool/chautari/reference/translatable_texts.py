"""Find the texts for translators: in Python, in templates of pages, and in the roles' checks."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
from jinja2 import Environment, nodes

from chautari.language import help_message
from chautari.reference.check_texts import detail_templates, failure_templates
from chautari.reference.role_texts import probe_titles, role_message_templates, task_names
from chautari.report.text_format import noun_forms

_CALLS = ("_", "N_", "ngettext", "translate")
_TABLES = re.compile(r"(Templates?|Texts?)\b")  # in the annotation of a constant
_FORMATS = re.compile(r"Templates?\b")
_HAS_COLUMNS = re.compile(r"\S {2,}\S")  # in lines of help: a command, and what it does
_COMMAND = re.compile(r"echo|openssl|ssh-keygen")
# Constants that are translated where they are shown.
_SHOWN_ARGUMENTS = (
    ("AccessDetails", "note"), ("Field", "description"), ("Service", "summary"),
    ("Service", "title"), ("Service", "per_node_fix"),
)  # fmt: skip
# Modules with which checks ask a service: a check shows why one of them failed.
CLIENTS_OF_CHECKS = (
    "tool/chautari/checks/*.py", "tool/chautari/services/*/xmpp.py",
    "tool/chautari/services/*/api_client.py",
)  # fmt: skip
_DECORATORS = ("command", "group")


class TranslatableText(NamedTuple):
    """A text as the code has it.

    `plural` is its form for several things, where it has one. `is_format` says that its braces
    are placeholders.
    """

    message: str
    plural: str = ""
    is_format: bool = False


def texts_of_repository(root: Path) -> Iterator[tuple[str, TranslatableText]]:
    """Yield each text with its file; the most visible ones first."""
    tool = root / "tool"
    places = ("cli", "report", "region", "preflight", "")
    ordered = [file for place in places for file in sorted((tool / "chautari" / place).rglob("*"))]
    for place in ("", "practice"):
        ordered += sorted((tool / "chautari_sandbox" / place).glob("*.py"))
    for file in dict.fromkeys(ordered):
        name = str(file.relative_to(root))
        if file.suffix == ".py":
            # Descriptions of the files that regions exchange are for programmers.
            source = file.read_text()
            if file.parent.name == "federation":
                source = source.replace("description=", "_description=")
            yield from ((name, text) for text in texts_of_python(source))
        elif file.suffix == ".j2":
            yield from ((name, text) for text in texts_of_page(file.read_text()))
    for file in sorted(root.glob("roles/*/checks/test_*.py")):
        name = str(file.relative_to(root))
        yield from ((name, text) for text in texts_of_checks(file.read_text()))
    for pattern in CLIENTS_OF_CHECKS:
        for file in sorted(root.glob(pattern)):
            name = str(file.relative_to(root))
            yield from ((name, text) for text in _texts_of_failures(ast.parse(file.read_text())))
    for file in sorted(root.glob("tool/chautari/node/[br]*/*.py")):
        if file.parent.name in ("backup", "restore") and not file.name.endswith("texts.py"):
            name = str(file.relative_to(root))
            for template in detail_templates(ast.parse(file.read_text())):
                yield name, TranslatableText(template, is_format="{" in template)
    for file in sorted(root.glob("roles/*/meta/receipt.yml")):
        name = str(file.relative_to(root))
        yield from ((name, TranslatableText(title)) for title in probe_titles(file))
    for file in sorted(root.glob("roles/*/files/upgrade/texts.py")):
        name = str(file.relative_to(root))
        yield from ((name, text) for text in texts_of_python(file.read_text()))
    for file in sorted(root.glob("roles/*/[th]a*s/*.yml")):  # tasks and handlers
        name = str(file.relative_to(root))
        for template in role_message_templates(file):
            yield name, TranslatableText(template, is_format="{" in template)
        yield from ((name, TranslatableText(title)) for title in task_names(file))
    for file in sorted(Path(str(inspect.getfile(click))).parent.glob("*.py")):
        if file.name not in ("testing.py", "_winconsole.py"):
            yield from ((f"click/{file.name}", text) for text in texts_of_python(file.read_text()))


def texts_of_python(source: str) -> Iterator[TranslatableText]:
    """Yield what is in calls, in tables and in the help of commands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield from _texts_of_call(node)
        elif isinstance(node, ast.AnnAssign) and node.value:
            kind = ast.unparse(node.annotation)
            if _TABLES.search(kind):
                is_format = bool(_FORMATS.search(kind))
                for text in _texts_of_table(node.value):
                    yield TranslatableText(text, is_format=is_format)
        elif isinstance(node, ast.ClassDef) and "StrictModel" in map(ast.unparse, node.bases):
            # What a key means, where its mapping has no other description.
            yield from map(TranslatableText, filter(None, [ast.get_docstring(node)]))
        elif isinstance(node, ast.FunctionDef) and _is_command(node):
            yield from _help_texts(ast.get_docstring(node) or "")


def _texts_of_call(node: ast.Call) -> Iterator[TranslatableText]:
    yield from _texts_of_skip(node)
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    literals = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
    if name in _CALLS and literals and isinstance(literals[0], str):
        plural = literals[1] if name == "ngettext" and len(literals) > 1 else ""
        is_format = bool(node.keywords or plural or name == "translate")
        yield TranslatableText(literals[0], str(plural), is_format)
    if name == "count_with_noun" and len(literals) > 1 and isinstance(literals[1], str):
        yield TranslatableText(*noun_forms(literals[1]), is_format=True)
    if name == "SecretSpec":  # its meaning, and its form where it has one
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        found = (text for value in values for text in _texts_of_table(value))
        yield from (TranslatableText(x) for x in found if " " in x and not _COMMAND.match(x))
    if name == "Fault":  # of a sandbox, to practise with
        for keyword in node.keywords:
            if keyword.arg in ("hint", "answer"):
                texts = _texts_of_table(keyword.value)
                yield from (TranslatableText(x, is_format=True) for x in texts)
    if name == "PeerStateMeaning":  # the state, and what it means with what to do
        for value in node.args[1:]:
            yield from (TranslatableText(x, is_format=True) for x in _texts_of_table(value))
    for keyword in node.keywords:
        if (name, keyword.arg) in _SHOWN_ARGUMENTS:
            yield from map(TranslatableText, _texts_of_table(keyword.value))
        if keyword.arg == "help" and isinstance(keyword.value, ast.Constant):
            yield from _help_texts(str(keyword.value.value))


def _texts_of_skip(node: ast.Call) -> Iterator[TranslatableText]:
    """Yield why a check is skipped."""
    if ast.unparse(node.func) == "pytest.skip":
        yield from map(TranslatableText, _texts_of_table(node.args[0]))


def _help_texts(text: str) -> Iterator[TranslatableText]:
    for paragraph in text.split("\n\n"):
        is_example = paragraph.startswith("\b") and not _HAS_COLUMNS.search(paragraph)
        if paragraph.strip() and not is_example:
            yield TranslatableText(help_message(paragraph))


def _texts_of_table(node: ast.expr) -> Iterator[str]:
    """Yield the texts of a table, without its keys and without the code in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _texts_of_table(value)
    elif isinstance(node, ast.Tuple | ast.List):
        for value in node.elts:
            yield from _texts_of_table(value)
    elif isinstance(node, ast.Call):  # a function that makes a template from texts
        for value in node.args:
            yield from _texts_of_table(value)


def _is_command(node: ast.FunctionDef) -> bool:
    calls = (item for item in node.decorator_list if isinstance(item, ast.Call))
    return any(ast.unparse(call.func).rpartition(".")[2] in _DECORATORS for call in calls)


def texts_of_page(source: str) -> Iterator[TranslatableText]:
    """Yield the texts of a template of a page: calls of `_`, and nouns with a count."""
    environment = Environment(autoescape=True)  # only to parse: nothing is rendered
    tree = environment.parse(source)
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in _CALLS:
            first = call.args[0]
            if isinstance(first, nodes.Const):
                yield TranslatableText(first.value, is_format=bool(call.kwargs))
    for found in tree.find_all(nodes.Filter):
        if found.name == "count_with_noun" and isinstance(found.args[0], nodes.Const):
            yield TranslatableText(*noun_forms(found.args[0].value), is_format=True)


def _texts_of_failures(module: ast.Module) -> Iterator[TranslatableText]:
    for template in failure_templates(module):
        yield TranslatableText(template, is_format="{" in template)


def texts_of_checks(source: str) -> Iterator[TranslatableText]:
    """Yield the titles of checks, why one fails or is skipped, and what to do then."""
    module = ast.parse(source)
    yield from _texts_of_failures(module)
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            yield from _texts_of_skip(node)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            title = (ast.get_docstring(node) or "").strip().partition("\n")[0]
            if title:
                yield TranslatableText(title)
            for call in node.decorator_list:
                is_advice = isinstance(call, ast.Call) and ast.unparse(call.func).endswith("advice")
                if is_advice and isinstance(call, ast.Call) and call.args:
                    yield from map(TranslatableText, _texts_of_table(call.args[0]))
