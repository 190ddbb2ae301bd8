"""The pages: samples are valid, links and commands exist, sentences are plain."""

from __future__ import annotations

import re
from pathlib import Path

import click
import prose
import pytest
from commands_in_texts import problem_with_command

from chautari.cli.main import deploy
from chautari.reference.command_reference import command_reference_text
from chautari.region.load import load_region
from chautari.report.summary import STATES

ROOT = Path(__file__).resolve().parents[2]
MAX_WORDS = 25
PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md",
    ROOT / "benchmarks/README.md", *sorted((ROOT / "docs").rglob("*.md")),
]  # fmt: skip
READMES = sorted((ROOT / "roles").glob("*/README.md"))
# Made of field descriptions, which are short texts in a table.
GENERATED = ROOT / "docs/reference/region.md"


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=page_id)


def code_of(page: Path) -> list[str]:
    """Return inline code and each line of code blocks."""
    source = page.read_text()
    blocks = re.findall(r"```\w*\n(.*?)```", source, re.S)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", source, flags=re.S))
    return [*inline, *(line.strip() for block in blocks for line in block.splitlines())]


def test_region_in_the_readme_is_valid(tmp_path: Path) -> None:
    sample = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert sample
    (tmp_path / "andes").mkdir()
    (tmp_path / "andes" / "region.yml").write_text(sample[1])
    assert load_region(tmp_path / "andes" / "region.yml").region.region == "andes"


def test_command_page_is_up_to_date() -> None:
    assert (ROOT / "docs/reference/command.md").read_text() == command_reference_text()


def test_command_page_names_every_command() -> None:
    page = (ROOT / "docs/reference/command.md").read_text()
    names = deploy.list_commands(click.Context(deploy))
    assert [name for name in names if f"`deploy {name}`" not in page] == []


def test_command_page_names_every_option() -> None:
    sections = dict(
        re.findall(r"^## deploy (\w+)\n(.*?)(?=^## |\Z)", command_reference_text(), re.S | re.M)
    )
    for name in deploy.list_commands(click.Context(deploy)):
        command = deploy.get_command(click.Context(deploy), name)
        assert command is not None
        options = [o.opts[-1] for o in command.params if isinstance(o, click.Option)]
        assert [option for option in options if option not in sections[name]] == []


def test_results_page_names_every_state_with_its_word() -> None:
    page = (ROOT / "docs/reference/results.md").read_text()
    rows = {(state, words.word) for state, words in STATES.items()}
    assert set(re.findall(r"^\| `(\w+)` \| ([\w ]+) \| [A-Z]", page, re.M)) == rows


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=page_id)
def test_links_have_a_target(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    broken = [link for link in links if not link.startswith("http") and not _exists(page, link)]
    assert broken == []


def _exists(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists():
        return False
    headings = re.findall(r"^#+ (.*)", target.read_text(), re.M) if anchor else []
    return not anchor or anchor in map(_slug, headings)


def _slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=page_id)
def test_commands_in_pages_are_accepted_by_the_parser(page: Path) -> None:
    """A command in a block can be pasted; one within a sentence may lack arguments."""
    blocks, inline = commands_of(page)
    problems = [problem_with_command(line) for line in blocks]
    problems += [problem_with_command(code, whole=False) for code in inline]
    assert [problem for problem in problems if problem] == []


def commands_of(page: Path) -> tuple[list[str], list[str]]:
    """Return the lines of `deploy` in blocks, and within sentences; usage lines are left out."""
    source = page.read_text()
    blocks = "".join(re.findall(r"```\w*\n(.*?)```", source, re.S)).replace("\\\n", " ")
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", source, flags=re.S))
    lines = [line.strip() for line in blocks.splitlines()]
    return (
        [line for line in lines if line.startswith("deploy ") and "[OPTIONS]" not in line],
        [code for code in inline if code.startswith("deploy ")],
    )


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("deploy regoin andes", "no command deploy regoin"),
        ("deploy verify", "NAME is missing"),
        ("deploy verify andes --ful", "--ful"),
        ("deploy move andes nextcloud", "to is missing"),
        ("deploy sandbox break demo full-disc", "full-disc"),
        ("deploy logs andes nextcloud --since yesterday", "yesterday"),
        ("deploy completion csh > FILE", "csh"),
        ("deploy dns andes med1", "too many arguments"),
    ],
)
def test_parser_refuses_commands_that_do_not_exist(line: str, part: str) -> None:
    assert part in (problem_with_command(line) or "")


@pytest.mark.parametrize(
    "line",
    [
        "deploy run NAME occ status",
        "deploy ssh NAME NODE -- df -h",
        "deploy backup andes --node bog1  # one node",
        "deploy region NAME --identity FILE | tee log",
        "deploy logs NAME nextcloud --since TIME",
    ],
)
def test_parser_accepts_commands_with_placeholders(line: str) -> None:
    assert problem_with_command(line) is None


@each_page
def test_make_targets_in_pages_exist(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = [found[1] for code in code_of(page) if (found := re.match(r"make ([\w-]+)", code))]
    assert set(named) - targets == set()


# The field descriptions on the generated page are tested with the model.
@pytest.mark.parametrize(
    "page", [page for page in [*PAGES, *READMES] if page != GENERATED], ids=page_id
)
def test_sentences_are_short(page: Path) -> None:
    """Readers whose third language is English read a short sentence once."""
    long = [
        f"{line}: {sentence}"
        for line, text in prose.markdown_texts(page.read_text())
        for sentence in prose.sentences(text)
        if len(sentence.split()) > MAX_WORDS
    ]
    assert long == []


@each_page
def test_paragraphs_have_at_most_one_semicolon(page: Path) -> None:
    texts = prose.markdown_texts(page.read_text())
    assert [(line, text) for line, text in texts if text.count(";") > 1] == []


@each_page
def test_paragraphs_do_not_begin_with_bold_text(page: Path) -> None:
    """A topic gets a heading, which can be linked to and is found at a glance."""
    assert re.findall(r"^\*\*.*", page.read_text(), re.M) == []
