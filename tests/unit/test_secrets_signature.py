"""Signatures of secrets.age: in OpenSSH's form, by an operator, and missed when they are gone."""

import io
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from region_samples import REGION, key_pair, load_sample_region, region_file

from chautari.cli import main
from chautari.errors import BadInput
from chautari.region.load import LoadedRegion
from chautari.secrets import signature
from chautari.secrets.completion import (
    load_and_complete_secrets,
    open_secrets,
    sign_secrets_of_any_author,
    update_secrets,
)
from chautari.secrets.private_keys import read_private_keys_and_problems
from chautari.secrets.store import SecretStore, open_secrets_file

RELAY = {"mail_relay_password": "canary-relay"}
TWO = REGION.replace("{key} ana@laptop", "'{key}', luz: '{other}'")
MESSAGE = b'{"secrets": {}}'


@pytest.fixture(autouse=True)
def two_computers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAUTARI_KEY_PASSPHRASE", raising=False)
    use_computer(tmp_path, monkeypatch, "ana")


def use_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state-{name}"))


def region_of_two(folder: Path) -> LoadedRegion:
    ana, luz = key_pair(folder, "ana"), key_pair(folder, "luz", "rsa")
    return load_sample_region(folder, TWO.replace("{other}", luz), ana)


def write_as(found: LoadedRegion, name: str, value: str = "canary-changed") -> SecretStore:
    file = found.folder.parent / name
    return update_secrets(
        found, [file], (), lambda opened: opened.with_values({"mail_relay_password": value})
    )


def sign_file(message: bytes, key: Path) -> str:
    [opened] = read_private_keys_and_problems([key])[0].values()
    line = subprocess.run(
        ["ssh-keygen", "-y", "-f", key], capture_output=True, text=True, check=True
    ).stdout
    return signature.sign(message, [opened], [line])


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_sign_makes_what_ssh_keygen_accepts(kind: str, tmp_path: Path) -> None:
    line = key_pair(tmp_path, "ana", kind)
    (tmp_path / "ana").chmod(0o600)
    signed = sign_file(MESSAGE, tmp_path / "ana")
    assert signature.is_signed_by(MESSAGE, signed, [line])
    assert signature.unverified_public_key_in_signature(signed) == signature.public_key_bytes(line)
    assert not signature.is_signed_by(MESSAGE + b" ", signed, [line])
    assert not signature.is_signed_by(MESSAGE, signed, [key_pair(tmp_path, "eve", kind)])
    # Exactly what ssh-keygen itself writes; both types of signatures use no random numbers.
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-f", tmp_path / "ana", "-n", signature.NAMESPACE]
    assert subprocess.run(argv, input=MESSAGE, capture_output=True, check=True).stdout == (
        signed.encode()
    )


def test_signature_for_another_purpose_is_refused(tmp_path: Path) -> None:
    line = key_pair(tmp_path, "ana")
    (tmp_path / "ana").chmod(0o600)
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-f", tmp_path / "ana", "-n", "file"]
    signed = subprocess.run(argv, input=MESSAGE, capture_output=True, check=True).stdout
    assert not signature.is_signed_by(MESSAGE, signed.decode(), [line])


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN SSH SIGNATURE-----\n=\n-----END SSH SIGNATURE-----\n"]
)
def test_text_that_is_no_signature_names_no_key(text: str) -> None:
    assert signature.unverified_public_key_in_signature(text) == b""


def test_new_secrets_are_signed_by_the_operator_who_wrote_them(tmp_path: Path) -> None:
    found = region_of_two(tmp_path)
    made = load_and_complete_secrets(found, [tmp_path / "luz"], RELAY)
    line = found.region.operators["luz"][0]
    assert signature.is_signed_by(made.signed_message("andes"), made.signature, [line])
    assert open_secrets(found, [tmp_path / "ana"]).notices == []


