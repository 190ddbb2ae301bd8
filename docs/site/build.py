"""Build the documentation site: collect the pages, and render them with Sphinx.

Pages are in `docs/`. The changes, the page for contributors and the READMEs of the roles are in
other folders, so they are copied next to the pages. Their links are adapted.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COLLECTED = ROOT / "build/docs/pages"
SITE = ROOT / "site"
# Pages and files outside of `docs/`, and where the site has them.
OTHERS = {
    Path("CHANGELOG.md"): Path("changes.md"),
    Path("CONTRIBUTING.md"): Path("contributing.md"),
    Path("benchmarks/README.md"): Path("benchmarks.md"),
    **{
        path.relative_to(ROOT): Path("schemas") / path.name
        for path in sorted((ROOT / "schemas").glob("*.json"))
    },
    **{
        path.relative_to(ROOT): Path("roles") / f"{path.parent.name}.md"
        for path in sorted((ROOT / "roles").glob("*/README.md"))
    },
}
LINK = re.compile(r"\[([^\]\n]*)\]\(([^)\s]+)\)")
EXTERNAL = re.compile(
    r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["'](?:https?:)?//[^"']+"""
)
# What a reader on a slow link downloads for a page, before compression.
MAX_PAGE_KB = 160


def site_path(source: Path) -> Path | None:
    """Return where the site has a file of the repository; None if it does not have it."""
    if source.parts[:1] == ("docs",):
        return source.relative_to("docs")
    return OTHERS.get(source)


def adapt_links(text: str, source: Path, target: Path) -> str:
    """Return a page whose links lead to pages of the site; a file without a page is named."""

    def adapted(found: re.Match[str]) -> str:
        words, (path, hash_sign, anchor) = found[1], found[2].partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return found[0]
        linked = Path(os.path.normpath(source.parent / path))
        page = site_path(linked)
        if page is None:
            return f"{words} (`{linked}`)"
        return f"[{words}]({os.path.relpath(page, target.parent)}{hash_sign}{anchor})"

    return LINK.sub(adapted, text)


def collect_pages() -> None:
    """Copy every page to one folder, as Sphinx needs them."""
    shutil.rmtree(COLLECTED, ignore_errors=True)
    shutil.copytree(ROOT / "docs", COLLECTED, ignore=shutil.ignore_patterns(HERE.name))
    pages = [path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")]
    for source in (*pages, *OTHERS):
        target = site_path(source)
        assert target is not None
        destination = COLLECTED / target
        destination.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / source).read_text()
        destination.write_text(
            adapt_links(text, source, target) if source.suffix == ".md" else text
        )


def write_index(folder: str, title: str, intro: str) -> None:
    """Write the page that lists all pages of a folder, so that no list has to be kept by hand."""
    pages = sorted((COLLECTED / folder).glob("*.md"))
    headings = {page.name: page.read_text().splitlines()[0].lstrip("# ") for page in pages}
    lines = [f"# {title}", "", intro, ""]
    lines += [f"- [{heading}]({name})" for name, heading in headings.items()]
    lines += ["", "```{toctree}", ":hidden:", *(Path(name).stem for name in headings), "```", ""]
    (COLLECTED / folder / "README.md").write_text("\n".join(lines))


def problems_of_site() -> list[str]:
    """Return what would hurt a reader on a slow or filtered link."""
    found = []
    for page in sorted(SITE.rglob("*.html")):
        name = page.relative_to(SITE)
        text = page.read_text()
        found += [f"{name} loads from another server: {tag}" for tag in EXTERNAL.findall(text)]
        kilobytes = len(text.encode()) // 1024
        if kilobytes > MAX_PAGE_KB:
            found.append(f"{name} has {kilobytes} kB; a page may have {MAX_PAGE_KB}")
    return found


def main() -> int:
    """Build the site, and return the exit code."""
    collect_pages()
    write_index("roles", "Roles", "Each role sets up one part of a node: its files and variables.")
    write_index("decisions", "Decisions", "Hard decisions, and their reasons.")
    shutil.rmtree(SITE, ignore_errors=True)
    options = ["-W", "--keep-going", "-q", "-j", "auto", "-b", "html", "-c", str(HERE)]
    sphinx = [sys.executable, "-m", "sphinx", *options, "-d", str(COLLECTED.parent / "cache")]
    code = subprocess.run([*sphinx, str(COLLECTED), str(SITE)], check=False).returncode
    problems = [] if code else problems_of_site()
    for problem in problems:
        print(problem, file=sys.stderr)
    return code or bool(problems)


if __name__ == "__main__":
    sys.exit(main())
