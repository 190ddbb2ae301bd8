"""`deploy secrets`: set, show and list."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from region_samples import REGION, key_pair, region_file

from chautari.cli import main
from chautari.secrets.store import SecretStore, open_secrets_file

IDENTITY = "--identity"
PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    monkeypatch.delenv("CHAUTARI_KEY_PASSPHRASE", raising=False)
    region_file(tmp_path, REGION.replace("{key} ana@laptop", "'{key}'"), key_pair(tmp_path, "ana"))
    return str(tmp_path / "ana")


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


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


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (b"", "the new value is empty"),
        (b"\n", "the new value is empty"),
        (b"two\nlines\n", "the new value has several lines"),
        (b"a\x1b[2Jb", "the new value contains the hidden character U+001B"),
        (b"a\x00b", "the new value contains the hidden character U+0000"),
        (b"a\tb", "the new value contains the hidden character U+0009"),
        ("\ufeffab".encode(), "the new value contains the hidden character U+FEFF"),
        ("ab\u202e".encode(), "the new value contains the hidden character U+202E"),
        (b" ", "the new value begins or ends with a space"),
        (b"ab \n", "the new value begins or ends with a space"),
        (b"\xff\n", "the new value of mail_relay_password is not UTF-8 text"),
        (b"a" * 25_000, "the new value has 25,000 characters"),
    ],
)
def test_set_refuses_a_new_value_with_the_reason_and_the_next_step(
    typed: bytes,
    reason: str,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed)))
    assert main.run(["secrets", "set", "andes", "mail_relay_password", IDENTITY, key]) == 2
    message, _, fix = capsys.readouterr().err.partition("Fix: ")
    assert reason in message and "deploy secrets set andes mail_relay_password" in fix
    assert "git" not in fix and "openssl" not in fix
    assert not (Path(key).parent / "andes" / "secrets.age").exists()


def test_set_refuses_a_closed_standard_input(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert main.run(["secrets", "set", "andes", "mail_relay_password", IDENTITY, key]) == 2
    assert "standard input is closed" in capsys.readouterr().err


def test_set_reads_an_endless_input_only_in_part(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/zero").open() as endless:
        monkeypatch.setattr("sys.stdin", endless)
        assert main.run(["secrets", "set", "andes", "mail_relay_password", IDENTITY, key]) == 2


def craft(key: str, values: dict[str, str]) -> None:
    """Encrypt `values` to the operator's public key, as any stranger can."""
    public = Path(key).with_name("andes").joinpath("region.yml").read_text().split("'")[1]
    SecretStore(values, [public]).save(Path(key).with_name("andes") / "secrets.age", [public])


@pytest.mark.parametrize("secret", ["mail_relay_password", "of_an_old_service"])
def test_show_refuses_a_crafted_value(
    secret: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    craft(key, {secret: "pw\x1b]0;PWNED\x07\x1b[31mred\u202e"})
    assert main.run(["secrets", "show", "andes", secret, IDENTITY, key]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "PWNED" not in captured.err
    assert "contains the hidden character U+001B" in captured.err
    assert "restore secrets.age from git" in captured.err


@pytest.mark.parametrize("stored", ["señal-ñandú %s \\e[31m", "-----BEGIN X-----\nAAAA\n"])
def test_show_prints_the_stored_bytes(stored: str, key: str) -> None:
    craft(key, {"of_an_old_service": stored})
    argv = [sys.executable, "-m", "chautari", "secrets", "show", "andes", "of_an_old_service"]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*argv, IDENTITY, key], stdout=subprocess.PIPE, env=environment, check=True
    )
    assert done.stdout == (stored.removesuffix("\n") + "\n").encode()