def test_file_of_a_person_who_is_no_operator_is_refused(tmp_path: Path) -> None:
    found = region_of_two(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    forged = region_file(
        tmp_path / "eve", TWO.replace("{other}", found.region.operators["luz"][0]),
        found.region.operators["ana"][0],
    )  # fmt: skip
    text = forged.read_text().replace("{ana:", f"{{eve: '{key_pair(tmp_path, 'eve-key')}', ana:")
    forged.write_text(text)
    theirs = load_sample_region(tmp_path / "eve", text.replace("{", "{{").replace("}", "}}"))
    load_and_complete_secrets(
        theirs, [tmp_path / "eve-key"], {"mail_relay_password": "canary-evil"}
    )
    found.secrets_file.write_bytes(theirs.secrets_file.read_bytes())
    for use in (open_secrets, lambda *args: load_and_complete_secrets(*args, {})):
        with pytest.raises(BadInput, match="is not signed with a key of an operator") as refused:
            use(found, [tmp_path / "ana"])
        assert "git log -- secrets.age" in refused.value.fix and "canary" not in str(refused.value)
    assert found.secrets_file.read_bytes() == theirs.secrets_file.read_bytes()


@pytest.mark.parametrize("change", ["value", "name", "recipients", "due", "written", "region"])
def test_changed_content_under_an_old_signature_is_refused(change: str, tmp_path: Path) -> None:
    found = region_of_two(tmp_path)
    made = load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    values = made.values_of_names(made.names)
    recipients, due, written = list(made.recipients), dict(made.due), made.written
    if change == "value":
        values["mail_relay_password"] = "canary-evil"
    elif change == "name":
        values["new"] = values.pop("receipt_key")
    elif change == "recipients":
        recipients.append(key_pair(tmp_path, "eve"))
    elif change == "due":
        due = {"mail_relay_password": "x"}
    elif change == "written":
        written += 1
    forged = SecretStore(values, recipients, due=due, written=written, signature=made.signature)
    found.secrets_file.write_bytes(forged.encrypt(found.secrets_file, recipients))
    if change == "region":
        text = (found.folder / "region.yml").read_text().replace("region: andes", "region: lima")
        (tmp_path / "lima").mkdir()
        (tmp_path / "lima" / "secrets.age").write_bytes(found.secrets_file.read_bytes())
        (tmp_path / "lima" / "region.yml").write_text(text)
        found = found._replace(
            folder=tmp_path / "lima", region=found.region.model_copy(update={"region": "lima"})
        )
    with pytest.raises(BadInput, match="is not signed with a key of an operator"):
        open_secrets(found, [tmp_path / "ana"])


def test_file_without_a_signature_is_accepted_once_and_signed_at_the_next_change(
    tmp_path: Path,
) -> None:
    found = region_of_two(tmp_path)
    lines = [*found.region.operators["ana"], *found.region.operators["luz"]]
    SecretStore(RELAY, lines).save(found.secrets_file, lines)
    before = found.secrets_file.read_bytes()
    opened = open_secrets(found, [tmp_path / "ana"])
    assert "deploy secrets sign andes" in opened.notices[0]
    assert found.secrets_file.read_bytes() == before
    assert load_and_complete_secrets(found, [tmp_path / "ana"], {}).signature
    assert open_secrets(found, [tmp_path / "ana"]).notices == []
    SecretStore(RELAY, lines).save(found.secrets_file, lines)
    with pytest.raises(BadInput, match="was signed when this computer last read it"):
        open_secrets(found, [tmp_path / "ana"])


def test_change_of_another_operator_is_said_until_this_computer_used_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = region_of_two(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    assert load_and_complete_secrets(found, [tmp_path / "ana"], {}).notices == []
    use_computer(tmp_path, monkeypatch, "luz")
    write_as(found, "luz")
    use_computer(tmp_path, monkeypatch, "ana")
    for _ in range(2):  # a command that only reads
        [notice] = open_secrets(found, [tmp_path / "ana"]).notices
        assert notice.startswith("secrets.age was changed by luz at 20")
    [notice] = load_and_complete_secrets(found, [tmp_path / "ana"], {}).notices
    assert "changed by luz" in notice
    assert load_and_complete_secrets(found, [tmp_path / "ana"], {}).notices == []


def test_older_file_of_an_operator_is_said(tmp_path: Path) -> None:
    found = region_of_two(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    old = found.secrets_file.read_bytes()
    write_as(found, "ana")
    found.secrets_file.write_bytes(old)
    [notice] = load_and_complete_secrets(found, [tmp_path / "ana"], {}).notices
    assert "is older than the version that this computer last used" in notice


def test_older_file_that_a_removed_operator_reads_is_refused(tmp_path: Path) -> None:
    found = region_of_two(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    old = found.secrets_file.read_bytes()
    without = found.region.model_copy(update={"operators": {"ana": found.region.operators["ana"]}})
    found = found._replace(region=without)
    write_as(found, "ana")
    found.secrets_file.write_bytes(old)
    with pytest.raises(BadInput, match="the version that this computer last used, and"):
        load_and_complete_secrets(found, [tmp_path / "ana"], {})
    sign_secrets_of_any_author(found, [tmp_path / "ana"], ())
    assert open_secrets(found, [tmp_path / "ana"]).notices == []


def test_file_of_an_operator_who_left_is_accepted_by_signing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = region_of_two(tmp_path)
    load_and_complete_secrets(found, [tmp_path / "luz"], RELAY)
    without = found.region.model_copy(update={"operators": {"ana": found.region.operators["ana"]}})
    left = found._replace(region=without)
    # This computer used this very file before.
    assert open_secrets(left, [tmp_path / "ana"]).notices == []
    use_computer(tmp_path, monkeypatch, "new")
    with pytest.raises(BadInput, match="is not signed with a key of an operator"):
        open_secrets(left, [tmp_path / "ana"])
    sign_secrets_of_any_author(left, [tmp_path / "ana"], ())
    assert open_secrets(left, [tmp_path / "ana"]).notices == []
    with pytest.raises(BadInput, match="encrypted to other keys"):
        open_secrets_file(left.secrets_file, [tmp_path / "luz"])


def test_sign_command_says_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = region_of_two(tmp_path)
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    lines = [*found.region.operators["ana"], *found.region.operators["luz"]]
    SecretStore(RELAY, lines).save(found.secrets_file, lines)
    show = ["secrets", "show", "andes", "mail_relay_password", "--identity", str(tmp_path / "ana")]
    assert main.run(show) == 0
    assert "is not signed, so it is not known who wrote it" in capsys.readouterr().err
    assert main.run(["secrets", "sign", "andes", "--identity", str(tmp_path / "ana")]) == 0
    assert capsys.readouterr().err == f"{found.secrets_file} is signed.\n"
    assert main.run(show) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("canary-relay\n", "")


def test_key_with_a_passphrase_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = key_pair(tmp_path, "ana", "ed25519", "open sesame")
    found = load_sample_region(tmp_path, REGION.replace("{key} ana@laptop", "'{key}'"), line)
    monkeypatch.setenv("CHAUTARI_KEY_PASSPHRASE", "open sesame")
    made = load_and_complete_secrets(found, [tmp_path / "ana"], RELAY)
    assert signature.is_signed_by(made.signed_message("andes"), made.signature, [line])


def test_passphrase_is_asked_for_at_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    region_of_two(tmp_path)
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"canary")))
    key = str(tmp_path / "ana")
    set_it = ["secrets", "set", "andes", "mail_relay_password", "--identity", key]
    assert main.run(set_it) == 0
    capsys.readouterr()
    lock = ["ssh-keygen", "-q", "-p", "-N", "open sesame", "-f", key]
    (tmp_path / "ana").chmod(0o600)
    subprocess.run(lock, check=True)
    show = ["secrets", "show", "andes", "mail_relay_password", "--identity", key]
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "chautari", *show])
    said = b""
    with suppress(OSError):  # the end of the output
        while part := os.read(terminal, 1000):
            said += part
            if said.endswith(b"/ana: "):
                os.write(terminal, b"open sesame\n")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)
    assert said.split() == [b"Passphrase", b"of", f"{key}:".encode(), b"canary"]
