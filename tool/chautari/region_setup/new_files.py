"""Write new files: all of them or none, and never over one that exists."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from chautari.errors import BadInput, InvalidRegion
from chautari.files import exists_or_is_dangling_link, temp_files_root
from chautari.language import _
from chautari.region.load import load_region
from chautari.region.locate import REGION_FILE


def refuse_existing(file: Path, fix: str) -> None:
    """Make sure that there is no `file`.

    Raises:
        BadInput: when there is one.
    """
    if exists_or_is_dangling_link(file):
        raise BadInput(_("{file} already exists; nothing was written", file=file), fix=fix)


def check_region_text(name: str, text: str, fix: str) -> None:
    """Make sure that the text of a `region.yml` is valid, before it is written.

    Raises:
        BadInput: with every problem.
    """
    with tempfile.TemporaryDirectory(prefix="chautari-", dir=temp_files_root()) as folder:
        file = Path(folder) / name / REGION_FILE
        file.parent.mkdir()
        file.write_text(text)
        try:
            load_region(file)
        except InvalidRegion as error:
            texts = (f"{item.where}: {item.message}" for item in error.problems)
            raise BadInput("\n".join(texts), fix=fix) from None


def write_new_files(files: Mapping[Path, str]) -> None:
    """Write `files`; after an error or Ctrl-C, none of them is left, nor a folder made for them.

    Raises:
        FileExistsError: when one of them appeared in the meantime.
    """
    made: list[Path] = []
    try:
        for file, text in files.items():
            _make_folders(file.parent, made)
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            made.append(file)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _make_folders(folder: Path, made: list[Path]) -> None:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir()
        made.append(path)
