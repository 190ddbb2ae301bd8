"""How a restore reads the stream of an archive, and gives dumps to the programs that load them."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chautari.node.backup.manifest import FolderSpec, StateSpec
from chautari.node.restore import databases, extraction, repository, tar_stream
from chautari.node.restore.archive_file_index import FileIndex
from chautari.node.restore.errors import RestoreError
from chautari.node.restore.places import places_in_folder
from chautari.node.restore.request import Target, access_in
from chautari.node.restore.tar_stream import TarStream

SIZES = {"srv/a": 0, "srv/long/" + "n" * 150: 513, "srv/b": 3_000_001, "dump": 2_500_000}


@pytest.fixture(params=[tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def packed(request: pytest.FixtureRequest) -> bytes:
    """Return an archive with one file of each of `SIZES`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=request.param) as tar:
        for name, size in SIZES.items():
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.gid = size, os.getuid(), os.getgid()
            tar.addfile(member, io.BytesIO(content(name)))
    return buffer.getvalue()


def content(name: str) -> bytes:
    return (name.encode() * (SIZES[name] // len(name) + 1))[: SIZES[name]]


def test_stream_yields_every_byte_of_a_pipe(packed: bytes) -> None:
    reading, writing = os.pipe()
    sink = os.fdopen(writing, "wb")
    threading.Thread(target=lambda: (sink.write(packed), sink.close()), daemon=True).start()
    with os.fdopen(reading, "rb") as pipe:
        stream = TarStream(pipe)
        found = {
            member.name: b"".join(map(bytes, stream.blocks_in_reused_buffer(member.size)))
            for member in stream.members()
        }
    assert found == {name: content(name) for name in SIZES}


def test_stream_skips_what_is_not_read(packed: bytes) -> None:
    stream = TarStream(io.BytesIO(packed))
    for member in stream.members():
        next(stream.blocks_in_reused_buffer(member.size), None)  # a part of it
    assert stream.tell() >= sum(SIZES.values())
    assert [member.name for member in TarStream(io.BytesIO(packed)).members()] == list(SIZES)


@pytest.mark.parametrize("missing", [tarfile.RECORDSIZE, 1_000_000, 2_800_000])
def test_stream_that_ends_early_is_refused(packed: bytes, missing: int, tmp_path: Path) -> None:
    folder = StateSpec("x", folders=(FolderSpec("/srv"),))
    index, read = FileIndex(tmp_path / "index"), []
    for name in SIZES:
        index.expect_file(f"/{name}", -1)
    job = extraction.Extraction(
        places_in_folder((folder,), tmp_path / "copy"),
        {"/dump": lambda blocks: read.append(b"".join(map(bytes, blocks)))},
        index,
        lambda count: None,
        known_owners=False,
        compare_hashes=False,
    )
    with pytest.raises(RestoreError) as caught:
        job.extract(io.BytesIO(packed.rstrip(b"\0")[:-missing]))
    assert "damaged stream: unexpected end" in caught.value.data["message"]
    assert read == []


def blocks_of(data: bytes) -> Iterator[memoryview]:
    return TarStream(io.BytesIO(data)).blocks_in_reused_buffer(len(data))


def test_dump_is_given_to_a_program_whole(tmp_path: Path) -> None:
    dump = os.urandom(3 * tar_stream.BLOCK + 7)
    program = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
    target = tmp_path / "loaded"
    databases._feed_dump([sys.executable, "-c", program, str(target)], blocks_of(dump), "cloud")
    assert target.read_bytes() == dump


@pytest.mark.parametrize("reads", ["sys.stdin.buffer.read()", "sys.stdin.buffer.read(10)"])
def test_program_that_cannot_load_a_dump_tells_why(reads: str) -> None:
    program = f"import sys; {reads}; sys.exit('relation exists')"
    with pytest.raises(RestoreError) as caught:
        databases._feed_dump([sys.executable, "-c", program], blocks_of(bytes(5 << 20)), "cloud")
    assert caught.value.code == "dump_failed"
    assert caught.value.data == {"database": "cloud", "message": "relation exists"}


def test_dump_that_breaks_off_ends_the_program_that_loads_it() -> None:
    def broken() -> Iterator[memoryview]:
        yield memoryview(b"SELECT 1;")
        raise tarfile.ReadError("unexpected end of data")

    with pytest.raises(tarfile.ReadError):
        databases._feed_dump(
            [sys.executable, "-c", "import time; time.sleep(60)"], broken(), "cloud"
        )


def test_list_of_an_archive_has_names_that_are_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a", "caf\udce9", "caf\udce8", "x\\x00\\y", "new\nline", "\u65e5\u672c", "b" * 70_000]
    program = f"""#!{sys.executable}
import sys
out = open(1, "w", encoding=sys.stdout.encoding, errors="replace")  # as borg does
for name in {names!a}:
    out.write(f"- -rw-r--r-- 5 {{name}}\\0")
out.write("d hrwxr-xr-x 0 last\\0")
"""
    (tmp_path / "borg").write_text(program)
    (tmp_path / "borg").chmod(0o755)
    monkeypatch.setattr(repository, "BORG", str(tmp_path / "borg"))
    target = Target("disk", "disk", str(tmp_path / "repository"))
    found = repository.Repository(target, access_in(tmp_path), tmp_path)
    items = list(found.items("x", ["/srv"]))
    assert items[:-1] == [repository.ArchiveItem(name, "-", 5) for name in names]
    assert items[-1] == repository.ArchiveItem("last", "d", -1)
