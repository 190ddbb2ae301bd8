"""Words that are not known: the nearest one is proposed, on the command line too."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from cli_samples import inventories

from chautari.cli import main
from chautari.cli.usage_errors import corrected_command
from chautari.suggestions import fix_for_unknown_word, nearest_word

__all__ = ["inventories"]


def test_nearest_word_takes_any_case_and_small_mistakes() -> None:
    assert nearest_word("NextClod", ["jitsi", "nextcloud"]) == "nextcloud"
    assert nearest_word("xyz", ["jitsi", "nextcloud"]) is None


@pytest.mark.parametrize(
    ("word", "known", "fix"),
    [
        ("jitis", ["jitsi", "polls"], "did you mean jitsi? Known: jitsi, polls"),
        ("zzz", ["jitsi", "polls"], "use one of: jitsi, polls"),
        ("jitis", ["jitsi"], "did you mean jitsi?"),
        ("name", [f"name{n}" for n in range(40)], "did you mean name9?"),
        ("name", [], "there is none yet"),
    ],
)
def test_fix_lists_known_words_where_they_are_few(word: str, known: list[str], fix: str) -> None:
    assert fix_for_unknown_word(word, known).startswith(fix[:-2])


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        ("regoin andes", "deploy region andes"),
        ("REGION andes", "deploy region andes"),
        ("region andes --jsn", "deploy region andes --json"),
        ("region andes --paralel=4", "deploy region andes --parallel=4"),
        ("federation jion andes", "deploy federation join andes"),
        ("secrets shw andes x", "deploy secrets show andes x"),
        ("dns andes --format zonne", "deploy dns andes --format zone"),
        ("dns andes --format=zonne", "deploy dns andes --format=zone"),
        ("completion bsh", "deploy completion bash"),
    ],
)
def test_command_line_is_corrected(
    arguments: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments.split()) == 2
    assert f"Fix: did you mean: {fix}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        ("region andes --node bog2", "did you mean bog1? Known: bog1, med1"),
        ("region andes --canary mde1", "did you mean med1? Known: bog1, med1"),
        ("move andes bigblubutton --to bog1", "did you mean bigbluebutton?"),
        ("move andes bigbluebutton --to bog1 --release 3.O", "did you mean 3.0?"),
        ("secrets show andes nextclod_admin_password", "did you mean nextcloud_admin_password?"),
        ("secrets set andes mail_rely_password", "did you mean mail_relay_password?"),
        ("region andez", "did you mean andes?"),
        ("federation leave andes himalya", "did you mean himalaya?"),
        ("explain langages", "did you mean: deploy explain languages"),
        ("capacity andes --assume bgo1:cores=1", "did you mean bog1?"),
        ("regoin andes", "did you mean: deploy region andes --json"),
        ("federation jion andes", "did you mean: deploy federation join andes --json"),
    ],
)
def test_errors_of_input_are_json_with_the_nearest_word(
    arguments: str, fix: str, inventories: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peers = inventories / "andes" / "peers"
    peers.mkdir()
    (peers / "himalaya.json").write_text("{}")
    assert main.run([*shlex.split(arguments), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False and found["error"]["exit_code"] == 2
    if not arguments.startswith("secrets"):  # these commands have no --json
        assert found["error"]["fix"].startswith(fix)


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        ("secrets show andes nextclod_admin_password", "did you mean nextcloud_admin_password?"),
        ("secrets set andes mail_rely_password", "did you mean mail_relay_password?"),
    ],
)
def test_secrets_are_proposed(arguments: str, fix: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments.split()) == 2
    assert fix in capsys.readouterr().err


def test_corrected_command_can_be_pasted() -> None:
    text = corrected_command(["regoin", "my region; rm -rf /"], "regoin", "region")
    assert shlex.split(text) == ["deploy", "region", "my region; rm -rf /"]


def test_control_characters_in_arguments_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["regoin", "\x1b[31mx"]) == 2
    assert "\x1b" not in capsys.readouterr().err
