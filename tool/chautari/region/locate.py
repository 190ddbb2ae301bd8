"""Where a region's files lie: found by name, before any of them is read."""

from __future__ import annotations

import re
import shlex
import unicodedata
from itertools import chain, count
from pathlib import Path

from chautari import git_versions
from chautari.errors import BadInput
from chautari.files import exists_or_is_dangling_link, fix_for_unusable_path, refuse_special_file
from chautari.language import _
from chautari.paths import INVENTORIES, content_root, regions_root
from chautari.region.names import name_problem
from chautari.suggestions import nearest_word

REGION_FILE = "region.yml"
LOCK_FILE = "artifacts.lock"
SECRETS_FILE = "secrets.age"
KNOWN_HOSTS_FILE = "known_hosts"


class UnknownRegion(BadInput):
    """There is no region with this name or path."""

    error_code = "unknown_region"


def argument_for_region(file: Path) -> str:
    """Return what to write after a command for the region in `file`: its name, or the path."""
    name = file.parent.name
    known = regions_root() / name / REGION_FILE
    return name if file == known and name_problem(name) is None else shlex.quote(str(file))


def find_region_file(name: str, root: Path) -> Path:
    """Return the `region.yml` of region `name` under `root`, or of a path to a file or folder.

    Raises:
        BadInput: when there is none, naming the regions there are.
    """
    path = Path(name)
    if "/" in name or (path.suffix in (".yml", ".yaml") and not (root / name).is_dir()):
        file = path / REGION_FILE if path.is_dir() and path.name != REGION_FILE else path
        if file.is_file():
            return file
        if exists_or_is_dangling_link(file) and file.name != REGION_FILE:
            refuse_special_file(file)
        _refuse_unusable_region_file(file.parent)
        beside = file.parent / REGION_FILE
        raise UnknownRegion(
            _("{file}: no such file", file=file),
            fix=_("did you mean {close}?", close=beside)
            if beside.is_file()
            else _("write the name of a region, or the path of its region.yml"),
        )
    _refuse_unusable_root(root)
    # A name must not climb out of the inventories folder.
    if name_problem(name) is None:
        file = root / name / REGION_FILE
        if file.is_file():
            return file
        _refuse_unusable_region_file(file.parent)
    _refuse_invalid_folder_name(name, root)
    there = region_names(root)
    similar = _nearest_valid_name(name)
    close = similar if similar in there else nearest_word(name, there)
    if elsewhere := _working_folder_for_region(similar or name, root):
        hint = f"cd {shlex.quote(str(elsewhere))}"
    elif similar and (root / similar).is_dir() and similar not in there:
        hint = _step_for_missing_region(root / similar / REGION_FILE)
    elif close:
        hint = _("did you mean {close}?", close=close)
    elif there:
        hint = _("known regions: {there}", there=", ".join(there))
    else:
        hint = _step_for_missing_region(root / (similar or "NAME") / REGION_FILE)
    raise UnknownRegion(_("no region {name!r} under {root}/", name=name, root=root), fix=hint)


def find_all_regions(root: Path) -> list[str]:
    """Return the names of the folders under `root` that hold a region, also of unusable ones.

    Raises:
        BadInput: when there is none, or `root` cannot be read.
    """
    _refuse_unusable_root(root)
    found = [folder.name for folder in _sorted_folder_entries(root) if _may_hold_region(folder)]
    if not found:
        raise BadInput(
            _("there is no region in {root}/", root=root),
            fix=_("create {root}/NAME/{region_file}", root=root, region_file=REGION_FILE),
        )
    return found


def region_names(root: Path) -> list[str]:
    """Return the names of all regions under `root` that a command accepts."""
    found = [file.parent.name for file in root.glob(f"*/{REGION_FILE}") if file.is_file()]
    return sorted(name for name in found if name_problem(name) is None)


def _step_for_missing_region(file: Path) -> str:
    """Return how to restore or create a region's file."""
    if not file.exists() and file.parent.is_dir() and git_versions.is_committed(file):
        return git_versions.restore_step(file)
    return _("create the region: deploy init {name}", name=file.parent.name)


