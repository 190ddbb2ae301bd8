"""The command that downloads archives, against a real server on a bad link."""

from __future__ import annotations

import errno
import hashlib
import http.server
import json
import os
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from region_samples import ROOT
from role_samples import ROLES, load_program
from running_server import running

SCRIPT = ROLES / "release_archive" / "files" / "download-archive"
CONTENT = os.urandom(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`; ends each connection after `cut` bytes of it.

    Attributes:
        sent: the bytes of bodies that were sent.
        ranges: the ranges that were requested.
        statuses: the errors to answer with first.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cut, self.sent = CONTENT, 10**9, 0
        self.ranges, self.statuses = list[str](), list[int]()
        self.knows_ranges = self.knows_length = True
        self.address = f"http://127.0.0.1:{self.server_port}/nextcloud.tar.bz2"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, requested = self.server, self.headers.get("Range", "")
        server.ranges.append(requested)
        first = int(requested.removeprefix("bytes=").removesuffix("-") or 0)
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        if not server.knows_ranges:
            first = 0
        if first and first >= len(server.content):
            self.send_error(416)
            return
        body = server.content[first:]
        self.send_response(206 if first else 200)
        if first:
            last, size = len(server.content) - 1, len(server.content)
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        if server.knows_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        server.sent += len(body[: server.cut])  # before the client can know the end
        self.wfile.write(body[: server.cut])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as found:
        yield found


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the command as a module that does not pause between its tries."""
    module = load_program(SCRIPT)
    monkeypatch.setattr(module, "PAUSES", (0,))
    monkeypatch.setattr(module, "LIMIT_SECONDS", 20)
    return module


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / SHA256 / "archive.tar.bz2"


Download = Callable[..., tuple[int, str]]


@pytest.fixture
def download(
    script: Any, server: Server, file: Path, capsys: pytest.CaptureFixture[str]
) -> Download:
    """Return a function that downloads the archive; it returns the exit code and the error."""

    def run(address: str = "", sha256: str = SHA256) -> tuple[int, str]:
        code = script.main("Nextcloud", address or server.address, sha256, file)
        return code, capsys.readouterr().out

    return run


def part_of(file: Path) -> Path:
    return file.with_name(file.name + ".part")


def write_part(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True)
    part_of(file).write_bytes(content)


def test_cut_download_resumes_and_sends_each_byte_once(
    download: Download, server: Server, file: Path
) -> None:
    server.cut = 150_000
    assert download() == (0, "")
    assert file.read_bytes() == CONTENT
    assert not part_of(file).exists()
    assert server.sent == len(CONTENT)
    assert server.ranges == ["", *(f"bytes={n * 150_000}-" for n in range(1, 7))]


def test_part_of_an_earlier_deploy_is_continued(
    download: Download, server: Server, file: Path
) -> None:
    write_part(file, CONTENT[:600_000])
    assert download() == (0, "")
    assert file.read_bytes() == CONTENT
    assert server.sent == 400_000


def test_complete_archive_is_not_requested(download: Download, server: Server, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    assert download() == (0, "")
    assert server.ranges == []


def test_damaged_archive_is_downloaded_again(
    download: Download, server: Server, file: Path
) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT[1:])
    assert download() == (0, "")
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("link", [False, True])
def test_what_lies_in_place_of_the_folder_is_replaced(
    download: Download, file: Path, link: bool
) -> None:
    file.parent.parent.mkdir()
    other = file.parent.with_name("0" * 64)
    for path in (file.parent, other):
        path.symlink_to("nowhere") if link else path.write_text("by hand")
    assert download() == (0, "")
    assert file.read_bytes() == CONTENT
    assert not other.exists() and not other.is_symlink()


def test_complete_part_is_used(download: Download, server: Server, file: Path) -> None:
    write_part(file, CONTENT)
    assert download() == (0, "")
    assert file.read_bytes() == CONTENT
    assert server.sent == 0


@pytest.mark.parametrize("damaged", [b"x" * 600_000, CONTENT + b"x"])
def test_part_of_another_file_is_discarded_once(
    download: Download, server: Server, file: Path, damaged: bytes
) -> None:
    write_part(file, damaged)
    assert download() == (0, "")
    assert file.read_bytes() == CONTENT
    assert server.ranges[-1] == "" and len(server.ranges) == 2


def test_server_without_ranges_sends_the_whole_archive_again(
    download: Download, server: Server, file: Path
) -> None:
    server.knows_ranges = False
    write_part(file, CONTENT[:600_000])
    assert download() == (0, "")
    assert file.read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


def test_answer_without_a_length_is_compared_by_its_digest(
    download: Download, server: Server, file: Path
) -> None:
    server.knows_length = False
    assert download() == (0, "")
    assert file.read_bytes() == CONTENT


def test_wrong_digest_is_refused_after_one_download(
    download: Download, server: Server, file: Path
) -> None:
    code, error = download(sha256="0" * 64)
    assert code == 1
    assert (
        f"the archive has the SHA-256 {SHA256}, not the pinned {'0' * 64}. Fix: compare it" in error
    )
    assert list(file.parent.iterdir()) == []
    assert server.sent == len(CONTENT)


def test_wrong_digest_on_a_bad_link_is_refused_after_two_downloads(
    download: Download, server: Server, file: Path
) -> None:
    server.cut = 400_000
    code, error = download(sha256="0" * 64)
    assert (code, "not the pinned" in error) == (1, True)
    assert server.sent == 2 * len(CONTENT)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 501])
def test_permanent_answer_fails_at_once(
    download: Download, server: Server, script: Any, status: int
) -> None:
    server.statuses = [status]
    code, error = download()
    assert code == 1
    assert error.startswith(f"Nextcloud was not downloaded from {server.address}: ")
    assert f"the server answered {status} " in error
    assert error.endswith(". Fix: check the address, correct the pin and deploy again.\n")
    assert len(server.ranges) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_temporary_answer_is_tried_again(
    download: Download, server: Server, file: Path, status: int
) -> None:
    server.statuses = [status, status]
    assert download() == (0, "")
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://a b/c.zip", "c.zip", "http://"])
def test_address_that_is_none_fails_at_once(download: Download, address: str) -> None:
    code, error = download(address)
    assert code == 1
    assert error.endswith(": the address is not valid. Fix: correct the pin and deploy again.\n")


def test_invalid_certificate_fails_at_once(
    download: Download, server: Server, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    unsigned = x509.CertificateBuilder(
        name, name, key.public_key(), 7, now, now + timedelta(days=1)
    )
    pem = tmp_path / "cert.pem"
    pem.write_bytes(
        unsigned.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    code, error = download(server.address.replace("http:", "https:"))
    assert code == 1
    assert "the server's certificate is not valid (self-signed certificate). Fix: check" in error
    assert server.ranges == []


def test_download_ends_after_an_hour_without_progress(
    download: Download, server: Server, script: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pause passes at once; the clock moves by it."""
    growing, now, pauses = [2, 5, 15, 30, 60, 120, 300], [0.0], list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(script, "PAUSES", tuple(growing))
    monkeypatch.setattr(script, "LIMIT_SECONDS", 3600)
    clock = SimpleNamespace(sleep=sleep, monotonic=lambda: now[0], time=time.time)
    monkeypatch.setattr(script, "time", clock)
    write_part(file, CONTENT[:600_000])
    server.statuses = [503] * 100
    code, error = download()
    assert code == 1
    assert pauses[:8] == [*growing, 300]
    assert 3300 < sum(pauses) <= 3600
    assert "no data arrived for 60 minutes (the server answered 503 Service Unavailable)" in error
    assert error.endswith("The download continues after 0.6 MB.\n")
    assert part_of(file).stat().st_size == 600_000


def test_progress_begins_the_hour_and_the_pauses_anew(
    download: Download, server: Server, script: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, pauses = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(script, "PAUSES", (1000, 2000))
    monkeypatch.setattr(script, "LIMIT_SECONDS", 3600)
    clock = SimpleNamespace(sleep=sleep, monotonic=lambda: now[0], time=time.time)
    monkeypatch.setattr(script, "time", clock)
    server.cut = 150_000
    assert download() == (0, "")
    assert pauses == [1000] * 6


def test_disk_without_room_is_reported_before_the_download(
    download: Download, server: Server, script: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 100_500_000})
    monkeypatch.setattr(script.shutil, "disk_usage", lambda _: usage)
    write_part(file, CONTENT[:400_000])
    code, error = download()
    assert code == 1
    assert (
        f"{file.parent.parent} needs 100.6 MB, but only 100.5 MB are free. Fix: free some" in error
    )
    assert part_of(file).stat().st_size == 400_000


def test_disk_that_becomes_full_keeps_no_part(
    download: Download, server: Server, script: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/full refuses each write as a full disk does."""
    opened = Path.open

    def open_full(path: Path, mode: str = "r", **more: Any) -> Any:
        return opened(Path("/dev/full") if mode == "ab" else path, mode, **more)

    write_part(file, CONTENT[:10])
    monkeypatch.setattr(script.Path, "open", open_full)
    code, error = download()
    assert code == 1
    assert "no space left on device" in error
    assert list(file.parent.iterdir()) == []


def test_disk_that_cannot_be_written_is_reported(download: Download, file: Path) -> None:
    file.parent.parent.write_text("")
    code, error = download()
    assert (code, os.strerror(errno.ENOTDIR) in error) == (1, True)


def test_progress_goes_to_the_journal_of_the_run(
    download: Download, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tool"))
    monkeypatch.setenv("CHAUTARI_EVENTS", str(tmp_path / "events.jsonl"))
    server.cut = 600_000
    assert download() == (0, "")
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "event": "download_progress",
            "title": "Nextcloud",
            "bytes": 600_000,
            "total": 1_000_000,
            "pause": 0,
            "error": "the connection ended early",
        }
    ]


def test_archives_that_no_deploy_used_are_deleted(download: Download, file: Path) -> None:
    cache = file.parent.parent
    for name, days in (("a" * 64, 31), ("b" * 64, 29), ("notes", 31)):
        (cache / name).mkdir(parents=True)
        (cache / name / "archive.zip.part").write_bytes(b"x")
        for path in (cache / name / "archive.zip.part", cache / name):
            os.utime(path, (time.time() - days * 86400,) * 2)
    assert download() == (0, "")
    assert sorted(path.name for path in cache.iterdir()) == sorted(["b" * 64, "notes", SHA256])
