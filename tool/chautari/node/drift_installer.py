"""Install the code that the node's drift timer, and its command line, look for drift with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def install_drift_code(state: Path, memory: Path, run: str) -> None:
    """Install the node's modules of `run`, unless the same are installed.

    One complete copy exists at any moment, also after a power cut: `lib` is a link, which is
    replaced in one step once the new copy is on the disk.
    """
    new, installed = memory / "lib", state / "lib"
    if _read_modules(new) == _read_modules(installed):
        return
    copy, link = state / f"lib-{run}", state / "lib.new"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(new, copy)
    os.sync()
    link.unlink(missing_ok=True)
    link.symlink_to(copy.name)
    if installed.is_dir() and not installed.is_symlink():  # as old versions left it
        installed.rename(state / "lib-old")
    link.replace(installed)
    for old in state.glob("lib-*"):
        if old != copy:
            shutil.rmtree(old, ignore_errors=True)


def _read_modules(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*.py") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
