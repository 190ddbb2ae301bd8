"""The secrets of a region: generated once, encrypted to the operators' keys."""

import base64
import os
import stat
import time
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from region_samples import REGION, key_pair, load_sample_region

from chautari.errors import BadInput
from chautari.region.load import LoadedRegion
from chautari.secrets import required_secrets, store
from chautari.secrets.completion import load_and_complete_secrets, recipients_of
from chautari.secrets.private_keys import default_private_keys
from chautari.secrets.store import SecretStore, open_secrets_file
from chautari.services import secret_spec

RELAY = {"mail_relay_password": "canary-relay"}


@pytest.fixture(autouse=True)
def no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAUTARI_KEY_PASSPHRASE", raising=False)


def region(folder: Path, kind: str = "ed25519") -> LoadedRegion:
    return load_sample_region(
        folder, REGION.replace("{key} ana@laptop", "'{key}'"), key_pair(folder, "ana", kind)
    )


@pytest.mark.parametrize(
    "header",
    [b"", b"age-encryption.org/v1\n-> " + b"x" * 900_000,
     b"age-encryption.org/v1\n" + b"-> x y\nAAAA\n" * 30_000],
    ids=["nothing", "a long line", "many stanzas"],
)  # fmt: skip
def test_header_without_an_end_is_refused_at_once(header: bytes, tmp_path: Path) -> None:
    key_pair(tmp_path, "ana")
    (tmp_path / "secrets.age").write_bytes(header)
    began = time.monotonic()
    with pytest.raises(BadInput, match="its age header is missing or incomplete"):
        open_secrets_file(tmp_path / "secrets.age", [tmp_path / "ana"])
    assert time.monotonic() - began < 2


def test_more_keys_than_a_file_can_hold_are_refused(tmp_path: Path) -> None:
    line = key_pair(tmp_path, "ana")
    file = tmp_path / "secrets.age"
    SecretStore({}, ()).save(file, [line] * 200)
    assert open_secrets_file(file, [tmp_path / "ana"]).names == []
    before = file.read_bytes()
    with pytest.raises(BadInput, match="cannot be encrypted: there are too many SSH keys"):
        SecretStore({}, ()).save(file, [line] * 500)
    assert file.read_bytes() == before


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_secrets_are_generated_once(kind: str, tmp_path: Path) -> None:
    found = region(tmp_path, kind)
    first = load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    before = found.secrets_file.read_bytes()
    second = load_and_complete_secrets(found, [tmp_path / "ana"], {})
    assert (
        first.names
        == second.names
        == sorted(spec.name for spec in required_secrets.required_secrets(found.region))
    )
    assert all(first[name] == second[name] for name in first.names)
    assert found.secrets_file.read_bytes() == before


