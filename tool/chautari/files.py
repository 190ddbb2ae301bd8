"""Read files with limits, write them atomically, and explain why one cannot be used."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from chautari.errors import BadInput, ChautariError, error_item
from chautari.language import Text, _

_NO_SUDO: Text = "run the command without sudo; it calls sudo itself for the steps that need root"

# What this machine can be short of or forbid; other errors of the operating system are our bugs.
ENVIRONMENT_ERRORS = frozenset(
    {
        errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO,
        errno.EMFILE, errno.ENFILE, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG,
    }
)  # fmt: skip


_KINDS: Mapping[int, Text] = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", 0: "something else",
}  # fmt: skip


class UnusableFile(BadInput):
    """A file of the user or of this machine that cannot be read or written.

    Attributes:
        reason: what is wrong with it, without its name.
    """

    error_code = "unusable_file"

    def __init__(self, file: Path | str, reason: str, fix: str) -> None:
        """Put the file's name before the reason."""
        space = " " if reason.startswith("is ") else ": "
        super().__init__(f"{file}{space}{reason}", fix=fix)
        self.file = Path(file)
        self.reason = reason

    def items(self) -> list[dict[str, object]]:
        """Return the mistake with its file."""
        return [error_item(self.error_code, self.message, self.fix, self.file)]


def exists_or_is_dangling_link(file: Path) -> bool:
    """Return whether `file` exists, if only as a symbolic link that leads nowhere.

    Such a link shows that a file is expected, so it must not count as a file that was never made.

    Raises:
        UnusableFile: when this account may not look into the folder.
    """
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unusable_file_error(file, error) from None
    return True


def read_regular_file(file: Path, max_bytes: int) -> bytes:
    """Return at most `max_bytes` + 1 bytes of `file`, so that a caller sees what is too long.

    Raises:
        UnusableFile: when the file cannot be read, or is a pipe or a device. Reading those could
            wait forever, or never end.
    """
    try:
        refuse_special_file(file)
        # If it becomes a pipe at this moment, opening it must not wait for a writer.
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            return stream.read(max_bytes + 1)
    except OSError as error:
        raise unusable_file_error(file, error) from None


def read_bytes_if_present(file: Path, max_bytes: int) -> bytes:
    """Return at most `max_bytes` + 1 bytes of `file`; none if there is no such file.

    Raises:
        UnusableFile: when there is something that cannot be read, such as a link to nothing.
    """
    return read_regular_file(file, max_bytes) if exists_or_is_dangling_link(file) else b""


def refuse_special_file(file: Path) -> None:
    """Make sure that `file` is a regular file, without opening it.

    Raises:
        UnusableFile: when there is something else, such as a pipe, or nothing.
    """
    try:
        kind = stat.S_IFMT(file.stat().st_mode)
    except OSError as error:
        raise unusable_file_error(file, error) from None
    if kind != stat.S_IFREG:
        raise UnusableFile(
            file,
            _("is {kind}, not a regular file", kind=_(_KINDS.get(kind, "something else"))),
            _(
                "write the content to a regular file and use that; to see what is there now: "
                "ls -ldL {file}",
                file=shlex.quote(str(file)),
            ),
        )


def write_atomically(
    file: Path, content: bytes | str, mode: int = 0o644, durable: bool = True
) -> None:
    """Replace `file` with `content`, so that a power cut leaves the old or the new content.

    Set `durable` to false for files that can be created again: syncing takes longer than writing.
    """
    raw = content.encode() if isinstance(content, str) else content
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(raw)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            # An error of a write has no name of a file, and the other errors name a temporary one.
            raise OSError(error.errno, error.strerror, str(file)) from None
        raise


def unusable_file_error(file: Path | str, error: OSError) -> UnusableFile:
    """Return what to tell a person whose machine does not let us use `file`."""
    path = Path(file)
    if error.errno in (errno.ENOENT, errno.ELOOP) and _is_broken_link(path):
        target = path.readlink()
        return UnusableFile(
            path,
            _(
                "is a symbolic link to {target}, which does not exist or leads back to the link",
                target=target,
            ),
            _("restore {target}, or replace the link with the file itself", target=target),
        )
    return UnusableFile(
        path, error.strerror or str(error), fix_for_unusable_path(path, error.errno)
    )


def to_displayable_error(error: Exception) -> ChautariError | None:
    """Return the error to show in place of one that this machine caused; None for our bugs."""
    if isinstance(error, ChautariError):
        return error
    if not isinstance(error, OSError):
        return None
    if error.errno in ENVIRONMENT_ERRORS:
        if isinstance(error.filename, str | Path):
            return unusable_file_error(error.filename, error)
        return BadInput(
            _(
                "this machine cannot write the output or a temporary file: {strerror}",
                strerror=error.strerror,
            ),
            fix=_("free some space (to see how much is used: df -h), or send the output elsewhere"),
        )
    if error.errno == errno.ENOENT and not _working_folder_exists():
        return BadInput(
            _("the current folder no longer exists"), fix=_("change to a folder that exists: cd")
        )
    return None


