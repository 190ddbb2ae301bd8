"""Pins: honest releases are pinned, tampered ones refused with nothing unpacked or written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_archives import VERSION_FILE, hostile_archives, release, tar_gz, zip_file
from pinning_samples import (
    APP,
    POLLS,
    SERVER,
    VERSION,
    Answer,
    Upstream,
    app_archive,
    app_signature,
    certificate,
    pem,
    pgp_key,
    polls_archive,
    revocations,
    server_archive,
)
from region_samples import load_sample_region

from chautari.deploy.pinning import download, release_verification
from chautari.deploy.pinning.archive_content import check_archive
from chautari.deploy.pinning.refusal import PinRefused
from chautari.deploy.pinning.release_verification import (
    LockRequest,
    LockResult,
    fetch_and_check_releases,
)
from chautari.services.artifact_sources import ArtifactSource, MissingPin

Tamper = Callable[[Upstream], None]


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(download, "PAUSES", (0,) * 6)
    folder = tmp_path / "upstream"
    folder.mkdir()
    found = Upstream(folder)
    monkeypatch.setattr(release_verification, "archive_sources_by_name", found.sources)
    yield found
    found.close()


def check(upstream: Upstream, tmp_path: Path, *names: str, **changed: Any) -> LockResult:
    """Check releases as `deploy lock` does; one that nothing vouches for is not wanted."""
    options = {"consent": lambda _: False, "ca_file": upstream.ca_file} | changed
    return fetch_and_check_releases(
        LockRequest(
            load_sample_region(tmp_path / "inventories"),
            progress=lambda *_: None,
            wanted=tuple(MissingPin(name, VERSION) for name in names),
            **options,
        )
    )


def codes(result: LockResult) -> list[str]:
    return [item.refusal.code for item in result.refused]


def mirror(tmp_path: Path, name: str, content: bytes) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir(exist_ok=True)
    (folder / name.rpartition("/")[2]).write_bytes(content)
    return folder


def test_honest_releases_are_pinned(upstream: Upstream, tmp_path: Path) -> None:
    folder = mirror(tmp_path, POLLS, polls_archive())
    result = check(upstream, tmp_path, "server", "app", "polls", mirrors=(folder,))
    assert codes(result) == []
    server, app, polls = result.pins
    assert (server.place, server.version) == (upstream.url + SERVER, VERSION)
    assert server.sha256 == hashlib.sha256(server_archive()).hexdigest()
    assert server.size == len(server_archive())
    assert server.signer == f"Upstream, OpenPGP {pgp_key('upstream').fingerprint}"
    assert (app.place, app.signer) == (upstream.url + APP, "app, the store")
    assert polls.signer == "" and len(polls.ways) == 2
    assert not list((tmp_path / "state").rglob("*.part"))


def test_newest_release_of_an_app_comes_from_the_catalogue(
    upstream: Upstream, tmp_path: Path
) -> None:
    request = LockRequest(
        load_sample_region(tmp_path), lambda _: False, lambda *_: None,
        (MissingPin("app", ""),), ca_file=upstream.ca_file,
    )  # fmt: skip
    assert [pin.version for pin in fetch_and_check_releases(request).pins] == [VERSION]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def replace(path: str, change: Callable[[bytes], bytes], **changed: Any) -> Tamper:
    def tamper(upstream: Upstream) -> None:
        upstream.answers[path] = Answer(change(upstream.answers[path].content), **changed)

    return tamper


def other_key(upstream: Upstream) -> None:
    upstream.publish_server(server_archive(), pgp_key("mallory"))


def other_key_file(upstream: Upstream) -> None:
    other_key(upstream)
    upstream.put("/key.asc", pgp_key("mallory").certificate().encode())


def changed_checksums(upstream: Upstream) -> None:
    signature = upstream.answers[f"{SERVER}.asc"]
    upstream.publish_server(flip(server_archive()))
    upstream.answers[f"{SERVER}.asc"] = signature


def remove(path: str) -> Tamper:
    return lambda upstream: upstream.put(path, b"", status=404)


def signed_by(name: str, issuer: str, signer: str, key: str = "app") -> Tamper:
    def tamper(upstream: Upstream) -> None:
        upstream.publish_app(
            app_archive(), certificate=certificate(name, key, issuer, signer),
            signature=app_signature(app_archive(), key),
        )  # fmt: skip

    return tamper


def own_authority(upstream: Upstream) -> None:
    forged = certificate("Authority", "mallory", "Authority", "mallory", 1)
    upstream.put("/root.crt", pem(forged))
    signed_by("app", "Authority", "mallory")(upstream)


def url_elsewhere(upstream: Upstream) -> None:
    upstream.publish_app(app_archive(), url="https://mallory.example.org/app-3.0.1.tar.gz")


HTML = b"<!doctype html><title>Log in to the network</title>"
OCTETS = {"Content-Type": "application/octet-stream"}
PAGE = {"Content-Type": "text/html; charset=utf-8"}
ELSEWHERE = {"Location": "https://mallory.example.org/x.zip"}
PLAIN_HTTP = {"Location": "http://localhost/x.zip"}
TAMPERED: dict[str, tuple[str, Tamper, str]] = {
    "server with a flipped byte": ("server", replace(SERVER, flip), "checksum_differs"),
    "server and checksums changed": ("server", changed_checksums, "signature_invalid"),
    "server of another signer": ("server", other_key, "other_signer"),
    "server and key of another signer": ("server", other_key_file, "other_signer"),
    "server truncated": ("server", replace(SERVER, lambda c: c[:-9]), "checksum_differs"),
    "server longer": ("server", replace(SERVER, lambda c: c + b"x"), "checksum_differs"),
    "server without a checksum": ("server", remove(f"{SERVER}.sha512"), "not_found"),
    "server without a signature": ("server", remove(f"{SERVER}.asc"), "not_found"),
    "server with another version inside": (
        "server", lambda u: u.publish_server(server_archive("2.9.9")), "other_version",
    ),
    "server that redirects elsewhere": (
        "server", replace(SERVER, lambda c: b"", status=302, headers=ELSEWHERE), "redirected",
    ),
    "signature that is a page": ("server", replace(f"{SERVER}.asc", lambda _: HTML),
                                 "signature_unreadable"),
    "checksum of another file": (
        "server", replace(f"{SERVER}.sha256", lambda c: c.replace(b"server", b"other")),
        "checksum_unreadable",
    ),
    "app with a flipped byte": ("app", replace(APP, flip), "signature_invalid"),
    "app with the certificate of another": (
        "app", signed_by("other", "Authority", "authority"), "certificate_of_other",
    ),
    "app of another authority": (
        "app", signed_by("app", "Authority", "mallory"), "certificate_untrusted",
    ),
    "app with an authority of its own": ("app", own_authority, "authority_unknown"),
    "app with a revoked certificate": (
        "app", lambda u: u.put("/root.crl", revocations(7)), "certificate_revoked",
    ),
    "revocations that another signed": (
        "app", lambda u: u.put("/root.crl", revocations(signer="mallory")), "authority_unknown",
    ),
    "app published elsewhere": ("app", url_elsewhere, "published_elsewhere"),
    "older app under a new version": (
        "app", lambda u: u.publish_app(app_archive("2.0.0")), "other_version",
    ),
    "app of another name": (
        "app", lambda u: u.publish_app(app_archive(name="other")), "version_missing",
    ),
    "catalogue that is a page": ("app", replace("/apps-35.json", lambda _: HTML),
                                 "catalogue_unreadable"),
    "page in place of an archive": (
        "polls", replace(POLLS, lambda _: HTML, headers=OCTETS), "not_this_archive",
    ),
    "login page of a network": ("polls", replace(POLLS, lambda _: HTML, headers=PAGE), "web_page"),
    "polls truncated": ("polls", replace(POLLS, lambda c: c[:-9]), "archive_damaged"),
    "polls longer": ("polls", replace(POLLS, lambda c: c + b"PK"), "archive_damaged"),
    "polls with a flipped byte": ("polls", replace(POLLS, flip), "archive_damaged"),
    "polls with another version inside": (
        "polls", lambda u: u.put(POLLS, polls_archive("3.0.0")), "other_version",
    ),
    "polls that climb out": (
        "polls", lambda u: u.put(POLLS, polls_archive(path="../../etc/cron.d/x")), "unsafe_path",
    ),
    "polls too large": (
        "polls", replace(POLLS, lambda c: c + bytes(100_000)), "too_large",
    ),
    "polls over plain HTTP": (
        "polls", replace(POLLS, lambda c: b"", status=301, headers=PLAIN_HTTP), "redirected",
    ),
    "polls compressed": (
        "polls", replace(POLLS, lambda c: c, headers={"Content-Encoding": "gzip"}), "compressed",
    ),
    "polls on one way only": ("polls", lambda _: None, "one_way"),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERED)
def test_tampered_release_is_refused(upstream: Upstream, tmp_path: Path, case: str) -> None:
    name, tamper, code = TAMPERED[case]
    tamper(upstream)
    result = check(upstream, tmp_path, name)
    assert (codes(result), result.pins) == ([code], [])
    text = str(result.refused[0].refusal)
    assert "Fix: " in text and "{" not in text and "?" not in text.partition("https")[0]
    left = [file.name for file in (tmp_path / "state").rglob("*") if file.is_file()]
    assert left == [] and not list(tmp_path.rglob("version.php"))


def test_control_side_refuses_what_a_node_does_not_unpack(tmp_path: Path) -> None:
    """Both use the same rules, and read archives with code of their own."""
    source = ArtifactSource("app", "", VERSION_FILE, r"VERSION = '([^']+)'")
    honest = {"tar.gz": tar_gz(release()), "zip": zip_file(release())}
    for ending, content in honest.items():
        file = tmp_path / f"honest.{ending}"
        file.write_bytes(content)
        check_archive(file, file.name, source, VERSION)
    for case, (ending, content) in hostile_archives().items():
        file = tmp_path / f"hostile.{ending}"
        file.write_bytes(content)
        with pytest.raises(PinRefused) as refused:
            check_archive(file, file.name, source, VERSION)
        codes = ("unsafe_path", "unsafe_entry", "no_single_folder")
        assert refused.value.code in codes, case
        assert "\x1b" not in str(refused.value) and "Fix: " in str(refused.value)


def test_ways_that_differ_are_refused_even_with_consent(upstream: Upstream, tmp_path: Path) -> None:
    folder = mirror(tmp_path, POLLS, polls_archive(path="polls/other"))
    result = check(upstream, tmp_path, "polls", mirrors=(folder,), consent=lambda _: True)
    assert codes(result) == ["ways_differ"]


def test_one_way_needs_consent(upstream: Upstream, tmp_path: Path) -> None:
    result = check(upstream, tmp_path, "polls", consent=lambda _: True)
    assert [pin.ways for pin in result.pins] == [("this machine's connection",)]


def test_mirror_needs_no_second_way_where_upstream_signs(
    upstream: Upstream, tmp_path: Path
) -> None:
    folder = mirror(tmp_path, SERVER, server_archive())
    assert codes(check(upstream, tmp_path, "server", mirrors=(folder,))) == []
    assert SERVER not in [path for path, _ in upstream.requests]
    mirror(tmp_path, SERVER, flip(server_archive()))
    assert codes(check(upstream, tmp_path, "server", mirrors=(folder,))) == ["checksum_differs"]


def test_file_that_changes_while_it_is_checked_is_refused(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mirror(tmp_path, POLLS, polls_archive())
    checked = release_verification.check_archive

    def check_and_change(*arguments: Any) -> None:
        checked(*arguments)
        mirror(tmp_path, POLLS, polls_archive(path="polls/other"))

    monkeypatch.setattr(release_verification, "check_archive", check_and_change)
    result = check(upstream, tmp_path, "polls", mirrors=(folder,), consent=lambda _: True)
    assert codes(result) == ["file_changed"]


def test_download_continues_where_it_stopped(upstream: Upstream, tmp_path: Path) -> None:
    upstream.answers[SERVER].cuts = [100, 50, 0, 30]
    assert codes(check(upstream, tmp_path, "server")) == []
    ranges = [wanted for path, wanted in upstream.requests if path == SERVER]
    assert ranges == ["", "bytes=100-", "bytes=150-", "bytes=150-", "bytes=180-"]


def test_next_command_continues_a_download(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "NO_PROGRESS_SECONDS", -1)
    upstream.answers[SERVER].cuts = [100]
    assert codes(check(upstream, tmp_path, "server")) == ["no_progress"]
    assert [file.stat().st_size for file in (tmp_path / "state").rglob("*.part")] == [100]
    assert codes(check(upstream, tmp_path, "server")) == []
    assert (SERVER, "bytes=100-") in upstream.requests


def test_parts_of_different_files_are_fetched_again(upstream: Upstream, tmp_path: Path) -> None:
    """The server says that the file is the same, but it is not: only the whole one decides."""
    upstream.answers[SERVER].cuts = [100]
    good = upstream.answers[SERVER]
    requests = upstream.requests

    class Changing(Answer):
        @property
        def content(self) -> bytes:  # type: ignore[override]
            return b"x" * len(server_archive()) if len(requests) < 2 else server_archive()

        @content.setter
        def content(self, _: bytes) -> None:
            """Keep nothing."""

    upstream.answers[SERVER] = Changing(b"", cuts=good.cuts)
    requests.clear()
    assert codes(check(upstream, tmp_path, "server")) == []


def test_no_network_is_a_plain_sentence(upstream: Upstream, tmp_path: Path) -> None:
    upstream.close()
    [refused] = check(upstream, tmp_path, "server").refused
    assert refused.refusal.code == "no_network"
    assert "could not be reached (Connection refused)" in refused.refusal.message
    assert "internet connection" in refused.refusal.fix


def test_missing_gpgv_is_named_with_its_package(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [refused] = check(upstream, tmp_path, "server").refused
    assert refused.refusal.code == "gpgv_missing"
    assert "apt-get install -y gpgv" in refused.refusal.fix


def test_unknown_certificate_is_refused(upstream: Upstream, tmp_path: Path) -> None:
    [refused] = check(upstream, tmp_path, "server", ca_file=None).refused
    assert refused.refusal.code == "certificate_invalid"


def test_one_refusal_keeps_the_others(upstream: Upstream, tmp_path: Path) -> None:
    replace(APP, flip)(upstream)
    result = check(upstream, tmp_path, "app", "server")
    assert codes(result) == ["signature_invalid"]
    assert [pin.name for pin in result.pins] == ["server"]
