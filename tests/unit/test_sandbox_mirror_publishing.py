"""The sources of upstream's files in the sandbox, in order."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from chautari.errors import BadInput
from chautari_sandbox import download, liveness
from chautari_sandbox.mirror_publishing import ArtifactSources, sync_published_files
from chautari_sandbox.spec import RequiredArtifact, SandboxSpec
from chautari_sandbox.state import MirroredArtifact, UnavailableArtifact


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


PINNED = b"upstream's release"
NEXTCLOUD = RequiredArtifact(
    "nextcloud",
    "35.0.2",
    "nextcloud-35.0.2.tar.bz2",
    "https://download.example.org/nextcloud-35.0.2.tar.bz2",
    digest(PINNED),
)
CALENDAR = RequiredArtifact(
    "calendar",
    "6.1.0",
    "calendar-v6.1.0.tar.gz",
    "https://download.example.org/calendar-v6.1.0.tar.gz",
    digest(b"calendar"),
)


def refuse(required: RequiredArtifact, cache: Path) -> Path:
    raise download.CannotFetch("no route")


def build(version: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"nextcloud-{version}.tar.bz2"
    path.write_bytes(b"a double")
    return path


@pytest.fixture
def sources(tmp_path: Path) -> ArtifactSources:
    return ArtifactSources(
        mirror=None,
        cache=tmp_path / "cache",
        doubles=tmp_path / "doubles",
        mirror_root=tmp_path / "shelf",
        url="http://mirror.example.org/",
        builders={"nextcloud": build},
        fetch=refuse,
    )


@pytest.fixture
def mirrored(sources: ArtifactSources, tmp_path: Path) -> ArtifactSources:
    (tmp_path / "mirror").mkdir()
    return ArtifactSources(**{**vars(sources), "mirror": tmp_path / "mirror"})


def one(
    required: RequiredArtifact, sources: ArtifactSources
) -> MirroredArtifact | UnavailableArtifact:
    artifacts, missing = sync_published_files([required], sources)
    return (*artifacts, *missing)[0]


def test_mirror_comes_first_and_its_file_is_the_pin(mirrored: ArtifactSources) -> None:
    assert mirrored.mirror
    (mirrored.mirror / NEXTCLOUD.file).write_bytes(b"a local build")
    found = one(NEXTCLOUD, mirrored)
    assert isinstance(found, MirroredArtifact)
    assert (found.sha256, found.double) == (digest(b"a local build"), False)
    assert found.url == "http://mirror.example.org/nextcloud-35.0.2.tar.bz2"
    assert (mirrored.mirror_root / NEXTCLOUD.file).read_bytes() == b"a local build"


def test_newest_nextcloud_of_the_mirror_replaces_the_version(mirrored: ArtifactSources) -> None:
    assert mirrored.mirror
    for name in ("nextcloud-34.0.9.tar.bz2", "nextcloud-34.0.10.zip", "nextcloud-talk-99.0.0.zip"):
        (mirrored.mirror / name).write_bytes(name.encode())
    found = one(NEXTCLOUD, mirrored)
    assert (found.version, getattr(found, "file", "")) == ("34.0.10", "nextcloud-34.0.10.zip")


def test_app_of_the_mirror_is_found_by_its_name(mirrored: ArtifactSources) -> None:
    assert mirrored.mirror
    for name in ("calendar-v6.0.2.tar.gz", "calendar-extra-9.0.0.tar.gz", "calendar-5.9.tar.gz"):
        (mirrored.mirror / name).write_bytes(name.encode())
    assert one(CALENDAR, mirrored).version == "6.0.2"


def test_release_that_the_region_changes_to_is_looked_up_in_the_mirror(
    mirrored: ArtifactSources,
) -> None:
    assert mirrored.mirror
    spec = SandboxSpec("proof", "proof.example.org", "192.0.2.0/24", (), (NEXTCLOUD,))
    spec = spec._replace(mirror=mirrored.mirror)
    older = {("nextcloud", "35.0.1")}
    assert liveness.mirror_serves_folder(spec, older)
    (mirrored.mirror / NEXTCLOUD.file).write_bytes(b"a local build")
    assert not liveness.mirror_serves_folder(spec, older)
    assert liveness.mirror_serves_folder(spec, older | {("nextcloud", "35.0.2")})


def test_mirror_that_does_not_exist_is_bad_input(sources: ArtifactSources, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        one(NEXTCLOUD, ArtifactSources(**{**vars(sources), "mirror": tmp_path / "nowhere"}))


def test_cached_file_is_used_without_a_download(sources: ArtifactSources) -> None:
    path = sources.cache / NEXTCLOUD.sha256 / NEXTCLOUD.file
    path.parent.mkdir(parents=True)
    path.write_bytes(PINNED)
    found = one(NEXTCLOUD, sources)
    assert isinstance(found, MirroredArtifact)
    assert (found.sha256, found.double, found.reason) == (NEXTCLOUD.sha256, False, "")


def test_cached_file_that_changed_is_not_used(sources: ArtifactSources) -> None:
    path = sources.cache / NEXTCLOUD.sha256 / NEXTCLOUD.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"changed")
    found = one(NEXTCLOUD, sources)
    assert isinstance(found, MirroredArtifact)
    assert found.double


def test_double_replaces_nextcloud_with_a_reason(sources: ArtifactSources) -> None:
    found = one(NEXTCLOUD, sources)
    assert isinstance(found, MirroredArtifact)
    assert (found.double, found.version, found.reason) == (True, "35.0.2", "no route")
    assert found.sha256 == digest(b"a double")


def test_app_without_a_source_is_missing(sources: ArtifactSources) -> None:
    assert one(CALENDAR, sources) == UnavailableArtifact("calendar", "6.1.0", "no route")


def test_mirror_deletes_files_that_are_not_served(sources: ArtifactSources) -> None:
    sources.mirror_root.mkdir()
    (sources.mirror_root / "nextcloud-33.0.0.tar.bz2").write_bytes(b"old")
    one(NEXTCLOUD, sources)
    assert [path.name for path in sources.mirror_root.iterdir()] == [NEXTCLOUD.file]


def test_download_with_another_sum_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_require_reachable", lambda url: None)
    monkeypatch.setattr(
        download, "_stream_to_file", lambda url, target: target.write_bytes(b"evil")
    )
    with pytest.raises(download.CannotFetch, match=f"but {NEXTCLOUD.sha256} is pinned"):
        download.fetch_into_cache(NEXTCLOUD, tmp_path)
    assert not list((tmp_path / NEXTCLOUD.sha256).iterdir())


def test_refusal_is_remembered_for_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def knock(url: str) -> None:
        calls.append(url)
        raise OSError("no route to host")

    monkeypatch.setattr(download, "_require_reachable", knock)
    for _ in range(2):
        with pytest.raises(download.CannotFetch, match="no route to host"):
            download.fetch_into_cache(NEXTCLOUD, tmp_path)
    assert len(calls) == 1
    memory = next(tmp_path.glob("*.refused"))
    old = time.time() - download.REMEMBERED_SECONDS - 1
    os.utime(memory, (old, old))
    with pytest.raises(download.CannotFetch):
        download.fetch_into_cache(NEXTCLOUD, tmp_path)
    assert len(calls) == 2


def test_good_download_stays_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_require_reachable", lambda url: None)
    monkeypatch.setattr(download, "_stream_to_file", lambda url, target: target.write_bytes(PINNED))
    assert download.fetch_into_cache(NEXTCLOUD, tmp_path).read_bytes() == PINNED
    assert download.find_cached_file(NEXTCLOUD, tmp_path) is not None


def test_file_addresses_are_refused(tmp_path: Path) -> None:
    local = RequiredArtifact("nextcloud", "1", "f", "file:///etc/passwd", "0" * 64)
    with pytest.raises(download.CannotFetch, match="not a web address"):
        download.fetch_into_cache(local, tmp_path)


def test_app_without_a_version_in_its_name_comes_last(mirrored: ArtifactSources) -> None:
    assert mirrored.mirror
    (mirrored.mirror / "calendar.tar.gz").write_bytes(b"no version")
    assert one(CALENDAR, mirrored).version == "0"
    (mirrored.mirror / "calendar-v6.0.2.tar.gz").write_bytes(b"with one")
    assert one(CALENDAR, mirrored).version == "6.0.2"


UNPINNED = RequiredArtifact(
    "framadate", "1.1.19", "framadate-1.1.19.zip", "https://example.org/framadate-1.1.19.zip", ""
)


def test_file_without_a_checksum_is_never_fetched(sources: ArtifactSources) -> None:
    def fetch(required: RequiredArtifact, cache: Path) -> Path:
        raise AssertionError("fetched")

    found = one(UNPINNED, ArtifactSources(**{**vars(sources), "fetch": fetch}))
    assert isinstance(found, UnavailableArtifact)
    assert "pin one in artifacts.lock" in found.reason
    found = one(UNPINNED, ArtifactSources(**{**vars(sources), "builders": {"framadate": build}}))
    assert isinstance(found, MirroredArtifact) and found.double


def test_release_of_framadate_is_taken_from_the_mirror(mirrored: ArtifactSources) -> None:
    assert mirrored.mirror
    for name in ("framadate-1.1.20.tar.gz", "framadate-1.1.9.zip", "framadate-theme-9.0.0.zip"):
        (mirrored.mirror / name).write_bytes(name.encode())
    found = one(UNPINNED, mirrored)
    assert (found.version, getattr(found, "double", None)) == ("1.1.20", False)


def test_older_release_is_published_only_in_its_version(mirrored: ArtifactSources) -> None:
    """An upgrade passes through it, so that another version cannot take its place."""
    assert mirrored.mirror is not None
    (mirrored.mirror / "nextcloud-35.0.2.tar.bz2").write_bytes(PINNED)
    older = NEXTCLOUD._replace(
        version="34.0.1", file="nextcloud-34.0.1.tar.bz2", sha256="", older=True
    )
    found, missing = sync_published_files((NEXTCLOUD, older), mirrored)
    assert [(item.version, item.older) for item in found] == [("35.0.2", False)]
    assert missing == ()
    (mirrored.mirror / older.file).write_bytes(b"older")
    found, _ = sync_published_files((NEXTCLOUD, older), mirrored)
    assert [(item.version, item.older) for item in found] == [("35.0.2", False), ("34.0.1", True)]