def test_generated_secrets_are_long_unique_and_need_no_quoting() -> None:
    made = {secret_spec.generate_192_bit_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(
        len(value) == 32 and value.replace("-", "").replace("_", "").isalnum() for value in made
    )


def test_file_is_private_and_holds_nothing_readable(tmp_path: Path) -> None:
    found = region(tmp_path)
    made = load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    assert stat.S_IMODE(found.secrets_file.stat().st_mode) == 0o600
    raw = found.secrets_file.read_bytes()
    assert raw.startswith(b"age-encryption.org/v1")
    assert not [name for name in made.names if made[name].encode() in raw]


def test_missing_user_supplied_secret_is_reported(tmp_path: Path) -> None:
    found = region(tmp_path)
    with pytest.raises(BadInput) as refused:
        load_and_complete_secrets(found, [tmp_path / "ana"], {})
    assert str(refused.value) == (
        "the secret mail_relay_password (password for the mail relay) is missing\n"
        "  Fix: deploy secrets set andes mail_relay_password"
    )
    assert not found.secrets_file.exists()


@pytest.mark.parametrize("position", [0, 30, 200, -1])
def test_tampered_file_is_refused(position: int, tmp_path: Path) -> None:
    found = region(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    raw = bytearray(found.secrets_file.read_bytes())
    raw[position] ^= 1
    found.secrets_file.write_bytes(raw)
    with pytest.raises(BadInput, match="cannot be decrypted"):
        open_secrets_file(found.secrets_file, [tmp_path / "ana"])


@pytest.mark.parametrize("content", [b"", b"not age at all", b"age-encryption.org/v1\n"])
def test_other_file_is_refused(content: bytes, tmp_path: Path) -> None:
    found = region(tmp_path)
    found.secrets_file.write_bytes(content)
    with pytest.raises(BadInput, match="cannot be decrypted"):
        open_secrets_file(found.secrets_file, [tmp_path / "ana"])


def test_wrong_key_is_refused_with_the_next_step(tmp_path: Path) -> None:
    found = region(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    key_pair(tmp_path, "eve")
    with pytest.raises(BadInput) as refused:
        open_secrets_file(found.secrets_file, [tmp_path / "eve"])
    assert f"cannot be decrypted with {tmp_path / 'eve'}" in str(refused.value)
    assert "another operator, who runs: deploy operators add " in refused.value.fix
    assert "damaged" not in str(refused.value)


@pytest.mark.parametrize("in_sandbox", [False, True])
def test_secrets_of_a_sandbox_whose_keys_are_gone_can_be_made_again(
    in_sandbox: bool, tmp_path: Path
) -> None:
    load_and_complete_secrets(region(tmp_path), [tmp_path / "ana"], RELAY)
    text = REGION + ("sandbox: {{network: 203.0.113.0/24}}\n" if in_sandbox else "")
    found = load_sample_region(tmp_path, text, key_pair(tmp_path, "eve"))
    with pytest.raises(BadInput) as refused:
        load_and_complete_secrets(found, [tmp_path / "eve"], RELAY)
    assert (f"delete {found.secrets_file} too" in refused.value.fix) == in_sandbox
    assert "another of your keys with --identity FILE" in refused.value.fix


def test_damaged_content_is_restored_from_git(tmp_path: Path) -> None:
    found = region(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    found.secrets_file.write_bytes(found.secrets_file.read_bytes()[:-1])
    with pytest.raises(BadInput, match="it is damaged") as refused:
        open_secrets_file(found.secrets_file, [tmp_path / "ana"])
    assert refused.value.fix.startswith(f"restore {found.secrets_file} from a copy")


def test_second_of_two_keys_is_tried(tmp_path: Path) -> None:
    found = region(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    key_pair(tmp_path, "eve", "rsa")
    assert "mail_relay_password" in open_secrets_file(
        found.secrets_file, [tmp_path / "eve", tmp_path / "ana"]
    )


@pytest.mark.parametrize("identities", [[], ["nowhere"], ["region.yml"]])
def test_without_a_readable_key_the_option_is_named(identities: list[str], tmp_path: Path) -> None:
    found = region(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    with pytest.raises(BadInput, match="--identity FILE"):
        open_secrets_file(found.secrets_file, [found.folder / name for name in identities])


def test_file_is_encrypted_again_when_an_operator_joins(tmp_path: Path) -> None:
    found = region(tmp_path)
    first = load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    luz = key_pair(tmp_path, "luz", "rsa")
    text = (found.folder / "region.yml").read_text().replace("{ana: ", f"{{luz: {luz}, ana: ")
    grown = load_sample_region(tmp_path, text.replace("{", "{{").replace("}", "}}"))
    load_and_complete_secrets(grown, [tmp_path / "ana"], {})
    opened = open_secrets_file(grown.secrets_file, [tmp_path / "luz"])
    assert opened["nextcloud_admin_password"] == first["nextcloud_admin_password"]
    assert opened.recipients == recipients_of(grown)


def test_operator_who_left_cannot_open_the_new_file(tmp_path: Path) -> None:
    found = region(tmp_path)
    extra = key_pair(tmp_path, "sandbox")
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY, [extra])
    assert open_secrets_file(found.secrets_file, [tmp_path / "sandbox"]).names
    load_and_complete_secrets(found, [tmp_path / "ana"], {})
    with pytest.raises(BadInput, match="cannot be decrypted"):
        open_secrets_file(found.secrets_file, [tmp_path / "sandbox"])


def test_user_supplied_secret_replaces_the_stored_one(tmp_path: Path) -> None:
    found = region(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    load_and_complete_secrets(found, [tmp_path / "ana"], {"mail_relay_password": "canary-new"})
    assert (
        open_secrets_file(found.secrets_file, [tmp_path / "ana"])["mail_relay_password"]
        == "canary-new"
    )


def test_secrets_without_recipients_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no SSH public key is listed under operators"):
        SecretStore({"a": "b"}, ()).save(tmp_path / "secrets.age", [])
    assert not (tmp_path / "secrets.age").exists()


def test_store_never_shows_a_value() -> None:
    opened = SecretStore({"a": "canary-a", "b": "canary-b"}, ())
    for shown in (repr(opened), str(opened), f"{opened}", repr([opened])):
        assert "canary" not in shown
    assert repr(opened) == "SecretStore(a, b)"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_key_with_a_passphrase_is_opened_through_the_environment(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = key_pair(tmp_path, "locked", kind, "open sesame")
    SecretStore({"a": "b"}, ()).save(tmp_path / "secrets.age", [public])
    with pytest.raises(BadInput, match="CHAUTARI_KEY_PASSPHRASE"):
        open_secrets_file(tmp_path / "secrets.age", [tmp_path / "locked"])
    monkeypatch.setenv("CHAUTARI_KEY_PASSPHRASE", "open sesame")
    assert open_secrets_file(tmp_path / "secrets.age", [tmp_path / "locked"])["a"] == "b"
    monkeypatch.setenv("CHAUTARI_KEY_PASSPHRASE", "wrong")
    with pytest.raises(BadInput, match="could be read"):
        open_secrets_file(tmp_path / "secrets.age", [tmp_path / "locked"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("ssh-ed25519 AAAA ana", "this is a public key; use the private key"),
        ("ecdsa-sha2-nistp256 AAAA ana", "this is a public key, and this type"),
        ("PuTTY-User-Key-File-3: x", "this is a PuTTY key"),
        ("AGE-SECRET-KEY-1QQ", "this is an age key"),
        ("-----BEGIN EC PRIVATE KEY-----\n", "this type of key cannot decrypt secrets"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "this key is not in OpenSSH's format"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "this key is not in OpenSSH's format"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,97\n\n"
            "AAAA\n-----END RSA PRIVATE KEY-----\n",
            "this key is not in OpenSSH's format",
        ),
        ("x" * 200_000, "this file is larger than 100 kB"),
        ("hello", "this is not an SSH private key"),
    ],
)
def test_file_that_is_no_private_key_is_refused_with_the_reason(
    content: str, reason: str, tmp_path: Path
) -> None:
    SecretStore({"a": "b"}, ()).save(tmp_path / "secrets.age", [key_pair(tmp_path, "ana")])
    (tmp_path / "other").write_text(content)
    with pytest.raises(BadInput) as refused:
        open_secrets_file(tmp_path / "secrets.age", [tmp_path / "other"])
    assert f"{tmp_path / 'other'}: {reason}" in refused.value.message
    key_pair(tmp_path, "eve")
    with pytest.raises(BadInput) as refused:
        open_secrets_file(tmp_path / "secrets.age", [tmp_path / "eve", tmp_path / "other"])
    assert "encrypted to other keys" in refused.value.message
    assert reason in refused.value.message


def test_public_key_that_secrets_cannot_be_encrypted_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot be encrypted to the key ssh-rsa AAAA"):
        SecretStore({}, ()).save(tmp_path / "secrets.age", ["ssh-rsa AAAA ana"])
    assert not (tmp_path / "secrets.age").exists()


def test_damaged_rsa_keys_at_which_the_library_panics_are_refused(tmp_path: Path) -> None:
    public = key_pair(tmp_path, "ana", "rsa")
    begin, *body, end, _ = (tmp_path / "ana").read_text().split("\n")
    exponent, zero = b"\0\0\0\x03\1\0\1", b"\0\0\0\x03\0\0\0"
    private = base64.b64decode("".join(body)).replace(exponent, zero)
    (tmp_path / "ana").write_text("\n".join([begin, base64.b64encode(private).decode(), end, ""]))
    file = tmp_path / "secrets.age"
    SecretStore({"a": "b"}, ()).save(file, [public])
    with pytest.raises(BadInput, match="this is not an SSH private key"):
        open_secrets_file(file, [tmp_path / "ana"])
    blob = base64.b64decode(public.split()[1]).replace(exponent, b"\0\0\0\1\0")
    with pytest.raises(BadInput, match="the key is damaged"):
        SecretStore({}, ()).save(file, [f"ssh-rsa {base64.b64encode(blob).decode()}"])


def test_ecdsa_key_and_wrong_passphrase_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SecretStore({"a": "b"}, ()).save(tmp_path / "secrets.age", [key_pair(tmp_path, "ana")])
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    (tmp_path / "ecdsa").write_bytes(key)
    key_pair(tmp_path, "locked", "ed25519", "open sesame")
    identities = [tmp_path / "ecdsa", tmp_path / "locked"]
    for passphrase, reason in (("", "is not set"), ("wrong", "is not the passphrase of this key")):
        monkeypatch.setenv("CHAUTARI_KEY_PASSPHRASE", passphrase)
        with pytest.raises(BadInput) as refused:
            open_secrets_file(tmp_path / "secrets.age", identities)
        assert "ecdsa: this type of key cannot decrypt secrets" in refused.value.message
        assert reason in refused.value.message


def test_private_key_or_passphrase_in_place_of_secrets_is_named(tmp_path: Path) -> None:
    key_pair(tmp_path, "ana")
    file = tmp_path / "secrets.age"
    file.write_bytes((tmp_path / "ana").read_bytes())
    with pytest.raises(BadInput, match="contains a private key instead") as refused:
        open_secrets_file(file, [tmp_path / "ana"])
    assert "replace it" in refused.value.fix
    file.write_bytes(b"age-encryption.org/v1\n-> scrypt c2FsdA 18\nAAAA\n--- MAC\n")
    with pytest.raises(BadInput, match="is encrypted with a passphrase"):
        open_secrets_file(file, [tmp_path / "ana"])


def test_keys_without_a_passphrase_ignore_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = key_pair(tmp_path, "open")
    SecretStore({"a": "b"}, ()).save(tmp_path / "secrets.age", [public])
    monkeypatch.setenv("CHAUTARI_KEY_PASSPHRASE", "of another key")
    assert open_secrets_file(tmp_path / "secrets.age", [tmp_path / "open"])["a"] == "b"


def test_default_keys_of_the_user_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    assert default_private_keys() == []
    key_pair(tmp_path / ".ssh", "id_rsa", "rsa")
    key_pair(tmp_path / ".ssh", "id_ed25519")
    assert [path.name for path in default_private_keys()] == ["id_ed25519", "id_rsa"]


def test_interrupted_writing_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = region(tmp_path)
    opened = load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    before = found.secrets_file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        opened.save(found.secrets_file, recipients_of(found))
    assert found.secrets_file.read_bytes() == before
    assert sorted(path.name for path in found.folder.iterdir()) == ["region.yml", "secrets.age"]


def test_node_needs_only_its_services_secrets(tmp_path: Path) -> None:
    found = region(tmp_path).region
    assert required_secrets.secret_names_of_node(found, "bog1") == ("mail_relay_password",)
    everything = {spec.name for spec in required_secrets.required_secrets(found)}
    assert set(required_secrets.secret_names_of_node(found, "med1")) == everything - {"receipt_key"}
    assert "receipt_key" in everything
    assert store.open_secrets_file is open_secrets_file


def test_secrets_that_no_local_key_opens_are_not_generated(tmp_path: Path) -> None:
    found = region(tmp_path)
    key_pair(tmp_path, "luz")
    with pytest.raises(BadInput, match="none of your SSH keys is listed under operators"):
        load_and_complete_secrets(found, [tmp_path / "luz"], RELAY)
    assert not found.secrets_file.exists()
    assert list(found.folder.glob(".secrets*")) == []


def test_lost_secrets_are_not_replaced(tmp_path: Path) -> None:
    found = region(tmp_path)
    found.known_hosts_file.write_text("203.0.113.10 ssh-ed25519 AAAA\n")
    with pytest.raises(BadInput, match="would replace every password") as refused:
        load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    assert "git" in refused.value.fix and "deploy secrets init andes" in refused.value.fix
    assert not found.secrets_file.exists()
    assert load_and_complete_secrets(found, [tmp_path / "ana"], RELAY, replace_lost=True).names


def test_secrets_are_not_saved_for_a_plan(tmp_path: Path) -> None:
    found = region(tmp_path)
    made = load_and_complete_secrets(found, [tmp_path / "ana"], RELAY, save=False)
    assert made.names and not found.secrets_file.exists()


# What `secrets.age` may hold after a merge, an edit by hand or an attack: sealed to the right key.
CRAFTED: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"{",
    "not UTF-8": b'{"secrets": {"a": "\xff"}, "recipients": []}',
    "a list": b"[]",
    "a number": b"5",
    "a long number": b"9" * 5000,
    "null": b"null",
    "nested": b"[" * 100_000,
    "no secrets": b'{"recipients": []}',
    "no recipients": b'{"secrets": {}}',
    "secrets are a list": b'{"secrets": [], "recipients": []}',
    "recipients are a text": b'{"secrets": {}, "recipients": "ssh-ed25519 AAAA"}',
    "a recipient is a number": b'{"secrets": {}, "recipients": [5]}',
    "a value is a number": b'{"secrets": {"receipt_key": 5}, "recipients": []}',
    "a value is null": b'{"secrets": {"receipt_key": null}, "recipients": []}',
    "a value is a mapping": b'{"secrets": {"receipt_key": {}}, "recipients": []}',
    "a name is a path": b'{"secrets": {"../x": "y"}, "recipients": []}',
    "another key": b'{"secrets": {}, "recipients": [], "more": 1}',
    "a value with a line end": b'{"secrets": {"receipt_key": "a\\nb"}, "recipients": []}',
    "a value with an escape": b'{"secrets": {"receipt_key": "\\u001b]0;x"}, "recipients": []}',
    "a value that is empty": b'{"secrets": {"receipt_key": ""}, "recipients": []}',
    "a value that is long": b'{"secrets": {"receipt_key": "' + b"a" * 30_000
    + b'"}, "recipients": []}',
    "many recipients": b'{"secrets": {}, "recipients": [' + b'"a",' * 2000 + b'"a"]}',
    "larger than a megabyte": b'{"secrets": {"a": "' + b"a" * 2_000_000 + b'"}, "recipients": []}',
}  # fmt: skip


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_content_is_refused_without_showing_it(name: str, tmp_path: Path) -> None:
    found = region(tmp_path)
    [public] = recipients_of(found)
    key = pyrage.ssh.Recipient.from_str(" ".join(public.split()[:2]))
    found.secrets_file.write_bytes(pyrage.encrypt(CRAFTED[name], [key]))
    before = found.secrets_file.read_bytes()
    with pytest.raises(BadInput) as refused:
        load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    assert "git" in refused.value.fix
    assert "aaaa" not in str(refused.value) and str(refused.value).replace("\n", "").isprintable()
    assert found.secrets_file.read_bytes() == before


def test_secrets_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    found = region(tmp_path)
    found.secrets_file.mkdir()
    with pytest.raises(BadInput, match=r"secrets\.age is a folder, not"):
        load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
