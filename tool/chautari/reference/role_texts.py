"""Find the texts of roles for translators: names and messages of tasks, and titles of probes.

`{{ expression }}` becomes a placeholder, since the control side gets the text with its values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"{{(.*?)}}", re.DOTALL)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_WORDS = re.compile(r"[A-Za-z]{2,},? [a-z]")
# Words that an expression chooses cannot be translated with the rest.
_HAS_CHOICE = re.compile(r"{%|ternary\(")
_DOWNLOAD_TAG = "download_estimate"
_BLOCKS = ("block", "rescue", "always")
# A role's preflight repeats what the control side checks before a deploy.
_PREFLIGHT = re.compile(r"preflight")


def role_message_templates(file: Path) -> Iterator[str]:
    """Yield what the tasks in a file report and why they fail, as templates."""
    for task in _tasks_of(_load(file)):
        for text in _messages_of_task(task, file):
            template = placeholder_template(text)
            if _WORDS.search(re.sub(r"{\w+}", "", template)) and not _HAS_CHOICE.search(text):
                yield template


def task_names(file: Path) -> list[str]:
    """Return the names of the tasks and handlers in a file, which the progress shows."""
    return [task["name"] for task in _tasks_of(_load(file)) if task.get("name")]


@cache
def _load(file: Path) -> list[dict[str, Any]]:
    return yaml.safe_load(file.read_text()) or []


def probe_titles(file: Path) -> list[str]:
    """Return the titles of the probes that a role's `receipt.yml` declares."""
    return list(((yaml.safe_load(file.read_text()) or {}).get("probes") or {}).values())


def placeholder_template(text: str) -> str:
    """Return a text of Ansible with a placeholder in the place of each expression."""
    names: dict[str, str] = {}

    def name_of(match: re.Match[str]) -> str:
        expression = match[1].strip()
        if expression not in names:
            found = _NAME.search(expression)
            name = (found[0] if found else "value").rstrip("_")
            number = sum(known.rstrip("0123456789") == name for known in names.values())
            names[expression] = f"{name}{number + 1}" if number else name
        return f"{{{names[expression]}}}"

    return _EXPRESSION.sub(name_of, text)


def _messages_of_task(task: dict[str, Any], file: Path) -> Iterator[str]:
    if _DOWNLOAD_TAG in task.get("tags", ()):
        return  # names what is downloaded; a text of the control side contains it
    for module, key in (("debug", "msg"), ("fail", "msg"), ("assert", "fail_msg")):
        text = (task.get(f"ansible.builtin.{module}") or {}).get(key)
        if isinstance(text, str) and (module == "debug" or not _PREFLIGHT.search(file.name)):
            yield text


def _tasks_of(tasks: list[Any]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield task
        for block in _BLOCKS:
            yield from _tasks_of(task.get(block) or [])
