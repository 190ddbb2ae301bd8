"""Read a borg repository: its archives, their manifests, and their content as streams."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import json
import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, NamedTuple

from chautari.node.backup.manifest import (
    MANIFEST_PATH,
    MAX_BYTES,
    InvalidManifest,
    Manifest,
    parse_manifest,
)
from chautari.node.restore.errors import RestoreError
from chautari.node.restore.request import RepositoryAccess, Target

BORG = "borg"
LOCK_WAIT_SECONDS = 600  # a backup may be running
KEPT_ERROR = 2000
PIPE_BYTES = 1 << 20
# Names of files are bytes. In other encodings, borg prints `?` for what is no text.
LIST_ENCODING = "unicode_escape"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d)[:-]?(\d\d)[:-]?(\d\d)Z")


class Archive(NamedTuple):
    """An archive of a node: its name, and the time in it, in seconds since 1970."""

    name: str
    time: int


class ArchiveItem(NamedTuple):
    """A file, folder or link in an archive; `size` is -1 for another name of an earlier file."""

    path: str
    type: str
    size: int


def archive_time(name: str, node: str) -> int | None:
    """Return the time in the name of an archive of `node`; None for other archives."""
    found = _TIME.fullmatch(name[len(node) + 1 :]) if name.startswith(f"{node}-") else None
    if found is None:
        return None
    day, *clock = found.groups()
    try:
        moment = datetime.strptime(f"{day} {':'.join(clock)}", "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None
    return int(moment.replace(tzinfo=timezone.utc).timestamp())


class Repository:
    """One repository, read by borg; nothing in it is changed."""

    def __init__(self, target: Target, access: RepositoryAccess, state: Path) -> None:
        """Keep borg's own files, which protect from old copies of a repository, in `state`."""
        self._target, self._access, self._state = target, access, state

    def archives_of_node(self, node: str) -> list[Archive]:
        """Return the archives of a node, oldest first."""
        output = self._read_borg_output(["list", "--json", self._target.repository])
        try:
            found = [str(item["name"]) for item in json.loads(output)["archives"]]
        except (ValueError, KeyError, TypeError) as error:
            raise self._repository_failed_error(f"unreadable list of archives ({error})") from None
        times = [(name, archive_time(name, node)) for name in found]
        known = [Archive(name, moment) for name, moment in times if moment is not None]
        return sorted(known, key=lambda archive: archive.time)

    def choose_archive(self, node: str, at: int) -> Archive:
        """Return the newest archive of a node that is not later than `at`; 0 for the newest."""
        self._refuse_unmounted_disk()
        archives = self.archives_of_node(node)
        if not archives:
            raise RestoreError("no_archives", target=self._target.name, node=node)
        fitting = [archive for archive in archives if not at or archive.time <= at]
        if not fitting:
            shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
            raise RestoreError("no_archive", target=self._target.name, node=node, time=shown)
        return fitting[-1]

    def manifest(self, archive: Archive) -> Manifest:
        """Return the manifest of an archive."""
        with self.open_file(archive.name, MANIFEST_PATH) as stream:
            raw = stream.read(MAX_BYTES + 1)
        try:
            if not raw:
                raise InvalidManifest("it has no manifest, so the backup was interrupted")
            return parse_manifest(raw)
        except InvalidManifest as error:
            raise RestoreError(
                "invalid_manifest", archive=archive.name, message=str(error)
            ) from None

    def items(self, archive: str, paths: Sequence[str]) -> Iterator[ArchiveItem]:
        """Yield what the archive contains below `paths`, without reading any file's content."""
        if not paths:
            return
        form = "{type} {mode} {size} {bpath}{NUL}"
        argv = ["list", "--format", form, self._archive_location(archive), *_borg_patterns(paths)]
        with self._stream_borg_output(argv, PYTHONIOENCODING=LIST_ENCODING) as stream:
            for line in _split_at_nul(stream):
                try:
                    kind, mode, size, path = line.split(" ", 3)
                    yield ArchiveItem(path, kind, -1 if mode.startswith("h") else int(size))
                except ValueError as error:
                    raise self._repository_failed_error(
                        f"unreadable list of files ({error})"
                    ) from None

    @contextlib.contextmanager
    def open_tar(self, archive: str, paths: Sequence[str]) -> Iterator[IO[bytes]]:
        """Yield the files below `paths` as a stream in tar's format.

        Borg checks each part of a file while it reads: its key signs what the repository holds.
        """
        argv = ["export-tar", self._archive_location(archive), "-", *_borg_patterns(paths)]
        with self._stream_borg_output(argv) as stream:
            yield stream

    @contextlib.contextmanager
    def open_file(self, archive: str, path: str) -> Iterator[IO[bytes]]:
        """Yield the content of one file."""
        argv = ["extract", "--stdout", self._archive_location(archive), f"pp:{path}"]
        with self._stream_borg_output(argv) as stream:
            yield stream

    def _archive_location(self, archive: str) -> str:
        return f"{self._target.repository}::{archive}"

    def _read_borg_output(self, arguments: Sequence[str]) -> bytes:
        with self._stream_borg_output(arguments) as stream:
            return stream.read()

    @contextlib.contextmanager
    def _stream_borg_output(self, arguments: Sequence[str], **more: str) -> Iterator[IO[bytes]]:
        """Run borg and yield its output; raise if borg fails."""
        argv = [BORG, "--lock-wait", str(LOCK_WAIT_SECONDS), *arguments]
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                    env={**self._borg_environment(), **more}, cwd="/",
                )  # fmt: skip
            except FileNotFoundError:
                raise RestoreError("borg_missing") from None
            assert process.stdout is not None
            with contextlib.suppress(OSError):
                # Borg then reads ahead while this process writes.
                fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            try:
                yield process.stdout
                # What follows the end of an archive, so that borg can finish.
                while process.stdout.read(1 << 20):
                    pass
            except BaseException:
                process.kill()
                raise
            finally:
                process.stdout.close()
                process.wait()
            # 1 stands for warnings.
            if process.returncode not in (0, 1):
                errors.seek(0)
                raise self._repository_failed_error(_end_of_error_output(errors.read()))

    def _borg_environment(self) -> Mapping[str, str]:
        access = self._access
        ssh = [
            "ssh", "-T", "-i", str(access.login_key), "-o", "IdentitiesOnly=yes",
            "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
            "-o", f"UserKnownHostsFile={access.known_hosts}", "-o", "GlobalKnownHostsFile=none",
            "-o", "UpdateHostKeys=no", "-o", "ConnectTimeout=30",
            "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=8", "-F", "none",
        ]  # fmt: skip
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": "/root",
            "BORG_BASE_DIR": str(self._state),
            # A command, so that the passphrase is in no process's environment.
            "BORG_PASSCOMMAND": shlex.join(["cat", str(access.passphrase)]),
            "BORG_RSH": shlex.join(ssh),
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "no",
            "BORG_EXIT_CODES": "legacy",
        }

    def _refuse_unmounted_disk(self) -> None:
        mount = self._target.mount
        if mount and not os.path.ismount(mount):
            raise RestoreError("not_mounted", mount=mount)

    def _repository_failed_error(self, message: str) -> RestoreError:
        return RestoreError("repository_failed", target=self._target.name, message=message)


def _borg_patterns(paths: Sequence[str]) -> list[str]:
    """Return paths as borg's patterns for a path and all below it."""
    return [f"pp:{path.lstrip('/')}" for path in paths]


def _split_at_nul(stream: IO[bytes]) -> Iterator[str]:
    decoder, rest = codecs.getincrementaldecoder(LIST_ENCODING)(), ""
    while block := stream.read(1 << 16):
        *lines, rest = (rest + decoder.decode(block)).split("\0")
        yield from lines
    if rest:
        raise ValueError("the list of files is incomplete")


def _end_of_error_output(errors: bytes) -> str:
    text = errors[-KEPT_ERROR:].decode(errors="replace").strip()
    return " ".join(text.split()) or "no message"
