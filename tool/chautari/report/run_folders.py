"""Reports of all runs, side by side: a folder for each run, and a link to the newest one.

The link `latest` follows only runs that say how the whole region is: deploys and checks of all of
its nodes. The oldest folders are deleted, except the one that the link names.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from chautari.files import remove_folder
from chautari.language import _
from chautari.report import jsonreport

LATEST = "latest"
KEEP_RUNS = 40
RUN = re.compile(r"[0-9]{8}T[0-9]{6}Z-[a-z-]{1,30}(-[0-9]{1,4})?")
# Reports that earlier versions wrote into the region's folder itself.
_OLD_FILES = (jsonreport.FILE, "junit.xml", "report.html")


def create_run_folder(folder: Path, verb: str) -> Path:
    """Create the folder of a run that ended now, in the region's folder of reports."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for number in range(1, 10_000):
        found = folder / (f"{stamp}-{verb}" if number == 1 else f"{stamp}-{verb}-{number}")
        try:
            found.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return found
    raise AssertionError(_("more than ten thousand runs ended in one second"))


def mark_as_latest_run(run: Path) -> None:
    """Let `latest` name a run; a reader sees the old link or the new one."""
    draft = run.parent / f".{LATEST}.new"
    draft.unlink(missing_ok=True)
    draft.symlink_to(run.name)
    draft.replace(run.parent / LATEST)
    for name in _OLD_FILES:
        (run.parent / name).unlink(missing_ok=True)


def latest_run(folder: Path) -> str:
    """Return the run that `latest` names; empty if there is none."""
    link = folder / LATEST
    try:
        name = str(link.readlink())
    except OSError:
        return ""
    return name if RUN.fullmatch(name) and (folder / name).is_dir() else ""


def list_runs(folder: Path) -> list[str]:
    """Return the runs that have a report, the newest first."""
    found = [file.parent.name for file in folder.glob(f"*/{jsonreport.FILE}")]
    runs = [name for name in found if RUN.fullmatch(name) and not (folder / name).is_symlink()]
    return sorted(runs, key=_run_age_sort_key, reverse=True)


def _run_age_sort_key(run: str) -> tuple[str, int]:
    """Return the time of a run, and its number among those of one second."""
    stamp, _, rest = run.partition("-")
    number = rest.rpartition("-")[2]
    return stamp, int(number) if number.isdecimal() else 1


def prune_runs(folder: Path, keep: int = KEEP_RUNS) -> None:
    """Delete the oldest runs, so that at most `keep` stay besides the one of `latest`."""
    latest = latest_run(folder)
    for name in [run for run in list_runs(folder) if run != latest][keep:]:
        remove_folder(folder / name)
