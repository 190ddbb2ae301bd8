"""The documentation site: every page has a place in it, and copied pages have working links."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from region_samples import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_site_build", ROOT / "docs/site/build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def navigation() -> list[str]:
    trees = re.findall(r"```{toctree}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    lines = [line for tree in trees for line in tree.splitlines()]
    return [line for line in lines if line and not line.startswith(":")]


def test_every_page_is_in_the_navigation_once() -> None:
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")}
    listed = {page for page in pages if not page.startswith("decisions/")} - {"index"}
    made = {"roles/README", "decisions/README", "benchmarks", "changes", "contributing"}
    assert sorted(navigation()) == sorted(listed | made)


@pytest.mark.parametrize(
    ("source", "text", "adapted"),
    [
        ("CHANGELOG.md", "[how](docs/dns.md#states)", "[how](dns.md#states)"),
        ("roles/tls/README.md", "[x](../../docs/ssh.md)", "[x](../ssh.md)"),
        ("roles/tls/README.md", "[x](../nginx/README.md)", "[x](nginx.md)"),
        ("docs/services/jitsi.md", "[x](../../CONTRIBUTING.md)", "[x](../contributing.md)"),
        ("CHANGELOG.md", "[list](roles/tls/tasks/main.yml)", "list (`roles/tls/tasks/main.yml`)"),
        ("docs/dns.md", "[x](#states) [y](https://example.org/)",
         "[x](#states) [y](https://example.org/)"),
        ("docs/index.md", "![report](pictures/report.png)", "![report](pictures/report.png)"),
    ],
)  # fmt: skip
def test_links_lead_to_pages_of_the_site(
    build: ModuleType, source: str, text: str, adapted: str
) -> None:
    target = build.site_path(Path(source))
    assert build.adapt_links(text, Path(source), target) == adapted


def test_site_refuses_files_of_other_servers(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "SITE", tmp_path)
    (tmp_path / "good.html").write_text('<script src="_static/a.js"></script> <a href="https://x">')
    (tmp_path / "bad.html").write_text('<link rel="stylesheet" href="https://fonts.example.org/a">')
    (tmp_path / "big.html").write_text("x" * (build.MAX_PAGE_KB + 1) * 1024)
    names = [problem.split()[0] for problem in build.problems_of_site()]
    assert names == ["bad.html", "big.html"]


def test_lock_has_a_hash_for_every_package() -> None:
    lock = (ROOT / "docs/site/requirements.lock").read_text()
    packages = re.findall(r"^[a-z0-9-]+==\S+.*", lock, re.MULTILINE)
    assert len(packages) > 20
    assert all(line.endswith("\\") for line in packages)
    wanted = (ROOT / "docs/site/requirements.in").read_text().split()
    assert [name for name in wanted if f"{name} \\" not in lock] == []
