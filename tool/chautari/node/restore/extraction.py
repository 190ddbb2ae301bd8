"""Write the files of an archive to their places, and compare what is there with the archive.

Borg checks each part of a file against the key while it reads, so what comes from it is what the
backup stored. Drills also hash it, and compare that with what is on the disk. The archive is
downloaded only once: dumps of databases are in the same stream, and are passed on.
"""

from __future__ import annotations

import errno
import grp
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from chautari.node.restore.archive_file_index import FileIndex
from chautari.node.restore.errors import RestoreError
from chautari.node.restore.places import RestorePlace, find_place_and_staged_path
from chautari.node.restore.tar_stream import BLOCK, TarStream

REPORT_BYTES = 64 << 20
Progress = Callable[[int], None]
# Takes the content of a file in blocks; each block overwrites the one before.
Reader = Callable[[Iterable[memoryview]], None]


class _FolderMetadata(NamedTuple):
    path: str
    member: tarfile.TarInfo


class Extraction:
    """Writes the members of one tar stream."""

    def __init__(
        self,
        places: Sequence[RestorePlace],
        readers: Mapping[str, Reader],
        index: FileIndex,
        progress: Progress,
        *,
        known_owners: bool,
        compare_hashes: bool,
    ) -> None:
        """Prepare to extract.

        Args:
            places: where files are written.
            readers: take the content of files that are not written, by their paths.
            index: gets the size of each file, and its hash.
            progress: takes the bytes that were written so far.
            known_owners: whether files of accounts that do not exist here are refused.
            compare_hashes: whether files are hashed, so that they are compared by content.
        """
        self._places, self._readers, self._index = places, readers, index
        self._progress, self._known_owners = progress, known_owners
        self._compare_hashes = compare_hashes
        self._folders: dict[str, _FolderMetadata] = {}
        self._checked_parents: set[str] = set()
        self._written = self._reported = 0

    def extract(self, stream: IO[bytes]) -> None:
        """Write all members, then the metadata of folders, and make the disk store them."""
        try:
            archive = TarStream(stream)
            for member in archive.members():
                self._write_member(archive, member)
            # Later changes in a folder would change its times, so the deepest folders come first.
            for path in sorted(self._folders, reverse=True):
                self._set_metadata(path, self._folders[path].member)
            _sync_filesystems({os.path.dirname(place.staged) for place in self._places})
        except OSError as error:
            code = "no_space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "disk_error"
            raise RestoreError(code, message=str(error)) from error
        except tarfile.TarError as error:
            raise RestoreError("disk_error", message=f"damaged stream: {error}") from error

    def delete_gone_paths(self, gone: bytes) -> None:
        """Delete what was deleted before the moment of the backup: paths, each ended by a zero."""
        paths = sorted(filter(None, map(os.fsdecode, gone.split(b"\0"))), reverse=True)
        for path in map(archived_path, paths):
            found = find_place_and_staged_path(self._places, path)
            if found is None or path == found[0].path or not os.path.lexists(found[1]):
                continue
            self._create_safe_parent_folder(*found)  # no link leads out of the place
            if not stat.S_ISDIR(os.lstat(found[1]).st_mode):
                os.unlink(found[1])
                self._index.forget_file(path)
            elif not os.listdir(found[1]):
                os.rmdir(found[1])

    def _write_member(self, archive: TarStream, member: tarfile.TarInfo) -> None:
        path = archived_path(member.name)
        if path in self._readers:
            self._readers[path](archive.blocks_in_reused_buffer(member.size))
            return
        found = find_place_and_staged_path(self._places, path)
        if found is None:
            return
        place, staged = found
        self._create_safe_parent_folder(place, staged)
        if member.isdir():
            self._make_folder(staged, member)
            return
        self._remove_earlier_copy(staged)
        if member.isreg():
            self._write_file(archive, member, path, staged)
        elif member.islnk():
            self._link_file(member, path, staged)
        elif member.issym():
            os.symlink(member.linkname, staged)
            self._index.forget_file(path)
        # Pipes, sockets and devices are not part of any service's data.
        else:
            return
        self._set_metadata(staged, member)

    def _create_safe_parent_folder(self, place: RestorePlace, staged: str) -> None:
        """Create the folder of `staged`, and make sure that no link leads out of the place."""
        parent = os.path.dirname(staged)
        if parent in self._checked_parents:
            return
        root = os.path.dirname(place.staged)
        os.makedirs(root, mode=0o700, exist_ok=True)
        current = root
        for part in Path(parent).relative_to(root).parts:
            current = os.path.join(current, part)
            if not os.path.lexists(current):
                os.mkdir(current, 0o700)
            elif not stat.S_ISDIR(os.lstat(current).st_mode):
                raise RestoreError("unsafe_path", path=staged)
        self._checked_parents.add(parent)

    def _make_folder(self, staged: str, member: tarfile.TarInfo) -> None:
        if os.path.lexists(staged) and not stat.S_ISDIR(os.lstat(staged).st_mode):
            os.unlink(staged)
        os.makedirs(staged, mode=0o700, exist_ok=True)
        self._folders[staged] = _FolderMetadata(staged, member)

    def _remove_earlier_copy(self, staged: str) -> None:
        """Remove what an earlier member wrote here: the last copy of a path counts."""
        if not os.path.lexists(staged):
            return
        if stat.S_ISDIR(os.lstat(staged).st_mode):
            shutil.rmtree(staged)
            inside = (staged, f"{staged}/")
            self._checked_parents = {
                path for path in self._checked_parents if not f"{path}/".startswith(inside[1])
            }
            self._folders = {
                path: kept
                for path, kept in self._folders.items()
                if path != staged and not path.startswith(inside[1])
            }
        else:
            os.unlink(staged)

    def _write_file(
        self, archive: TarStream, member: tarfile.TarInfo, path: str, staged: str
    ) -> None:
        digest, size = hashlib.sha256() if self._compare_hashes else None, 0
        with open(staged, "xb", buffering=0) as target:
            os.fchmod(target.fileno(), 0o600)
            for block in archive.blocks_in_reused_buffer(member.size):
                if digest:
                    digest.update(block)
                _write_all(target, block)
                size += len(block)
                self._report_written_bytes(len(block))
        if not self._index.record_extracted_file_if_listed(
            path, size, digest.hexdigest() if digest else ""
        ):
            raise RestoreError("file_differs", path=path)

    def _link_file(self, member: tarfile.TarInfo, path: str, staged: str) -> None:
        target = archived_path(member.linkname)
        found = find_place_and_staged_path(self._places, target)
        if found is None or not os.path.isfile(found[1]) or os.path.islink(found[1]):
            raise RestoreError("unsafe_path", path=path)
        os.link(found[1], staged, follow_symlinks=False)
        self._index.record_hard_link(path, target)

    def _set_metadata(self, staged: str, member: tarfile.TarInfo) -> None:
        os.lchown(staged, self._uid_of_member(member), self._gid_of_member(member))
        if not member.issym():
            os.chmod(staged, member.mode & 0o7777)
        os.utime(staged, (member.mtime, member.mtime), follow_symlinks=False)

    def _uid_of_member(self, member: tarfile.TarInfo) -> int:
        found = _uid_of_account(member.uname) if member.uname else member.uid
        if found is None and self._known_owners:
            raise RestoreError("unknown_owner", owner=member.uname)
        return member.uid if found is None else found

    def _gid_of_member(self, member: tarfile.TarInfo) -> int:
        found = _gid_of_group(member.gname) if member.gname else member.gid
        if found is None and self._known_owners:
            raise RestoreError("unknown_owner", owner=member.gname)
        return member.gid if found is None else found

    def _report_written_bytes(self, count: int) -> None:
        self._written += count
        if self._written - self._reported >= REPORT_BYTES:
            self._reported = self._written
            self._progress(self._written)


