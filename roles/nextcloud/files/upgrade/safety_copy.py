"""The safety copy of one change of release: made before the switch, put back by an undo.

Every function may be called again after an interruption at any point of it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from inspection import PREVIEWS, appdata_folders
from journal import Journal, sync_folder
from node import DATABASE, Node, UpgradeProblem

TRIES = 5
RESERVE_BYTES = 20_000_000
# From here on, to copy the files of a database is faster than to log its pages.
BIG_DATABASE = 200_000_000
# What Nextcloud keeps beside the directories of accounts; a new release writes some of it anew.
DATA_FILES = (".htaccess", ".ncdata", ".ocdata", "index.html")


def reserve_room(node: Node) -> None:
    """Occupy space that an undo needs if something else fills the disk in the meantime."""
    with os.fdopen(os.open(node.reserve, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)


def copy_config(node: Node, journal: Journal) -> None:
    """Copy the settings, before maintenance mode is in them."""
    for name in DATA_FILES:
        if _is_plain_file(node.data / name):
            _copy_file(node.data / name, Path(journal.folder) / "data_files" / name)
    _copy_tree(node, node.config, Path(journal.folder) / "config")


def copy_database(node: Node, journal: Journal) -> None:
    """Copy the database under another name. PostgreSQL does it completely or not at all."""
    big = node.database_bytes() > BIG_DATABASE
    sql = f'CREATE DATABASE "{journal.database}" OWNER {DATABASE} TEMPLATE {DATABASE}'
    sql += " STRATEGY FILE_COPY" if big else ""
    for attempt in range(1, TRIES + 1):
        node.drop_database(journal.database)
        node.disconnect(DATABASE)
        try:
            node.psql(sql)
        except UpgradeProblem:
            if attempt == TRIES:
                raise
        else:
            break
    journal.database_copied = True
    journal.save(node.journal)


def copy_appdata(node: Node, journal: Journal) -> None:
    """Copy Nextcloud's own data. A migration leaves the files of people as they are."""
    for folder in appdata_folders(node):
        copy = data_copies_folder(node, journal) / folder.name
        _copy_tree(node, folder, copy, linked=PREVIEWS)
        journal.data_copies.append([str(folder), str(copy)])
        journal.save(node.journal)


def data_copies_folder(node: Node, journal: Journal) -> Path:
    """Return a directory on the file system of the data."""
    own = Path(journal.folder) / "data"
    if node.data.stat().st_dev == node.folder.stat().st_dev:
        return own
    return node.data / ".chautari-upgrade" / journal.id


def _copy_tree(node: Node, source: Path, copy: Path, linked: str = "") -> None:
    """Copy a directory; the copy gets its name when it is complete and on the disk."""
    new = copy.with_name(copy.name + ".new")
    if new.exists():
        shutil.rmtree(new)
    new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new.mkdir(mode=0o700)
    for entry in sorted(source.iterdir()):
        way = ["--link"] if linked and entry.name == linked else ["--reflink=auto"]
        node.must_run(
            ["cp", "-a", *way, "--", str(entry), f"{new}/"], "copy_failed", path=str(entry)
        )
    shutil.copystat(source, new)
    status = source.stat()
    os.chown(new, status.st_uid, status.st_gid)
    node.must_run(["sync", "-f", str(new)], "copy_failed", path=str(new))
    new.rename(copy)
    sync_folder(copy.parent)


def swap_apps(node: Node, journal: Journal) -> None:
    """Put the newer code of apps in place; the code before stays in the safety copy."""
    for app in journal.apps:
        name = app["name"]
        before = Path(journal.folder) / "apps"
        before.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (node.pins / name).exists():
            _copy_file(node.pins / name, Path(journal.folder) / "pins" / name)
        (node.apps / name).rename(before / name)
        (node.staged_apps / name).rename(node.apps / name)
        sync_folder(node.apps)
        pin = node.pins / f"{name}.new"
        pin.write_text(app["sha256"] + "\n")
        pin.chmod(0o600)
        pin.replace(node.pins / name)


def _copy_file(source: Path, target: Path) -> None:
    """Copy a file with its owner and mode, at once.

    The directories of settings and data belong to the account of PHP, so that no link is followed.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = target.with_name(target.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW), "rb") as content:
        status = os.fstat(content.fileno())
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(new, flags, 0o600), "wb") as stream:
            shutil.copyfileobj(content, stream)
            stream.flush()
            os.fchown(stream.fileno(), status.st_uid, status.st_gid)
            os.fchmod(stream.fileno(), status.st_mode & 0o777)
            os.fsync(stream.fileno())
    new.replace(target)


def _is_plain_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def restore_apps(node: Node, journal: Journal) -> None:
    """Put the code of apps back that was in use before."""
    for app in journal.apps:
        name = app["name"]
        before, pin = Path(journal.folder) / "apps" / name, Path(journal.folder) / "pins" / name
        if before.is_dir():
            if (node.apps / name).exists():
                shutil.rmtree(node.apps / name)
            before.rename(node.apps / name)
        if pin.exists():
            _copy_file(pin, node.pins / name)


def restore_database(node: Node, journal: Journal) -> None:
    """Give the copy the name of the database; both names change in one transaction."""
    failed = f"{journal.database}_failed"
    if not journal.database_copied:
        node.drop_database(journal.database)
        return
    known = node.databases()
    if journal.database in known:
        for attempt in range(1, TRIES + 1):
            node.disconnect(DATABASE, journal.database)
            try:
                node.psql(_renames(known, journal.database, failed))
            except UpgradeProblem:
                if attempt == TRIES:
                    raise
            else:
                break
    node.drop_database(failed)


def _renames(known: set[str], copy: str, failed: str) -> str:
    steps = [f'ALTER DATABASE "{copy}" RENAME TO {DATABASE};']
    if DATABASE in known:
        steps.insert(0, f'ALTER DATABASE {DATABASE} RENAME TO "{failed}";')
    return "\n".join(["BEGIN;", *steps, "COMMIT;"])


def restore_appdata(node: Node, journal: Journal) -> None:
    """Put the copy of Nextcloud's own data in its place."""
    for place, copy in journal.data_copies:
        failed = Path(copy + ".failed")
        if Path(copy).is_dir():
            if failed.exists():
                shutil.rmtree(failed)
            if Path(place).exists():
                Path(place).rename(failed)
            Path(copy).rename(place)
            sync_folder(Path(place).parent)


def restore_config(node: Node, journal: Journal) -> None:
    """Put the settings back; each file holds either the old or the new content at any time."""
    copy = Path(journal.folder) / "config"
    if not copy.is_dir():
        return  # maintenance mode was not on yet
    names = {item.name for item in copy.iterdir()}
    for item in sorted(node.config.iterdir()):
        if item.name not in names and item.is_file():
            item.unlink()
    for name in sorted(names):
        if _is_plain_file(copy / name):
            _copy_file(copy / name, node.config / name)
    sync_folder(node.config)
    for name in DATA_FILES:
        file = Path(journal.folder) / "data_files" / name
        if file.exists():
            _copy_file(file, node.data / name)


def delete_copy(node: Node, folder: Path, database: str, data: list[Path]) -> None:
    """Delete a safety copy, its record last: an interrupted deletion can be repeated."""
    if database:
        node.drop_database(database)
    for path in data:
        delete_tree(path)
    record = folder / "record.json"
    if folder.is_dir():
        for item in sorted(folder.iterdir()):
            if item != record:
                delete_tree(item)
        record.unlink(missing_ok=True)
        folder.rmdir()


def delete_tree(path: Path) -> None:
    """Delete a directory or a file, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
