"""`deploy operators` and `deploy secrets rotate`, with real keys."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from operator_samples import MAIL, Andes

from chautari.errors import BadInput
from chautari.region_setup import key_download
from chautari.secrets.completion import (
    load_and_complete_secrets,
    open_secrets,
    recipients_of,
    update_secrets,
)


@pytest.fixture
def andes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Andes:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CHAUTARI_KEY_PASSPHRASE", raising=False)
    return Andes(tmp_path)


def test_added_operator_opens_the_secrets(andes: Andes, capsys: pytest.CaptureFixture[str]) -> None:
    assert andes.add("luz") == 0
    captured = capsys.readouterr()
    assert "Key of luz: SHA256:" in captured.err and "deploy region andes" in captured.out
    assert "  # The first one.\n  ana: " in andes.file.read_text()
    assert andes.opened("luz")["receipt_key"] == andes.store["receipt_key"]
    assert andes.add("luz") == 2
    assert "luz is already an operator" in capsys.readouterr().err


def test_list_shows_fingerprints_and_who_opens_the_secrets(
    andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    text = andes.file.read_text().replace("  ana:", f"  luz: {andes.lines['luz']}\n  ana:")
    andes.file.write_text(text)
    assert andes.run("operators", "list", "andes", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["operators"]
    assert listed["ana"][0]["fingerprint"].startswith("SHA256:")
    assert [listed[name][0]["opens_secrets"] for name in ("ana", "luz")] == [True, False]
    assert andes.run("operators", "list", "andes", key="eva") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["luz", "ana"] and "not yet" not in lines[0]


def test_add_asks_for_the_fingerprint(andes: Andes, capsys: pytest.CaptureFixture[str]) -> None:
    text = andes.file.read_text()
    source = str(andes.folder / "luz.pub")
    assert andes.run("operators", "add", "andes", "luz", "--key", source) == 2
    assert "add: --yes" in capsys.readouterr().err
    assert andes.file.read_text() == text


def test_add_undoes_its_change_if_the_secrets_cannot_be_opened(
    andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    text, sealed = andes.file.read_text(), andes.region.secrets_file.read_bytes()
    argv = ["operators", "add", "andes", "luz", "--key", str(andes.folder / "luz.pub"), "--yes"]
    assert andes.run(*argv, key="eva") == 2
    assert "encrypted to other keys" in capsys.readouterr().err
    assert (andes.file.read_text(), andes.region.secrets_file.read_bytes()) == (text, sealed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is empty"),
        ("<html>", "this is not an SSH public key"),
        ("sk-ssh-ed25519@openssh.com AAAA luz", "keys of type sk-ssh-ed25519@openssh.com cannot"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
    ],
)
def test_add_refuses_what_is_no_usable_key(
    content: str, reason: str, andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    (andes.folder / "luz.pub").write_text(content)
    assert andes.add("luz") == 2
    assert reason in capsys.readouterr().err


class Page:
    """What a web server answers."""

    def __init__(self, body: bytes, status_code: int = 200) -> None:
        self.body, self.status_code = body, status_code

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def iter_content(self, size: int) -> Iterator[bytes]:
        yield self.body[:size]


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Page(b"x" * 50_000), "did not answer with a list of keys"),
        (Page(b"", 302), "did not answer with a list of keys \\(HTTP 302\\)"),
        (Page(b"ecdsa-sha2-nistp256 AAAA luz"), "has no key that can be used: keys of type ecdsa"),
        (OSError("no route"), "cannot be read: OSError"),
    ],
)
def test_page_without_keys_is_refused(
    page: Page | OSError, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(_: str, **options: object) -> Page:
        assert options["allow_redirects"] is False and options["timeout"]
        if isinstance(page, OSError):
            raise page
        return page

    monkeypatch.setattr(key_download.requests, "get", get)
    with pytest.raises(BadInput, match=reason):
        key_download.fetch_keys("https://git.example.org/luz.keys")


def test_usable_keys_of_a_page_are_added(andes: Andes, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f"ecdsa-sha2-nistp256 AAAA\n{andes.lines['luz']}\n{andes.lines['eva']}\n".encode()
    monkeypatch.setattr(key_download.requests, "get", lambda *_, **__: Page(body))
    url = "https://git.example.org/luz.keys"
    assert andes.run("operators", "add", "andes", "luz", "--key", url, "--yes") == 0
    assert andes.region.region.operators["luz"] == (andes.lines["luz"], andes.lines["eva"])
    assert andes.opened("eva")["receipt_key"] == andes.store["receipt_key"]


def test_keys_are_fetched_only_over_https() -> None:
    with pytest.raises(BadInput, match="is not an https:// address"):
        key_download.fetch_keys("http://git.example.org/luz.keys")


def test_removed_operator_opens_nothing_and_all_they_read_is_new(
    andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    andes.file.write_text(andes.file.read_text() + "")
    assert andes.add("luz") == 0
    before = andes.opened("luz")
    old = andes.region.secrets_file.read_bytes()
    capsys.readouterr()
    assert andes.run("operators", "remove", "andes", "luz", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert "canary" not in json.dumps(said)
    assert andes.region.region.operators.keys() == {"ana"}
    with pytest.raises(BadInput, match="encrypted to other keys"):
        andes.opened("luz")
    after = andes.opened()
    kept = {MAIL, "backup_passphrase_bog1", "backup_passphrase_med1"}
    same = {name for name in after.names if before[name] == after[name]}
    assert same == kept and after.names == before.names
    assert set(said["changed"]) == set(before.names) - kept
    assert set(said["due"]) == {MAIL} and set(said["kept"]) == kept - {MAIL}
    assert said["nodes"] == ["bog1", "med1"]
    assert after.due.keys() == {MAIL} and "luz left on 20" in after.due[MAIL]
    assert after.undeployed.keys() == {"bog1", "med1"}
    # The old file stays in git and can be opened, but its values are no longer used.
    andes.region.secrets_file.write_bytes(old)
    assert andes.opened("luz")["receipt_key"] != after["receipt_key"]


def test_set_settles_what_is_due(andes: Andes, monkeypatch: pytest.MonkeyPatch) -> None:
    andes.add("luz")
    andes.run("operators", "remove", "andes", "luz")
    # The old value is refused: otherwise, the change would seem to be done.
    for typed, code, due in (("canary-relay", 2, {MAIL}), ("canary-other", 0, set())):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        assert andes.run("secrets", "set", "andes", MAIL) == code
        assert andes.opened().due.keys() == due


def test_operator_who_could_not_read_the_secrets_causes_no_new_ones(
    andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    text = andes.file.read_text().replace("  ana:", f"  luz: {andes.lines['luz']}\n  ana:")
    andes.file.write_text(text)
    sealed = andes.region.secrets_file.read_bytes()
    assert andes.run("operators", "remove", "andes", "luz") == 0
    assert "no secret was replaced" in capsys.readouterr().out
    assert andes.region.secrets_file.read_bytes() == sealed


def test_key_that_stays_under_another_name_causes_no_new_secrets(andes: Andes) -> None:
    andes.add("luz")
    text = andes.file.read_text()
    andes.file.write_text(text.replace("  ana:", f"  luisa: {andes.lines['luz']}\n  ana:"))
    before = andes.opened()
    assert andes.run("operators", "remove", "andes", "luz") == 0
    assert andes.opened().has_same_content(before)


def test_only_operator_and_unknown_one_are_not_removed(
    andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert andes.run("operators", "remove", "andes", "ana") == 2
    assert "is the only operator" in capsys.readouterr().err
    assert andes.run("operators", "remove", "andes", "anna") == 2
    assert "did you mean ana?" in capsys.readouterr().err


def test_operator_cannot_remove_the_own_key(
    andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    andes.add("luz")
    text = andes.file.read_text()
    assert andes.run("operators", "remove", "andes", "ana") == 2
    assert "you would not be able to decrypt" in capsys.readouterr().err
    assert andes.file.read_text() == text


def test_key_removed_by_hand_is_said(andes: Andes, capsys: pytest.CaptureFixture[str]) -> None:
    andes.add("luz")
    andes.file.write_text(
        "".join(x for x in andes.file.read_text().splitlines(True) if " luz:" not in x)
    )
    saved = load_and_complete_secrets(andes.region, [andes.folder / "ana"], {})
    assert "deploy secrets rotate andes --all" in saved.notices[0]
    assert load_and_complete_secrets(andes.region, [andes.folder / "ana"], {}).notices == []


def test_rotate_replaces_only_the_named_secret(
    andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert andes.run("secrets", "rotate", "andes", "jitsi_member_marta") == 0
    assert "Give the member the new password." in capsys.readouterr().out
    after = andes.opened()
    assert [name for name in after.names if after[name] != andes.store[name]] == [
        "jitsi_member_marta"
    ]
    assert after.undeployed.keys() == {"bog1"} and after.due == {}


@pytest.mark.parametrize(
    ("secret", "reason"),
    [(MAIL, "at the provider of the mail relay"), ("backup_passphrase_bog1", "could not be read")],
)
def test_rotate_refuses_what_a_deploy_cannot_apply(
    secret: str, reason: str, andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = andes.region.secrets_file.read_bytes()
    assert andes.run("secrets", "rotate", "andes", secret) == 2
    said = capsys.readouterr().err
    assert "cannot be replaced by a generated value" in said and reason in said
    assert andes.region.secrets_file.read_bytes() == sealed


@pytest.mark.parametrize("argv", [[], ["jitsi_key", "--all"], ["jitsi_kye"]])
def test_rotate_needs_known_names_or_all(argv: list[str], andes: Andes) -> None:
    assert andes.run("secrets", "rotate", "andes", *argv) == 2


def test_rotate_all_deletes_what_no_service_uses(andes: Andes) -> None:
    update_secrets(
        andes.region, [andes.folder / "ana"], (),
        lambda opened: opened.with_values({"of_an_old_service": "x", "backup_borg_key_a_b": KEY}),
    )  # fmt: skip
    assert andes.run("secrets", "rotate", "andes", "--all") == 0
    after = andes.opened()
    assert "of_an_old_service" not in after and after["backup_borg_key_a_b"] == KEY
    assert after.due.keys() == {MAIL}
    assert after.recipients == recipients_of(andes.region)
    assert open_secrets(andes.region, [andes.folder / "ana"]).notices == []


KEY = "BORG_KEY " + "ab" * 32 + "\naGVsbG8=\n"
