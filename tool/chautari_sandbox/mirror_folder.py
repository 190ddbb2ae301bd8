"""The folder with upstream's real artifacts that a sandbox serves, given with `--mirror`."""

from __future__ import annotations

from pathlib import Path

from chautari.files import write_atomically
from chautari_sandbox import paths
from chautari_sandbox.spec import SandboxSpec


def spec_with_given_or_last_mirror_folder(spec: SandboxSpec, folder: Path | None) -> SandboxSpec:
    """Return `spec` with the folder to serve: `folder`, or else the one that was named last.

    A folder is remembered until another one is named or the sandbox is taken down.
    """
    note = _file_naming_mirror_folder(spec.name)
    if folder is not None:
        write_atomically(note, str(folder.resolve()))
        return spec._replace(mirror=folder.resolve())
    if note.is_file() and (named := Path(note.read_text())).is_dir():
        return spec._replace(mirror=named)
    return spec


def forget_mirror_folder(sandbox: str) -> None:
    """Forget the folder, so that new nodes do not go on with its releases."""
    _file_naming_mirror_folder(sandbox).unlink(missing_ok=True)


def _file_naming_mirror_folder(sandbox: str) -> Path:
    return paths.state_dir(sandbox) / "mirror-folder"
