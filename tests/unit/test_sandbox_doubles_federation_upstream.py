"""Federation in the double of Nextcloud: the names, addresses and values that upstream has."""

import re

import pytest
from region_samples import ROOT

from chautari.toolkit_yaml import read_toolkit_yaml

DOUBLE = ROOT / "tool/chautari_sandbox/doubles/nextcloud/lib/double"
FACTS = read_toolkit_yaml(ROOT / "tests/fixtures/upstream/nextcloud_federation.yml")
CALL = re.compile(r"'((?:GET|POST|PUT|DELETE) /?[a-z][^']*)'")
KEY = re.compile(r"'(\w+)' =>")


def php(path: str) -> str:
    return (DOUBLE / path).read_text()


def part(text: str, start: str, end: str) -> str:
    """Return what stands between two marks of a PHP file."""
    assert start in text, f"the double has no {start!r} any more"
    return text.partition(start)[2].partition(end)[0]


def test_addresses_of_federation_exist_in_nextcloud() -> None:
    shares = php("Web/OcsShares.php")
    prefix = part(shares, "PREFIX = '", "'")
    found = {call.replace(" ", f" {prefix}", 1) for call in CALL.findall(shares)}
    federation = php("Web/OcsFederation.php")
    found |= set(CALL.findall(federation + php("Web/Ocm.php")))
    found.add("GET " + part(federation, "LIST = '", "'"))
    assert {"POST /ocm/shares", "GET /cloud/shared-secret", f"DELETE {prefix}shares/ID"} <= found
    assert found <= set(FACTS["routes"])


def test_statuses_of_trusted_servers_are_nextcloud_s() -> None:
    text = php("Federation/TrustedServers.php")
    found = re.findall(r"public const (\w+) = (\d);", text)
    assert {name: int(value) for name, value in found} == FACTS["statuses"]


def test_jobs_of_federation_are_nextcloud_s() -> None:
    text = "".join(file.read_text() for file in DOUBLE.rglob("*.php"))
    found = set(re.findall(r"'(OCA\\Federat[\w\\]+)'", text))
    assert found == set(FACTS["jobs"])


def test_notifications_are_nextcloud_s() -> None:
    found = re.findall(
        r"'([A-Z]+_[A-Z]+)'", php("Web/Ocm.php") + php("Federation/Notifications.php")
    )
    assert {"SHARE_UNSHARED"} <= set(found) <= set(FACTS["notifications"])


@pytest.mark.parametrize(
    ("file", "start", "end", "fact"),
    [
        ("Federation/OcmDiscovery.php", "function own()", "/** @return", "discovery"),
        ("Federation/Notifications.php", "'shares', [", "'protocol' =>", "share"),
        ("Web/OcsShares.php", "function describeRemote(", "];", "remote_share"),
    ],
)
def test_fields_are_nextcloud_s(file: str, start: str, end: str, fact: str) -> None:
    found = set(KEY.findall(part(php(file), start, end)))
    inner = {"keyId", "publicKeyPem", "name", "shareTypes", "protocols", "webdav"}
    assert len(found) > 5
    assert found - inner <= set(FACTS[fact])


def test_settings_of_federation_exist_in_nextcloud() -> None:
    text = "".join(
        file.read_text()
        for folder in ("Federation", "Web")
        for file in (DOUBLE / folder).glob("*.php")
    )
    found = set(re.findall(r"->get\(\s*'(core|files_sharing)', '(\w+)'", text))
    found |= {("core", name) for name in re.findall(r"setting\('(\w+)'\)", text)}
    known = {(app, name) for app, names in FACTS["settings"].items() for name in names}
    assert ("files_sharing", "federatedTrustedShareAutoAccept") in found
    assert found <= known


@pytest.mark.parametrize("table", FACTS["columns"])
def test_tables_of_federation_have_nextcloud_s_columns(table: str) -> None:
    definition = part(php("Schema.php"), f"'{table}' =>", "\n        '")
    text = re.sub(r"\([^()]*\)", "", definition).replace("UNIQUE", "").replace('\\"', "")
    found = {column.split()[0].strip("\"'") for column in text.split(",") if column.split()}
    found.discard("")
    assert "id" in found
    assert found <= set(FACTS["columns"][table])
