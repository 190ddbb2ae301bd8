"""The pages keep what they promise: samples validate, commands exist, paths are there."""

from __future__ import annotations

import re
from pathlib import Path

import click

from chautari.cli.main import deploy
from chautari.region.load import load

ROOT = Path(__file__).resolve().parents[2]


def test_region_in_the_readme_is_valid(tmp_path: Path) -> None:
    sample = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert sample
    (tmp_path / "andes").mkdir()
    (tmp_path / "andes" / "region.yml").write_text(sample[1])
    assert load(tmp_path / "andes" / "region.yml").region.region == "andes"


def test_command_page_names_every_command() -> None:
    page = (ROOT / "docs/reference/command.md").read_text()
    names = deploy.list_commands(click.Context(deploy))
    assert [name for name in names if f"`deploy {name}" not in page] == []


def test_command_page_names_every_option_of_the_main_commands() -> None:
    lines = (ROOT / "docs/reference/command.md").read_text().splitlines()
    for name in ("region", "plan", "drift", "verify", "status", "attach", "prepare"):
        [line] = [line for line in lines if line.startswith(f"| `deploy {name} ")]
        command = deploy.get_command(click.Context(deploy), name)
        assert command is not None
        options = [o.opts[0] for o in command.params if isinstance(o, click.Option)]
        assert [option for option in options if f"`{option}" not in line] == []


def test_links_of_the_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.name}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text())
        if not link.startswith("http") and not (page.parent / link).exists()
    ]
    assert broken == []
