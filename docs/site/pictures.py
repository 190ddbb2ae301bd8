"""Draw the pictures of the documentation: the report, the front page, and the terminal.

Run it after `deploy region NAME` in a sandbox whose region has the front page. The pictures show
that region. Chromium must be installed: `sudo apt-get install chromium`.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from chautari.paths import regions_root, state_dir
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.region.model import Region

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
BROWSERS = ("chromium", "chromium-headless-shell", "chromium-browser")
MAX_KB = 60
COLUMNS, LINES = 80, 34


def main() -> int:
    """Draw every picture that the region has, and return the exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 else "demo"
    region = load_region(find_region_file(name, regions_root())).region
    browser = next(filter(None, map(shutil.which, BROWSERS)), "")
    if not browser or region.sandbox is None:
        print("The pictures need chromium, and a region in a sandbox.", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    draw_terminal(name)
    report = state_dir() / "reports" / name / "latest" / "report.html"
    draw_page(browser, report.resolve().as_uri(), "report", (600, 470))
    if region.nodes_running("portal"):
        draw_page(browser, f"https://{region.domain}/", "front-page", (480, 640), region)
    too_big = [path for path in PICTURES.iterdir() if path.stat().st_size > MAX_KB * 1024]
    for path in too_big:
        print(f"{path} has more than {MAX_KB} kB.", file=sys.stderr)
    return bool(too_big)


def draw_page(
    browser: str, url: str, name: str, size: tuple[int, int], region: Region | None = None
) -> None:
    """Save a page as a picture; the names of `region` lead to its containers."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    if region is not None:
        node = region.nodes[region.first_node_running("portal")]
        options += [
            f"--host-resolver-rules=MAP {region.domain} {node.address}",
            "--ignore-certificate-errors",  # the sandbox's own authority signed it
            "--lang=es",
        ]
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser, *options, f"--user-data-dir={profile}",
                f"--window-size={size[0]},{size[1]}",
                f"--screenshot={PICTURES / f'{name}.png'}", url,
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


def draw_terminal(name: str) -> None:
    """Save what `deploy report` prints as a picture without fonts from other servers."""
    shown = subprocess.run(
        ["deploy", "report", name],
        env={"COLUMNS": str(COLUMNS), "PATH": str(Path(sys.executable).parent), **_account()},
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text(f"$ deploy report {name}", style="bold"))
    lines = shown.stdout.splitlines()[:LINES]
    console.print(Text.from_ansi("\n".join([*lines, "…"])))
    picture = console.export_svg(title=f"deploy report {name}")
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    (PICTURES / "terminal.svg").write_text(picture.replace("Fira Code", "monospace"))


def _account() -> dict[str, str]:
    names = ("HOME", "XDG_STATE_HOME", "CHAUTARI_INVENTORIES", "PYTHONPATH")
    return {name: os.environ[name] for name in names if name in os.environ}


if __name__ == "__main__":
    sys.exit(main())