def _working_folder_for_region(name: str, root: Path) -> Path | None:
    """Return the folder to change to, if the person is in a wrong one: one above, or one below.

    Only without regions here and in CHAUTARI_INVENTORIES, those of the toolkit are used.
    """
    if root.resolve() != (content_root() / INVENTORIES).resolve():
        return None
    here = Path.cwd()
    below = sorted(folder.parent for folder in here.glob(f"*/{INVENTORIES}"))
    return next(
        (
            folder
            for folder in (*here.parents, *below)
            if name_problem(name) is None and (folder / INVENTORIES / name / REGION_FILE).is_file()
        ),
        None,
    )


def _refuse_unusable_root(root: Path) -> None:
    try:
        next(root.iterdir(), None)
    except OSError as error:
        # Only this variable can name a folder that does not exist.
        chosen = _("set CHAUTARI_INVENTORIES to the folder that contains your regions, or unset it")
        fix = fix_for_unusable_path(root, error.errno)
        raise BadInput(
            _(
                "the folder of the regions cannot be used: {root}: {strerror}",
                root=root,
                strerror=error.strerror,
            ),
            fix=fix if isinstance(error, PermissionError) else chosen,
        ) from None


def _refuse_invalid_folder_name(name: str, root: Path) -> None:
    """Refuse the folder of a region if no region can have its name.

    `name` is the name of this folder, or the valid name that is nearest to it.
    """
    wanted = _nearest_valid_name(name)
    for folder in sorted(_sorted_folder_entries(root), key=lambda entry: entry.name != name):
        problem = name_problem(folder.name)
        if not (problem and _may_hold_region(folder)):
            continue
        valid = _nearest_valid_name(folder.name)
        if folder.name == name or (valid == wanted and not (root / wanted).exists()):
            numbered = (f"{valid[:28] or 'region'}-{number}" for number in count(2))
            new = next(n for n in chain([valid], numbered) if n and not (root / n).exists())
            # A shell cannot read back a name that is shown with escapes.
            if folder.name.isprintable():
                move = _("run `{mv_command}`", mv_command=_mv_command(folder, root / new))
            else:
                move = _("rename this folder to {new}", new=new)
            raise BadInput(
                f"{folder}: {problem}",
                fix=_(
                    "{move}, then write `region: {new}` in {region_file}",
                    move=move,
                    new=new,
                    region_file=REGION_FILE,
                ),
            )


def _nearest_valid_name(text: str) -> str:
    """Return the valid name that is nearest to `text`; nothing if it has no Latin letters."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).lstrip("-0123456789")[:31].strip("-")


def _refuse_unusable_region_file(folder: Path) -> None:
    """Refuse a folder whose `region.yml` has another name, or is not a file."""
    file = folder / REGION_FILE
    if file.is_file():
        return
    for entry in _find_region_like_files(folder):
        if entry.name == REGION_FILE:
            raise BadInput(
                _("{entry} is not a file", entry=entry),
                fix=_(
                    "run `{mv_command}`, then create {entry}",
                    mv_command=_mv_command(entry, folder / "region.old"),
                    entry=entry,
                ),
            )
        if entry.is_file():
            raise BadInput(
                _(
                    "{entry}: a region's file must be called {region_file}",
                    entry=entry,
                    region_file=REGION_FILE,
                ),
                fix=_mv_command(entry, file),
            )


def _may_hold_region(folder: Path) -> bool:
    """Return whether a folder holds a region, or may hold one that this account may not see."""
    try:
        return bool(_find_region_like_files(folder))
    except PermissionError:
        return True


def _find_region_like_files(folder: Path) -> list[Path]:
    """Return what could be meant as the region's file, `region.yml` itself first."""
    found = [
        entry
        for entry in _sorted_folder_entries(folder)
        if entry.name.lower().startswith("region.y")
    ]
    return sorted(found, key=lambda entry: entry.name != REGION_FILE)


def _mv_command(old: Path, new: Path) -> str:
    options = ("--",) if str(old).startswith("-") else ()
    return shlex.join(("mv", *options, str(old), str(new)))


def _sorted_folder_entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
