"""`deploy secrets`: set, show and list."""

import io
import json
from pathlib import Path

import pytest
from region_samples import REGION, key_pair, region_file

from chautari.cli import main

IDENTITY = "--identity"


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    monkeypatch.delenv("CHAUTARI_KEY_PASSPHRASE", raising=False)
    region_file(tmp_path, REGION.replace("{key} ana@laptop", "'{key}'"), key_pair(tmp_path, "ana"))
    return str(tmp_path / "ana")


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_show_prints_a_secret_that_was_set(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "canary word\n")
    assert main.run(["secrets", "set", "andes", "mail_relay_password", IDENTITY, key]) == 0
    assert "canary" not in "".join(capsys.readouterr())
    assert main.run(["secrets", "show", "andes", "mail_relay_password", IDENTITY, key]) == 0
    assert capsys.readouterr().out == "canary word\n"


def test_set_keeps_the_other_secrets(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mail_relay_password", "nextcloud_admin_password"):
        type_in(monkeypatch, f"canary-{name}")
        main.run(["secrets", "set", "andes", name, IDENTITY, key])
    main.run(["secrets", "show", "andes", "mail_relay_password", IDENTITY, key])
    assert capsys.readouterr().out == "canary-mail_relay_password\n"


@pytest.mark.parametrize("typed", ["", "\n", "two\nlines\n", "a\x1b[2Jb", "a\x00b"])
def test_set_refuses_a_value_that_is_not_one_printable_line(
    typed: str, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, typed)
    assert main.run(["secrets", "set", "andes", "mail_relay_password", IDENTITY, key]) == 2
    assert "must be one line of printable characters" in capsys.readouterr().err
    assert not (Path(key).parent / "andes" / "secrets.age").exists()


def test_set_refuses_a_secret_without_a_use(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["secrets", "set", "andes", "jitsi_password", IDENTITY, key]) == 2
    assert "use one of: mail_relay_password, nextcloud_admin_password" in capsys.readouterr().err


def test_show_reports_a_missing_secret(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["secrets", "show", "andes", "mail_relay_password", IDENTITY, key]) == 2
    assert "region andes has no secret mail_relay_password yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("secret", "fix"),
    [
        ("mail_relay_password", "deploy secrets set andes mail_relay_password"),
        ("nextcloud_admin_password", "generate it: deploy region andes"),
        ("jitsi_password", "use one of: mail_relay_password, nextcloud_admin_password"),
    ],
)
def test_show_names_the_command_that_makes_an_absent_secret(
    secret: str, fix: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["secrets", "show", "andes", secret, IDENTITY, key]) == 2
    assert f"Fix: {fix}" in capsys.readouterr().err


def test_show_refuses_a_wrong_key(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "canary\n")
    main.run(["secrets", "set", "andes", "mail_relay_password", IDENTITY, key])
    key_pair(Path(key).parent, "eve")
    eve = str(Path(key).with_name("eve"))
    assert main.run(["secrets", "show", "andes", "mail_relay_password", IDENTITY, eve]) == 2
    captured = capsys.readouterr()
    assert "canary" not in captured.out + captured.err


@pytest.mark.usefixtures("key")
def test_list_names_secrets_and_meanings_without_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["secrets", "list", "andes", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["mail_relay_password"] == "password for the mail relay"
    main.run(["secrets", "list", "andes"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(listed)
    assert lines[0].endswith("(you must set it yourself)")


# Its rooms are opened by another program than Nextcloud.
SERVER = "  cal1: {{address: 203.0.113.9, os: ubuntu-22.04, services: [bigbluebutton]}}\n"


def test_set_refuses_a_secret_in_the_wrong_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    text = REGION.replace("{key} ana@laptop", "'{key}'").replace("  med1: ", f"{SERVER}  med1: ")
    text = text.replace("  nextcloud: ", "  bigbluebutton: {{rooms: none}}\n  nextcloud: ")
    region_file(tmp_path, text, key_pair(tmp_path, "ana"))
    type_in(monkeypatch, "canary with blanks that is longer than forty")
    argv = ["secrets", "set", "andes", "bigbluebutton_secret", IDENTITY, str(tmp_path / "ana")]
    assert main.run(argv) == 2
    output = capsys.readouterr().err
    assert "openssl rand -hex 24 | deploy secrets set andes bigbluebutton_secret" in output
    assert "canary" not in output
