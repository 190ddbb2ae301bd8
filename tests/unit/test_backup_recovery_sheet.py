"""The recovery sheet has everything that a stranger needs, in a form that can be typed."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
from test_backup_restore import REGION, load

from chautari import language
from chautari.backup.paper_key import paper_key_lines
from chautari.backup.recovery_sheet import recovery_sheet, repositories_without_stored_key
from chautari.backup.restore_order import NodeContextSource
from chautari.cli.recovery_sheet import _write_private_file
from chautari.errors import BadInput
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.secrets.store import SecretStore

KEY_BYTES = bytes(range(40))
EXPORTED = f"BORG_KEY {'a0' * 32}\n{base64.b64encode(KEY_BYTES).decode()}\n"
LOGIN_KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----\n"
)
SECRETS = SecretStore(
    {
        "backup_passphrase_bog1": "canary passphrase",
        "backup_login_key_bog1": LOGIN_KEY,
        "backup_passphrase_bog2": "other passphrase",
        "backup_login_key_bog2": LOGIN_KEY,
        "backup_borg_key_bog1_box": EXPORTED,
    },
    (),
)


@pytest.fixture
def source(tmp_path: Path) -> NodeContextSource:
    return source_in_language(tmp_path, "en")


def source_in_language(folder: Path, language: str) -> NodeContextSource:
    """Return the sample region, with `language` as the first of its users."""
    text = REGION.replace("languages: [es]", f"languages: [{language}]")
    assert f"[{language}]" in text
    return NodeContextSource(load(folder, text), PUBLIC_INTERNET)


def test_sheet_has_addresses_keys_and_commands(source: NodeContextSource) -> None:
    text = recovery_sheet(source, SECRETS, 1764460000)
    for part in (
        "203.0.113.20", "canary passphrase", "BEGIN OPENSSH PRIVATE KEY", "deploy restore andes",
        "/mnt/backup/andes/bog1", "ssh://u1@box.example.org:23/./chautari/andes/bog1",
        "borg key import --paper", "2025-11-29", "ops@andes.example.org", "are read from disk.",
        "export BORG_RSH='ssh -i login_key -o UserKnownHostsFile=known_hosts'",
    ):  # fmt: skip
        assert part in text
    assert " 1: 000102 030405" in text
    assert "not in secrets.age yet: backup_borg_key_bog1_disk" in text
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize(
    ("first", "title"),
    [("es", "HOJA DE RECUPERACIÓN DE LA REGIÓN ANDES"), ("pt", "FOLHA DE RECUPERAÇÃO"),
     ("qu, es", "HOJA DE RECUPERACIÓN"), ("hi", "RECOVERY SHEET")],
)  # fmt: skip
def test_sheet_is_in_the_language_of_the_region(tmp_path: Path, first: str, title: str) -> None:
    english = recovery_sheet(source_in_language(tmp_path, "en"), SECRETS, 1764460000)
    language.use_english_only(True)  # as with --json: the sheet is for people anyway
    text = recovery_sheet(source_in_language(tmp_path, first), SECRETS, 1764460000)
    language.use_english_only(False)
    assert title in text and language.current() == "en"
    lines = {line.strip() for line in text.splitlines()}
    assert {"deploy restore andes", "borg key import --paper REPOSITORY"} <= lines
    assert max(len(line) for line in text.splitlines()) <= 80
    if first != "hi":
        kept = {line.strip() for line in english.splitlines() if len(line.split()) > 3} & lines
        assert [line for line in kept if line.endswith((".", ":"))] == []


def test_missing_keys_are_reported(source: NodeContextSource) -> None:
    assert repositories_without_stored_key(source, SECRETS) == [
        "bog1 in disk",
        "bog2 in disk",
        "bog2 in box",
    ]


def test_paper_key_has_a_checksum_for_each_line() -> None:
    lines = paper_key_lines(EXPORTED)
    assert lines[0].startswith("id: 3 / a0a0a0 a0a0a0 a0a0a0 / ")
    assert len(lines) == 4 and all(line[-5:-2] == " - " or " - " in line for line in lines)
    with pytest.raises(ValueError, match="not an exported borg key"):
        paper_key_lines("something else")


def test_sheet_is_written_for_one_account_only(tmp_path: Path) -> None:
    file = tmp_path / "sheet.txt"
    old = os.umask(0)
    try:
        _write_private_file(file, "secret")
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(BadInput, match="already exists"):
        _write_private_file(file, "secret")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput):
        _write_private_file(tmp_path / "link", "secret")
    assert not (tmp_path / "elsewhere").exists()
