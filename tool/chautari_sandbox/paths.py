"""Where a sandbox keeps its state, and the tool its cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from pathlib import Path

from chautari.account import home_dir
from chautari.files import refuse_files_of_another_account, write_atomically


def _xdg_folder(variable: str, fallback: str) -> Path:
    chosen = os.environ.get(variable, "")
    base = Path(chosen) if chosen.startswith("/") else home_dir() / fallback
    return base / "chautari"


def states_home() -> Path:
    """Return the folder of all sandboxes' states."""
    return _xdg_folder("XDG_STATE_HOME", ".local/state") / "sandbox"


def state_dir(name: str) -> Path:
    """Return one sandbox's own folder."""
    return states_home() / name


def cache_dir() -> Path:
    """Return the folder for what can be made or fetched again."""
    return _xdg_folder("XDG_CACHE_HOME", ".cache")


def check_owner_of_sandbox_files(name: str) -> None:
    """Make sure that this account owns the files in its sandbox folders.

    Raises:
        BadInput: with the `chown` command that fixes it, for example after `sudo deploy`.
    """
    refuse_files_of_another_account(
        (
            states_home().parent, states_home(), *_folder_and_entries(state_dir(name)),
            cache_dir(), *_folder_and_entries(cache_dir() / "images"),
            *_folder_and_entries(cache_dir() / "downloads"),
        )
    )  # fmt: skip


def _folder_and_entries(folder: Path) -> Iterator[Path]:
    """Yield a folder and what lies directly in it; nothing where it cannot be read."""
    yield folder
    with suppress(OSError):
        yield from folder.iterdir()


def write_if_changed(path: Path, content: str) -> bool:
    """Write a text and return whether it differed."""
    if path.is_file() and path.read_text() == content:
        return False
    write_atomically(path, content)
    return True


@contextmanager
def temporary_umask_for_containers() -> Iterator[None]:
    """Set a umask, within a `with` block, that lets accounts of containers read what is written.

    The folder of the sandbox itself stays closed to the accounts of this machine.
    """
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold a lock, which the kernel releases when the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        flock(file, LOCK_EX)
        yield