def test_lost_secrets_of_a_region_with_mail_are_replaced_by_following_the_fixes(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(key).with_name("andes")
    (folder / "known_hosts").write_text("203.0.113.10 ssh-ed25519 AAAA\n")
    render = ["render", "andes", "-o", str(folder.with_name("out")), IDENTITY, key]
    assert main.run(render) == 2
    assert "run: deploy secrets init andes" in capsys.readouterr().err
    assert main.run(["secrets", "init", "andes", IDENTITY, key]) == 0
    missing = "Set it with: deploy secrets set andes mail_relay_password"
    assert missing in capsys.readouterr().err
    assert main.run(render) == 2
    assert "Fix: deploy secrets set andes mail_relay_password" in capsys.readouterr().err
    type_in(monkeypatch, "canary")
    assert main.run(["secrets", "set", "andes", "mail_relay_password", IDENTITY, key]) == 0
    assert main.run(render) == 0


@pytest.mark.parametrize("target", ["nowhere", "secrets.age"])
def test_secrets_file_that_is_a_broken_link_is_not_replaced(
    target: str, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(key).with_name("andes") / "secrets.age"
    file.symlink_to(target)
    out = str(file.parent.parent / "out")
    for argv in (
        ["set", "andes", "mail_relay_password"],
        ["show", "andes", "receipt_key"],
        ["init", "andes"],
    ):  # fmt: skip
        type_in(monkeypatch, "canary")
        assert main.run(["secrets", *argv, IDENTITY, key]) == 2
    assert main.run(["render", "andes", "-o", out, IDENTITY, key]) == 2
    assert file.is_symlink()
    assert f"is a symbolic link to {target}" in capsys.readouterr().err


def test_set_writes_through_a_link(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    craft(key, {"mail_relay_password": "old"})
    file = Path(key).with_name("andes") / "secrets.age"
    shared = file.rename(file.parent.parent / "shared.age")
    file.symlink_to(shared)
    type_in(monkeypatch, "canary-new")
    assert main.run(["secrets", "set", "andes", "mail_relay_password", IDENTITY, key]) == 0
    assert file.is_symlink()
    assert open_secrets_file(shared, [Path(key)])["mail_relay_password"] == "canary-new"


def test_pipes_and_devices_are_refused_at_once(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = Path(key).with_name("andes") / "secrets.age"
    os.mkfifo(pipe)
    show = ["secrets", "show", "andes", "receipt_key", IDENTITY]
    assert main.run([*show, key]) == 2
    assert f"{pipe} is a pipe, not a regular file" in capsys.readouterr().err
    for identity in (str(pipe), "/dev/full", "/dev/zero"):
        for argv in (show, ["region", "andes", IDENTITY], ["attach", "andes", IDENTITY]):
            assert main.run([*argv, identity]) == 2
            assert f"{identity} is a " in capsys.readouterr().err


def test_jitsi_key_can_be_replaced_as_its_fix_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    text = REGION.replace("{key} ana@laptop", "'{key}'").replace(
        "[nextcloud]", "[nextcloud, jitsi]"
    )
    text = text.replace("  nextcloud: ", "  jitsi: {{members: [ana]}}\n  nextcloud: ")
    region_file(tmp_path, text, key_pair(tmp_path, "ana"))
    key = str(tmp_path / "ana")
    argv = ["secrets", "set", "andes", "jitsi_key", IDENTITY, key]
    elliptic = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    short = subprocess.run(
        ["openssl", "genrsa", "1024"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    for wrong in ("a" * 48, elliptic.decode(), short, PEM.format("AAAA")):
        type_in(monkeypatch, wrong)
        assert main.run(argv) == 2
    fix = capsys.readouterr().err.splitlines()[-1]
    assert fix == "  Fix: generate one: openssl genrsa 3072 | deploy secrets set andes jitsi_key"
    made = subprocess.run(
        ["openssl", "genrsa", "2048"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    for form in (made, made.replace("\n", "\r\n"), made.rstrip()):
        type_in(monkeypatch, form)
        assert main.run(argv) == 0
        capsys.readouterr()
        assert main.run(["secrets", "show", "andes", "jitsi_key", IDENTITY, key]) == 0
        assert capsys.readouterr().out == made


def test_set_refuses_a_secret_without_a_use(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["secrets", "set", "andes", "jitsi_password", IDENTITY, key]) == 2
    assert "Known: mail_relay_password, nextcloud_admin_password" in capsys.readouterr().err


def test_show_reports_a_missing_secret(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["secrets", "show", "andes", "mail_relay_password", IDENTITY, key]) == 2
    assert "region andes has no secret mail_relay_password yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("secret", "fix"),
    [
        ("mail_relay_password", "deploy secrets set andes mail_relay_password"),
        ("nextcloud_admin_password", "generate it: deploy region andes"),
        ("jitsi_password", "did you mean mail_relay_password?"),
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
    listed = json.loads(capsys.readouterr().out)["secrets"]
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
