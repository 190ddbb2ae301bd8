"""Archives that are not what was pinned, or that no release may be: nodes unpack none of them."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hostile_archives import (
    VERSION,
    VERSION_FILE,
    Item,
    hostile_archives,
    release,
    tar_gz,
    zip_file,
)
from role_samples import ROLES, load_program
from running_server import running

FILES = ROLES / "release_archive" / "files"
PATH = "/app-3.0.1.tar.gz"
GOOD = tar_gz(release())
PREPARE = f"""#!/bin/sh
grep -q "VERSION = '$1'" {VERSION_FILE} && exit
echo "The archive contains another version." >&2
exit 1
"""


@dataclass
class Answer:
    """What the server sends; without `length` it names the length of the content."""

    content: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    endless: bool = False


class Server(http.server.ThreadingHTTPServer):
    """Sends the whole answer for each path; it ignores requested ranges."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {PATH: Answer(GOOD)}
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        answer = self.server.answers.get(self.path, Answer(status=404))
        self.send_response(answer.status)
        length = len(answer.content) if answer.length is None else answer.length
        own = {} if answer.endless else {"Content-Length": str(length)}
        for key, value in (own | answer.headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(answer.content)
        while answer.endless:
            try:
                self.wfile.write(bytes(1 << 16))
            except OSError:
                return

    def log_message(self, *_: Any) -> None:
        pass


class Node:
    """A folder with the programs of the role, as a node has them, and what they do."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.releases = root, root / "opt" / "releases"
        self.libexec, self.cache = root / "libexec", root / "cache"
        for folder in (self.releases, self.libexec):
            folder.mkdir(parents=True)
        for name in ("unpack-release", "unpack-archive", "shared/archive_rules.py"):
            program = self.libexec / Path(name).name
            shutil.copy(FILES / name, program)
            program.chmod(0o700)
        (self.libexec / "prepare").write_text(PREPARE)
        (self.libexec / "prepare").chmod(0o700)
        self.path = os.environ["PATH"]
        if os.geteuid() != 0:  # only root gives files to root
            (root / "bin").mkdir()
            (root / "bin" / "chown").symlink_to("/bin/true")
            self.path = f"{root / 'bin'}:{self.path}"
        self.download = load_program(FILES / "download-archive")
        monkeypatch.setattr(self.download, "PAUSES", (0,))
        monkeypatch.setattr(self.download, "LIMIT_SECONDS", 1)

    def install(
        self, url: str, sha256: str, before_unpacking: Callable[[Path], None] = lambda _: None
    ) -> str:
        """Download and unpack a release as the tasks of the role do; return why it was refused."""
        ending = "zip" if url.endswith(".zip") else "tar.gz"
        file = self.cache / sha256 / f"archive.{ending}"
        if self.download.main("App", url, sha256, file):
            return "download"
        before_unpacking(file)
        argv = (self.libexec / "unpack-release", VERSION, sha256, file, self.releases / VERSION,
                self.libexec / "prepare")  # fmt: skip
        done = subprocess.run(
            argv, env={"PATH": self.path}, capture_output=True, text=True, check=False
        )
        return "" if done.returncode == 0 else done.stderr

    def unpacked(self) -> list[str]:
        """Return what was unpacked anywhere."""
        outside = [Path("/tmp/chautari-escaped"), *self.root.rglob("x")]
        return [str(path) for path in (*self.releases.iterdir(), *outside) if path.exists()]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as found:
        yield found


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


# What a server or a network may send in place of the pinned archive.
NOT_PINNED: dict[str, Answer] = {
    "flipped byte": Answer(flip(GOOD)),
    "other version": Answer(tar_gz(release("3.0.0"))),
    "truncated": Answer(GOOD[:-9]),
    "longer than the archive": Answer(GOOD + b"x"),
    "longer than declared": Answer(GOOD + b"x" * 999, length=len(GOOD) - 1),
    "shorter than declared": Answer(GOOD[:-9], length=len(GOOD)),
    "empty": Answer(b""),
    "login page": Answer(b"<!doctype html>Log in", headers={"Content-Type": "text/html"}),
    "compressed once more": Answer(gzip.compress(GOOD), headers={"Content-Encoding": "gzip"}),
    "part of the archive": Answer(GOOD[9:], 206, {"Content-Range": f"bytes 9-{len(GOOD)}/*"}),
    "other folder": Answer(tar_gz([Item("other/x", b"x")])),
    "without end": Answer(endless=True),
    "declared without measure": Answer(GOOD, length=10**14),
    "redirect to another file": Answer(b"", 302, {"Location": "/mallory.tar.gz"}),
    "redirect to a file of the node": Answer(b"", 302, {"Location": "file:///etc/passwd"}),
    "redirect to itself": Answer(b"", 302, {"Location": PATH}),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_PINNED)
def test_download_that_is_not_what_was_pinned_is_refused(
    case: str, node: Node, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node.download, "MAX_BYTES", 4_000_000)
    server.answers[PATH] = NOT_PINNED[case]
    server.answers["/mallory.tar.gz"] = Answer(tar_gz([*release(), Item("app/backdoor", b"x")]))
    assert node.install(server.url + PATH, digest(GOOD)) == "download"
    assert node.unpacked() == []
    assert not list(node.cache.rglob("archive.tar.gz"))
    assert sum(file.stat().st_size for file in node.cache.rglob("*.part")) <= len(GOOD)


@pytest.mark.parametrize("change", [flip, lambda c: c[:-9], lambda c: c + b"x", lambda _: b""])
def test_archive_that_changes_after_the_download_is_refused(
    change: Callable[[bytes], bytes], node: Node, server: Server
) -> None:
    def replace(file: Path) -> None:
        file.write_bytes(change(GOOD))

    assert "did NOT match" in node.install(server.url + PATH, digest(GOOD), replace)
    assert node.unpacked() == []


@pytest.mark.parametrize("case", hostile_archives())
def test_pinned_archive_with_a_dangerous_entry_is_refused(
    case: str, node: Node, server: Server
) -> None:
    ending, content = hostile_archives()[case]
    path = f"/app.{ending}"
    server.answers[path] = Answer(content)
    reason = node.install(server.url + path, digest(content))
    assert reason.startswith("The entry '") and reason.isascii() and "\x1b" not in reason
    assert node.unpacked() == []


@pytest.mark.parametrize("case", ["tar.gz: device", "zip: link that climbs out"])
def test_app_of_nextcloud_with_a_dangerous_entry_is_refused(case: str, node: Node) -> None:
    ending, content = hostile_archives()[case]
    apps, archive = node.root / "apps", node.root / f"archive.{ending}"
    (apps / "app").mkdir(parents=True)
    archive.write_bytes(content)
    shutil.copy(ROLES / "nextcloud" / "files" / "nextcloud-app", node.libexec)
    argv = ("sh", node.libexec / "nextcloud-app", "app", digest(content), archive, apps)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The entry 'app/")
    assert [item.name for item in apps.iterdir()] == ["app"], "the app before it stays"


UNUSABLE: dict[str, tuple[bytes, str]] = {
    "page": (b"<!doctype html>", "is not an archive"),
    "empty file": (b"", "is not an archive"),
    "no entries": (tar_gz([]), "is empty"),
    "truncated": (GOOD[: len(GOOD) // 2], "cannot be unpacked"),
    "bytes after the end": (GOOD + tar_gz([]) + tar_gz([Item("a/b", b"c")]), "bytes after its end"),
    "other version": (tar_gz(release("3.0.0")), "another version"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_pinned_file_that_is_no_release_is_refused(case: str, node: Node, server: Server) -> None:
    content, reason = UNUSABLE[case]
    server.answers[PATH] = Answer(content)
    assert reason in node.install(server.url + PATH, digest(content))
    assert node.unpacked() == []


@pytest.mark.parametrize(("limit", "value"), [("MAX_BYTES", 20), ("MAX_ENTRIES", 3)])
def test_archive_that_grows_too_large_is_refused(
    limit: str, value: int, node: Node, server: Server
) -> None:
    program = node.libexec / "archive_rules.py"
    before = program.read_text()
    program.write_text(before.replace(f"\n{limit} = ", f"\n{limit} = {value} or "))
    assert program.read_text() != before
    assert "The archive contains more than" in node.install(server.url + PATH, digest(GOOD))
    assert node.unpacked() == []


def test_disk_that_becomes_full_keeps_nothing(node: Node, server: Server) -> None:
    program = node.libexec / "unpack-archive"
    text = program.read_text().replace("\nSPARE_BYTES = ", "\nSPARE_BYTES = 1 << 60 or ")
    program.write_text(text.replace("% 1000", "% 1"))
    assert "no space left" in node.install(server.url + PATH, digest(GOOD))
    assert node.unpacked() == []


@pytest.mark.parametrize(("ending", "pack"), [("tar.gz", tar_gz), ("zip", zip_file)])
def test_honest_archive_is_unpacked(
    ending: str, pack: Callable[..., bytes], node: Node, server: Server
) -> None:
    path, content = f"/app.{ending}", pack(release())
    server.answers[path] = Answer(content)
    assert node.install(server.url + path, digest(content)) == ""
    folder = node.releases / VERSION
    assert [item.name for item in node.releases.iterdir()] == [VERSION]
    assert (folder / "café.txt").read_bytes() == b"\xc3\xa9"
    assert (folder / "run").readlink() == Path("bin/run")
    assert (folder / "bin" / "up").read_text().startswith("<?php")
    program = stat.S_IMODE((folder / "bin" / "run").stat().st_mode)
    assert program == 0o755, "a release has no programs that run as another account"
    assert stat.S_IMODE((folder / VERSION_FILE).stat().st_mode) == 0o644