def _working_folder_exists() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def temp_files_root() -> str:
    """Return the folder for temporary files.

    Raises:
        BadInput: when no such folder can be written.
    """
    try:
        return tempfile.gettempdir()
    except FileNotFoundError as error:
        raise BadInput(
            _("there is no folder for temporary files: {strerror}", strerror=error.strerror),
            fix=_(
                "choose a folder that has free space and that your account can write to: "
                "export TMPDIR=FOLDER"
            ),
        ) from None


def create_writable_folders(folders: Iterable[Path]) -> None:
    """Create `folders` and write a file in each, before any work begins.

    Raises:
        BadInput: names the folder that cannot be written, and a command against it.
    """
    refuse_home_of_another_account()
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".chautari-") as stream:
                stream.write(b"x" * 4096)
                stream.flush()
        except OSError as error:
            raise unusable_file_error(folder, error) from None


def refuse_files_of_another_account(paths: Iterable[Path]) -> None:
    """Make sure that this account owns those of `paths` that exist in its home.

    Raises:
        BadInput: with the paths of other accounts and the command that fixes them.
    """
    refuse_home_of_another_account()
    taken = sorted(
        {_topmost_folder_of_same_owner(path) for path in paths if _is_foreign_owned_in_home(path)}
    )
    if taken:
        shown = " ".join(shlex.quote(str(path)) for path in taken)
        raise BadInput(
            _("another account owns {taken}", taken=", ".join(map(str, taken))),
            fix=_(_NO_SUDO) if os.getuid() == 0 else _chown_advice(shown),
        )


def refuse_home_of_another_account() -> None:
    """Refuse to run as root under sudo if HOME is the home of the account that called sudo.

    Raises:
        BadInput: when it would, as with `sudo -E`.
    """
    person = os.environ.get("SUDO_UID", "")
    if os.getuid() == 0 and person.isdecimal() and person != "0":
        with contextlib.suppress(OSError, RuntimeError):
            if _owner_uid(Path.home()) == int(person):
                raise BadInput(
                    _(
                        "under sudo, this command would create files in {home} that only "
                        "root can use",
                        home=Path.home(),
                    ),
                    fix=_(_NO_SUDO),
                )


def remove_folder(folder: Path) -> None:
    """Delete a folder with all its content; one that does not exist is fine."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def create_private_folder(folder: Path) -> None:
    """Create a folder for secrets; one that is there must be this account's alone to write.

    Raises:
        BadInput: when another account owns the folder or may write into it, and so could replace
            files in it or have them written through a link.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise unusable_file_error(folder, error) from None
    shown = shlex.quote(str(folder))
    if found.st_uid != os.getuid():
        raise BadInput(
            _(
                "secrets would be written to {folder}, which belongs to another account",
                folder=folder,
            ),
            fix=_(
                "use a folder that belongs to your account, or leave the secrets out: --no-secrets"
            ),
        )
    if found.st_mode & 0o022:
        raise BadInput(
            _(
                "secrets would be written to {folder}, but other accounts can write there",
                folder=folder,
            ),
            fix=f"chmod go-w {shown}, or leave the secrets out: --no-secrets",
        )


def fix_for_unusable_path(path: Path, code: int | None) -> str:
    """Return the command for a person whose machine refused the use of `path` with this error."""
    known = next(folder for folder in (path, *path.parents) if _exists_if_readable(folder))
    shown = shlex.quote(str(known))
    if code in (errno.EACCES, errno.EPERM):
        if _is_foreign_owned_in_home(known):
            return _chown_advice(shlex.quote(str(_topmost_folder_of_same_owner(known))))
        return _("check its owner and permissions: ls -ld {shown}", shown=shown)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return _("free some space; to see how much is used: df -h {shown}", shown=shown)
    if code == errno.EROFS:
        return _(
            "make this file system writable; to see how it is mounted: findmnt -T {shown}",
            shown=shown,
        )
    return _("check this path: ls -ld {shown}", shown=shown)


def _is_foreign_owned_in_home(path: Path) -> bool:
    """Return whether `path` lies in this account's home and belongs to another, as after sudo.

    Outside the home, other owners are normal. Changing them would damage the machine.
    """
    try:
        inside = Path.home().resolve() in path.resolve().parents
        return inside and _owner_uid(path) != os.getuid()
    except (OSError, RuntimeError):
        return False


def _topmost_folder_of_same_owner(path: Path) -> Path:
    """Return `path` or the highest folder of the same owner above it, inside of the home.

    A command for it covers all that would be refused next.
    """
    owner, found = _owner_uid(path), path
    for folder in path.parents:
        if not _is_foreign_owned_in_home(folder) or _owner_uid(folder) != owner:
            break
        found = folder
    return found


def _chown_advice(path_text: str) -> str:
    return _(
        "make your account the owner again: sudo chown -R $(id -un): {path_text}",
        path_text=path_text,
    )


def _owner_uid(path: Path) -> int:
    return path.stat().st_uid


def _is_broken_link(path: Path) -> bool:
    try:
        return path.is_symlink() and not path.exists()
    except OSError:
        return False


def _exists_if_readable(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
