"""The package repositories of the sandbox: when they hold doubles, their content, signature."""

import hashlib
import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from chautari_sandbox import debian_packages, openpgp, paths, repository_doubles
from chautari_sandbox.doubles import jitsi_packages
from chautari_sandbox.spec import RequiredRepository

WANTED = RequiredRepository("jitsi", "2.0.11248", "https://download.example.org/key")
PARTS = jitsi_packages.build_package_doubles("2.0.11248")
NAMES = [package.control["Package"] for package in PARTS]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> openpgp.SigningKey:
    return openpgp.ensure_signing_key(
        tmp_path_factory.mktemp("key") / "key.pem", "Test", debian_packages.TIME
    )


def refuse(url: str) -> None:
    raise OSError("no route")


def test_doubles_are_used_only_when_upstream_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository_doubles, "_require_reachable", lambda url: None)
    shelf = tmp_path / "shelf"
    assert (
        repository_doubles.publish_doubles_of_unserved_repositories(
            [WANTED], tmp_path, shelf, "http://mirror/"
        )
        == ()
    )
    assert not shelf.exists()


def test_double_has_a_reason_and_is_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository_doubles, "_require_reachable", refuse)
    [found] = repository_doubles.publish_doubles_of_unserved_repositories(
        [WANTED], tmp_path, tmp_path / "shelf", "http://mirror/"
    )
    assert (found.uri, found.version) == ("http://mirror/jitsi", "2.0.11248")
    assert "no route" in found.reason
    assert (tmp_path / "shelf/jitsi/archive-key.asc").is_file()
    monkeypatch.setattr(
        repository_doubles, "_require_reachable", lambda url: pytest.fail("asked again")
    )
    assert repository_doubles.publish_doubles_of_unserved_repositories(
        [WANTED], tmp_path, tmp_path / "shelf", "http://mirror/"
    ) == (found,)


def test_release_names_its_parts_exactly() -> None:
    meta = PARTS[-1].control
    assert (meta["Package"], meta["Version"]) == ("jitsi-meet", "2.0.11248-1")
    exact = dict(re.findall(r"(\S+) \(= ([^)]+)\)", meta["Depends"]))
    assert exact == {part.control["Package"]: part.control["Version"] for part in PARTS[:-1]}


@pytest.mark.parametrize("package", PARTS, ids=NAMES)
def test_every_package_is_named_a_double_and_says_so(
    package: debian_packages.DebianPackage,
) -> None:
    assert "Double" in package.control["Description"]
    assert package.control["Package"] == "jitsi-meet" or "double" in package.control["Version"]


@pytest.mark.parametrize("package", PARTS, ids=NAMES)
def test_scripts_of_a_package_are_valid_shell(
    package: debian_packages.DebianPackage, tmp_path: Path
) -> None:
    for name, content in package.scripts.items():
        if content.startswith(b"#!"):
            (tmp_path / name).write_bytes(content)
            shell = "bash" if b"bash" in content.splitlines()[0] else "sh"
            done = subprocess.run([shell, "-n", tmp_path / name], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def test_package_is_readable_by_dpkg() -> None:
    data = PARTS[0].pack()
    assert data == PARTS[0].pack(), "two builds differ"
    assert data.startswith(b"!<arch>\ndebian-binary")
    start = data.index(b"control.tar.gz") + 60
    with tarfile.open(fileobj=io.BytesIO(data[start:]), mode="r|gz") as control:
        names = [member.name for member in control]
    assert {"./control", "./postinst", "./templates"} <= set(names)


def test_index_has_the_digest_of_every_package(key: openpgp.SigningKey) -> None:
    files = debian_packages.repository_files(PARTS, "stable", key, 1_790_000_000)
    index = files["stable/Packages"].decode()
    for path, digest in re.findall(r"Filename: (\S+)\nSize: \d+\nSHA256: (\S+)", index):
        assert hashlib.sha256(files[path]).hexdigest() == digest
    release = files["stable/InRelease"].decode()
    assert hashlib.sha256(files["stable/Packages"]).hexdigest() in release


def test_signature_is_accepted_by_gpgv(key: openpgp.SigningKey, tmp_path: Path) -> None:
    (tmp_path / "InRelease").write_bytes(
        debian_packages.repository_files(PARTS, "stable", key, 1_790_000_000)["stable/InRelease"]
    )
    (tmp_path / "key.asc").write_text(key.certificate())
    home = ["--homedir", str(tmp_path)]
    subprocess.run(
        ["gpg", *home, "--output", tmp_path / "key.gpg", "--dearmor", tmp_path / "key.asc"],
        check=True, capture_output=True,
    )  # fmt: skip
    argv = ["gpgv", *home, "--keyring", tmp_path / "key.gpg", tmp_path / "InRelease"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert key.fingerprint in done.stderr


def test_key_stays_the_same(tmp_path: Path) -> None:
    first = openpgp.ensure_signing_key(tmp_path / "key.pem", "Test", debian_packages.TIME)
    again = openpgp.ensure_signing_key(tmp_path / "key.pem", "Test", debian_packages.TIME)
    assert first.fingerprint == again.fingerprint
    assert re.fullmatch(r"[0-9A-F]{40}", first.fingerprint)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_index_gets_a_new_date_only_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        repository_doubles, "upstream_unavailable_reason", lambda item, memory: "no route"
    )
    release = tmp_path / "shelf/jitsi/stable/InRelease"
    texts = []
    for now, version in (
        (1_790_000_000, "2.0.1000"), (1_790_000_060, "2.0.1000"), (1_790_000_120, "2.0.1001"),
    ):  # fmt: skip
        monkeypatch.setattr("chautari_sandbox.repository_doubles.time.time", lambda now=now: now)
        required = RequiredRepository("jitsi", version, WANTED.key_url)
        repository_doubles.publish_doubles_of_unserved_repositories(
            [required], tmp_path, tmp_path / "shelf", "http://mirror/"
        )
        texts.append(release.read_text())
    assert texts[0] == texts[1] != texts[2]
    assert "14:15:20" in texts[2]