def archived_path(name: str) -> str:
    """Return the absolute path of a member's name.

    Raises:
        RestoreError: when it could lead out of its folder.
    """
    parts = name.removeprefix("./").lstrip("/").rstrip("/").split("/")
    if {"", ".", ".."} & set(parts) or "\0" in name:
        raise RestoreError("unsafe_path", path=name[:200])
    return "/" + "/".join(parts)


def compare_with_archive(places: Sequence[RestorePlace], index: FileIndex) -> None:
    """Compare every file on the disk with what the archive holds: its size, its hash if known.

    Raises:
        RestoreError: at the first file that is missing, differs, or is not in the archive.
    """
    count = 0
    for file in index:
        found = find_place_and_staged_path(places, file.path)
        assert found is not None
        if file.size is None:
            raise RestoreError("file_missing", path=file.path)
        if not file.size == file.expected_size == _size_on_disk(found[1], file.path):
            raise RestoreError("file_differs", path=file.path)
        if file.sha256 and file.sha256 != _hash_file_on_disk(found[1]):
            raise RestoreError("file_differs", path=file.path)
        count += 1
    if (there := sum(_count_files(place.staged) for place in places)) != count:
        raise RestoreError("file_differs", path=f"({there} files on the disk, {count} archived)")


def _sync_filesystems(folders: Iterable[str]) -> None:
    """Wait until the disks have everything.

    Raises:
        RestoreError: when a disk could not store a part of it, which was not known before.
    """
    there = sorted(filter(os.path.isdir, folders))
    if not there:
        return
    done = subprocess.run(["sync", "--file-system", "--", *there], capture_output=True)
    if done.returncode:
        raise RestoreError("disk_error", message=done.stderr.decode(errors="replace").strip())


def _size_on_disk(staged: str, path: str) -> int:
    try:
        there = os.lstat(staged)
    except OSError:
        raise RestoreError("file_missing", path=path) from None
    return there.st_size if stat.S_ISREG(there.st_mode) else -1


def _hash_file_on_disk(path: str) -> str:
    digest = hashlib.sha256()
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        raise RestoreError("file_missing", path=path) from None
    with open(handle, "rb", buffering=0) as stream:
        # From the disk, not from memory.
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _count_files(path: str) -> int:
    if not os.path.isdir(path) or os.path.islink(path):
        return int(os.path.isfile(path) and not os.path.islink(path))
    return sum(
        stat.S_ISREG(os.lstat(os.path.join(folder, name)).st_mode)
        for folder, _, names in os.walk(path)
        for name in names
    )


def _write_all(target: IO[bytes], block: memoryview) -> None:
    while block:
        block = block[target.write(block) :]


@cache
def _uid_of_account(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


@cache
def _gid_of_group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
