"""Download what the next deploy needs: the archives of its roles, and packages.

No role runs. Archives go to the cache of the role `release_archive`, packages to apt's. The
environment for Ansible comes with the preparation of the node.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from chautari.node import receipts
from chautari.node.converge import (
    RunContext,
    run_roles_and_return_exit_code,
    run_task_file_of_roles,
)
from chautari.node.download_estimate import apt_archives_to_fetch, read_check_mode_packages_and_urls
from chautari.node.translation import N_

DOWNLOAD_TASKS = "download.yml"
ARCHIVES = Path("/var/cache/chautari/downloads")  # of roles/release_archive
PACKAGES = Path("/var/cache/apt/archives")
# apt may wait for ever for a server that closes a connection at the wrong moment. It continues a
# package that arrived in part.
APT = ("timeout", "-k", "10", "1800", "apt-get", "--yes", "--quiet", "-o",
       "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=5")  # fmt: skip
PAUSES = (5, 15, 30, 60, 120, 300)  # seconds before the next try; the last one repeats
LIMIT_SECONDS = 3600  # without progress
SPARE_BYTES = 100_000_000  # that stay free for the services

RunCommand = Callable[[list[str]], int]


def try_to_download_for_roles_to_run(
    context: RunContext,
    dry_context: RunContext,
    run: RunCommand,
    last_lines: Callable[[], list[str]],
    full: bool,
) -> bool:
    """Download what the roles that have to run need; return whether that succeeded.

    Args:
        context: the run.
        dry_context: the same, with Ansible in check mode and without events.
        run: runs a command and returns its exit code.
        last_lines: returns what the commands printed last.
        full: whether all roles would run.
    """
    reasons = receipts.roles_to_run(context.state, context.roles, full=full)
    selected = [inputs for inputs in context.roles if inputs["role"] in reasons]
    names = [inputs["role"] for inputs in selected]
    before, remaining, partial = size_of_files_below(ARCHIVES, PACKAGES), list[str](), False
    if code := run_task_file_of_roles(context, names, DOWNLOAD_TASKS, "Download archives"):
        context.emit({"event": "playbook_failed", "code": code, "log": last_lines()})
        return False
    if selected:
        run([*APT, "update"])
        # It may stop early, because a task needs the result of an earlier one.
        partial = bool(run_roles_and_return_exit_code(dry_context, selected, recording=False))
        packages, others = read_check_mode_packages_and_urls(context.memory / "managed.jsonl")
        archives, unknown = apt_archives_to_fetch(packages)
        known = [name for name in packages if name not in unknown]
        if archives and (
            error := _download_packages_and_return_error(known, archives, run, last_lines)
        ):
            context.emit({
                "event": "failure", "role": "packages", "task": N_("Download packages"),
                "message": error, "journal": [],
            })  # fmt: skip
            return False
        remaining = others + unknown
    arrived = max(size_of_files_below(ARCHIVES, PACKAGES) - before, 0)
    context.emit({
        "event": "download_finished", "bytes": arrived, "remaining": remaining, "partial": partial,
    })  # fmt: skip
    return True


def size_of_files_below(*folders: Path) -> int:
    """Return the size of all files in some folders."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)


def _download_packages_and_return_error(
    names: list[str],
    archives: dict[str, int],
    run: RunCommand,
    last_lines: Callable[[], list[str]],
) -> str:
    """Download packages, again after growing pauses; return why it failed, empty if it did not."""
    argv = [*APT, "--no-install-recommends", "--download-only", "install", "--", *names]
    needed, free = sum(archives.values()) + SPARE_BYTES, shutil.disk_usage(PACKAGES).free
    if needed > free:
        return (
            f"no space left on device: {PACKAGES} needs {needed // 10**6} MB, but only "
            f"{free // 10**6} MB are free"
        )
    since, tries, size = time.monotonic(), 0, size_of_files_below(PACKAGES)
    while run(argv):
        before, size = size, size_of_files_below(PACKAGES)
        if size > before:
            since, tries = time.monotonic(), 0
        pause = PAUSES[min(tries, len(PAUSES) - 1)]
        if time.monotonic() - since + pause > LIMIT_SECONDS:
            return "\n".join(last_lines()[-8:])
        tries += 1
        time.sleep(pause)
    return ""
