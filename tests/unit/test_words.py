"""The words of everything that people read: pages, help, messages and names of tasks.

The list is `words.yml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import prose
import pytest
import yaml
from region_samples import ROOT

LIST = ROOT / "tests/unit/words.yml"
# Folders and files at the top whose texts are read by people.
READ = ("*.md", "docs", "roles", "playbooks", "molecule", "inventories", "benchmarks", "tool")


class Word(NamedTuple):
    """A pattern that texts do not contain, phrases it does not count in, and what to write."""

    pattern: re.Pattern[str]
    allow: tuple[re.Pattern[str], ...]
    write: str

    def occurrences(self, text: str) -> list[str]:
        """Return what the pattern finds in a text, outside the phrases that are allowed."""
        if not self.pattern.search(text):
            return []
        for phrase in self.allow:
            text = phrase.sub("", text)
        return [found[0] for found in self.pattern.finditer(text)]


def word_list() -> list[Word]:
    def compiled(pattern: str) -> re.Pattern[str]:
        return re.compile(pattern, re.IGNORECASE)

    entries = yaml.safe_load(LIST.read_text())["words"]
    return [
        Word(compiled(e["pattern"]), tuple(map(compiled, e.get("allow", ()))), e["write"])
        for e in entries
    ]


WORDS = word_list()


def files_that_people_read() -> Iterator[Path]:
    for place in READ:
        for found in ROOT.glob(place):
            files = [found] if found.is_file() else sorted(found.rglob("*"))
            yield from (f for f in files if prose.is_readable(f) and f.is_file())


def offenders(texts: list[prose.Text]) -> list[str]:
    return [
        f"{line}: {found!r}; write {word.write}"
        for line, text in texts
        for word in WORDS
        for found in word.occurrences(text)
    ]


def test_texts_use_the_words_of_the_field() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{text}"
        for file in files_that_people_read()
        for text in offenders(prose.texts(file))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Nobody is asked.", 1),
        ("The service is wanted here no more.", 1),
        ("A file has no more than 500 lines, and no more errors.", 0),
        ("The role is to listen there.", 1),
        ("The fix is to deploy again. The key is next to the file.", 0),
        ("Ubuntu is for BigBlueButton alone.", 1),
        ("Leave the unit alone.", 0),
        ("It is fetched over two different lines; see line 3 and the release line.", 1),
        ("Take a service off the node, and take the cap off.", 2),
        ("The role takes over the base of the background.", 0),
    ],
)
def test_word_list_is_precise(text: str, count: int) -> None:
    assert len(offenders([prose.Text(1, text)])) == count


def test_prose_leaves_code_out_of_markdown() -> None:
    source = "# Head\n\nOne `nobody`\ntwo [there](nobody.md).\n\n    nobody\n\n```sh\nnobody\n```\n"
    source += "- item\n  goes on\n\n| a | `b` |\n"
    assert list(prose.markdown_texts(source)) == [
        (1, "Head"), (3, "One CODE two there."), (11, "item goes on"), (14, "a"), (14, "CODE"),
    ]  # fmt: skip


def test_prose_finds_messages_and_help_in_python() -> None:
    source = (
        '"""Module docstring."""\n'
        "import click\n"
        "@click.command('x')\n"
        "def command():\n"
        '    """Print a thing."""\n'
        "    return f'one {1} two', 'word', 'run `x` now'\n"
    )
    assert sorted(prose.python_texts(source)) == [
        (5, "Print a thing."), (6, "one {} two"), (6, "run CODE now"),
    ]  # fmt: skip


def test_prose_finds_messages_in_shell_and_texts_in_html() -> None:
    shell = '# A note\nfail "no room on $disk"\n'
    assert list(prose.shell_texts(shell)) == [(1, "A note"), (2, "no room on $disk")]
    html = "<p>{{ name }} is <b>very well</b></p>\n{% if x %}\n<i>so it is</i>\n"
    assert [text for _, text in prose.html_texts(html)] == ["CODE is ", "very well", "so it is"]


def test_prose_finds_task_names_messages_and_comments_in_yaml() -> None:
    source = "# A note\n- name: Do {{ this }}\n  fail:\n    msg: No\n    other: not read\n"
    assert list(prose.yaml_texts(source)) == [(1, "A note"), (2, "Do CODE"), (4, "No")]
