"""The archives of the doubles: reproducible, with the layout of a release."""

import hashlib
import json
import re
import tarfile
from pathlib import Path

import pytest

from chautari.services.nextcloud.languages import translations_of_version
from chautari.services.polls.poll_apps import APPS
from chautari_sandbox.doubles.framadate_release import SOURCES, build_framadate
from chautari_sandbox.doubles.release_archive import build_nextcloud


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_nextcloud("34.0.4", tmp_path_factory.mktemp("double"))


def read(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"nextcloud/{name}")
        assert member is not None
        return member.read()


def test_build_is_reproducible(archive: Path, tmp_path: Path) -> None:
    assert build_nextcloud("34.0.4", tmp_path).read_bytes() == archive.read_bytes()


def test_archive_is_named_as_upstream_names_it(archive: Path) -> None:
    assert archive.name == "nextcloud-34.0.4.tar.bz2"


def test_archive_has_one_top_folder_owned_by_root(archive: Path) -> None:
    with tarfile.open(archive, "r:bz2") as tar:
        members = tar.getmembers()
    assert {member.name.split("/")[0] for member in members} == {"nextcloud"}
    assert {(member.uid, member.gid, member.uname) for member in members} == {(0, 0, "root")}
    assert {member.mode for member in members if member.isdir()} == {0o755}


def test_archive_has_what_a_release_has(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
    expected = "occ console.php cron.php index.php status.php remote.php ocs/v2.php lib/base.php"
    folders = "3rdparty apps config core themes"
    assert {f"nextcloud/{name}" for name in f"{expected} {folders}".split()} <= names
    assert "nextcloud/config/CAN_INSTALL" in names


def test_only_occ_is_executable(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        files = [member for member in tar.getmembers() if member.isfile()]
    assert [member.name for member in files if member.mode & 0o111] == ["nextcloud/occ"]


def test_version_php_names_version_and_double(archive: Path) -> None:
    text = read(archive, "version.php").decode()
    assert "$OC_Version = array(34,0,4,1);" in text
    assert "$OC_VersionString = '34.0.4';" in text
    assert "$OC_Edition = 'double';" in text
    assert "'33.0' => true," in text


def test_signature_sums_match_the_files(archive: Path) -> None:
    sums = json.loads(read(archive, "core/signature.json"))["hashes"]
    assert sums["version.php"] == hashlib.sha512(read(archive, "version.php")).hexdigest()
    assert not [name for name in sums if name.startswith(("config/", "apps/", "themes/"))]


def test_apps_fit_the_release(archive: Path) -> None:
    info = read(archive, "apps/files/appinfo/info.xml").decode()
    assert '<nextcloud min-version="34" max-version="34"/>' in info
    assert "<default_enable/>" in info
    assert "<default_enable/>" not in read(archive, "apps/user_ldap/appinfo/info.xml").decode()


@pytest.mark.parametrize("version", ["34", "34.0", "34.0.4-rc1", "../34.0.4", ""])
def test_build_refuses_an_invalid_version(version: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a Nextcloud version"):
        build_nextcloud(version, tmp_path)


@pytest.fixture(scope="module")
def polls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_framadate("1.1.19", tmp_path_factory.mktemp("polls"))


def test_framadate_double_is_reproducible(polls: Path, tmp_path: Path) -> None:
    assert build_framadate("1.1.19", tmp_path).read_bytes() == polls.read_bytes()
    assert polls.name == "framadate-1.1.19.tar.gz"


def test_framadate_double_has_the_files_that_the_role_reads(polls: Path) -> None:
    with tarfile.open(polls) as tar:
        names = set(tar.getnames())
        member = tar.extractfile("framadate/app/inc/constants.php")
        assert member is not None
        constants = member.read().decode()
    expected = (
        "admin/migration.php vendor/autoload.php exportcsv.php action/add_comment.php studs.php"
    )
    assert {f"framadate/{name}" for name in expected.split()} <= names
    assert "const VERSION = '1.1.19';" in constants
    assert not [name for name in names if name.endswith(("config.php", ".pyc"))]


def test_doubles_offer_no_language_that_upstream_lacks(archive: Path, polls: Path) -> None:
    upstream = translations_of_version("34.0.4")
    with tarfile.open(archive) as tar:
        files = [name for name in tar.getnames() if name.startswith("nextcloud/core/l10n/")]
    assert {Path(name).stem for name in files[1:]} <= {*upstream.complete, *upstream.partial}
    with tarfile.open(polls) as tar:
        member = tar.extractfile("framadate/app/inc/constants.php")
        assert member is not None
        found = re.search(r"LANGUAGES = \[(.*)\]", member.read().decode())
    assert found is not None
    offered = set(re.findall(r"'(\w+)'", found[1]))
    assert offered <= {"en", *APPS["framadate"].translations.complete}


def test_framadate_double_calls_itself_a_double() -> None:
    assert "Double of Framadate" in (SOURCES / "app/inc/pages.php").read_text()
    lines = sum(len(file.read_text().splitlines()) for file in SOURCES.rglob("*.php"))
    assert lines < 600, "a double that grows is an app of its own"


@pytest.mark.parametrize("version", ["1.1", "1.1.19-rc1", "../1.1.19", ""])
def test_framadate_double_refuses_an_invalid_version(version: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a Framadate version"):
        build_framadate(version, tmp_path)
