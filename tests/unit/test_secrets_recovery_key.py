"""A key of age on paper opens secrets.age when every SSH key is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from operator_samples import MAIL, Andes

from chautari.cli import main
from chautari.errors import BadInput, InvalidRegion
from chautari.secrets.completion import load_and_complete_secrets


@pytest.fixture
def andes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Andes:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CHAUTARI_KEY_PASSPHRASE", raising=False)
    return Andes(tmp_path)


def new_key(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    assert main.run(["secrets", "recovery-key", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    return made["public"], made["secret"]


@pytest.mark.parametrize("form", ["{}", "# created: today\n# public key: x\n{}\n", "lower"])
def test_recovery_key_opens_the_secrets(
    form: str, andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    public, secret = new_key(capsys)
    andes.file.write_text(f"{andes.file.read_text()}recovery:\n  safe: {public}\n")
    load_and_complete_secrets(andes.region, [andes.folder / "ana"], {})
    text = secret.lower() if form == "lower" else form.format(secret)
    (andes.folder / "paper").write_text(text)
    assert andes.run("secrets", "show", "andes", MAIL, key="paper") == 0
    assert capsys.readouterr().out == "canary-relay\n"
    assert andes.opened().recipients == (andes.lines["ana"], public)


def test_recovery_key_writes_together_with_the_key_of_a_new_operator(
    andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    public, secret = new_key(capsys)
    andes.file.write_text(f"{andes.file.read_text()}recovery: {{safe: {public}}}\n")
    load_and_complete_secrets(andes.region, [andes.folder / "ana"], {})
    (andes.folder / "paper").write_text(secret)
    with pytest.raises(BadInput, match="none of your SSH keys is listed under operators"):
        load_and_complete_secrets(andes.region, [andes.folder / "paper"], {MAIL: "canary-2"})
    text = andes.file.read_text().replace(andes.lines["ana"], andes.lines["luz"])
    andes.file.write_text(text)
    keys = [andes.folder / "paper", andes.folder / "luz"]
    load_and_complete_secrets(andes.region, keys, {MAIL: "canary-2"})
    assert andes.opened("luz")[MAIL] == "canary-2"
    with pytest.raises(BadInput, match="encrypted to other keys"):
        andes.opened("ana")


def test_damaged_or_secret_key_in_region_yml_is_refused(
    andes: Andes, capsys: pytest.CaptureFixture[str]
) -> None:
    public, secret = new_key(capsys)
    text = andes.file.read_text()
    last = "q" if public[-1] != "q" else "p"
    for value, reason in (
        (public[:-1] + last, "or it is damaged"),
        (public.upper(), "or it is damaged"),
        (andes.lines["ana"], "is not a public key for the program age"),
        (secret, "is the secret part of the key"),
    ):
        andes.file.write_text(f"{text}recovery: {{safe: '{value}'}}\n")
        with pytest.raises(InvalidRegion, match=reason) as refused:
            assert andes.region
        assert secret[20:] not in str(refused.value)
