"""Unpacking a bundle on the node."""

import os
import tarfile
from pathlib import Path

import pytest
from run_samples import RUN, packed_bundle

from chautari.node.bundle import unpack_bundle


def test_unpack_writes_files_only_for_root(tmp_path: Path) -> None:
    folder = tmp_path / "memory" / RUN
    before = os.umask(0o077)
    try:
        unpack_bundle(packed_bundle(("a", tarfile.REGTYPE), ("b/c", tarfile.REGTYPE)), folder)
    finally:
        os.umask(before)
    assert (folder / "b" / "c").read_bytes() == b"content"
    modes = [oct(path.stat().st_mode & 0o777) for path in (folder, folder / "b", folder / "a")]
    assert modes == ["0o700", "0o700", "0o600"]


def test_unpack_empties_the_folder_first(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "leftover").touch()
    unpack_bundle(packed_bundle(("a", tarfile.REGTYPE)), tmp_path / "x")
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("a/../../outside", tarfile.REGTYPE),
        ("/tmp/chautari-outside", tarfile.REGTYPE),
        (".", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("hard", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE),
        ("block", tarfile.BLKTYPE),
        ("pipe", tarfile.FIFOTYPE),
        ("folder", tarfile.DIRTYPE),
    ],
)
def test_unpack_refuses_all_but_plain_files_inside(name: str, kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not belong in a bundle"):
        unpack_bundle(packed_bundle((name, kind)), tmp_path / "in" / "x")
    assert not (tmp_path / "in" / "outside").exists()
    assert not Path("/tmp/chautari-outside").exists()
    assert list((tmp_path / "in" / "x").iterdir()) == []
