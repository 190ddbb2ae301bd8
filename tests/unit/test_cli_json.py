"""With --json, every command prints exactly one JSON object, also if its input is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from region_samples import FIXTURES

from chautari.cli import main
from chautari.errors import ChautariError, split_fix
from chautari.region.load import load_region

BROKEN = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
timezone: America/Bogotá
sandbox:
  network: 203.0.113.0/24
  stand_in: {}
nodes:
  bog1: {address: 203.0.113.20}
"""
KEYS = ["code", "file", "line", "column", "where", "message", "fix"]
# What the arguments of commands mean, so that only the region is wrong.
WORDS = {
    "service": "nextcloud", "service_command": "occ", "words": "status", "node": "bog1",
    "secret": "mail_relay_password", "url": "https://peer.example.org", "peer": "himalaya",
    "fault": "full-disk", "operator": "ana", "secrets": "mail_relay_password",
}  # fmt: skip
OPTIONS = {"output": ["--output", "out"], "to": ["--to", "bog1"], "source": ["--key", "luz.pub"]}


class Command(NamedTuple):
    """A command, with the words that call it."""

    words: tuple[str, ...]
    command: click.Command

    @property
    def name(self) -> str:
        """Return the words as a person types them."""
        return " ".join(self.words)


def all_commands() -> Iterator[Command]:
    """Yield every command that is no group, as the parser knows it."""
    todo: list[Command] = [Command((), main.deploy)]
    while todo:
        words, found = todo.pop()
        if not isinstance(found, click.Group):
            yield Command(words, found)
            continue
        context = click.Context(found)
        for name in found.list_commands(context):
            child = found.get_command(context, name)
            assert child is not None
            todo.append(Command((*words, name), child))


COMMANDS = sorted(all_commands(), key=lambda item: item.words)
OF_REGIONS = [
    item
    for item in COMMANDS
    if item.name not in ("init",)
    and any(param.name in ("name", "names", "regions") for param in item.command.params)
]


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Run a command with wrong input, and return its only object."""
    code = main.run(arguments)
    output = capsys.readouterr()
    found: dict[str, Any] = json.loads(output.out)
    assert output.out.isascii() and next(iter(found)) == "ok" and found["ok"] is False
    assert found["errors"], output.out
    for error in found["errors"]:
        assert list(error) == KEYS
        assert error["code"] and error["message"] and error["fix"], error
        assert (error["line"] is None) == (error["column"] is None)
        assert error["line"] is None or (error["file"] and error["line"] > 0)
    assert code == 2, output.err
    assert output.err.strip(), "people see it too"
    if "error" in found:
        assert found["error"]["exit_code"] == code
    return found


def arguments_for(item: Command, region: str) -> list[str]:
    """Return a command line in which only the region is wrong."""
    positional = []
    for param in item.command.params:
        if isinstance(param, click.Argument):
            name = param.name or ""
            positional.append(region if name in ("name", "names", "regions") else WORDS[name])
    options = [word for param in item.command.params for word in OPTIONS.get(param.name or "", [])]
    return [*item.words, positional[0], "--json", *options, *positional[1:]]


def test_all_commands_are_known() -> None:
    assert {item.words[0] for item in COMMANDS} == set(main.COMMANDS)
    assert len(COMMANDS) > 40 and len(OF_REGIONS) > 35


@pytest.mark.parametrize("item", COMMANDS, ids=lambda item: item.name)
def test_command_has_the_option(item: Command) -> None:
    assert "--json" in [name for param in item.command.params for name in param.opts]


@pytest.mark.parametrize("item", COMMANDS, ids=lambda item: item.name)
def test_unknown_option_is_one_object(item: Command, capsys: pytest.CaptureFixture[str]) -> None:
    [error] = fails([*item.words, "--no-such-option", "--json"], capsys)["errors"]
    assert (error["code"], error["file"], error["line"]) == ("usage", None, None)


@pytest.mark.parametrize("item", OF_REGIONS, ids=lambda item: item.name)
def test_unknown_region_is_one_object(
    item: Command,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    [error] = fails(arguments_for(item, "atlantis"), capsys)["errors"]
    assert error["code"] == "unknown_region" and "atlantis" in error["message"]


@pytest.mark.parametrize("item", OF_REGIONS, ids=lambda item: item.name)
def test_mistakes_of_a_file_are_one_object(
    item: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "andes" / "region.yml"
    file.parent.mkdir()
    file.write_text(BROKEN, encoding="utf-8")
    if item.name == "migrate":  # it repairs the other mistake
        file.write_text(BROKEN.replace("stand_in", "os_substitutes: {}\n  stand_in"), "utf-8")
    errors = fails(arguments_for(item, str(file)), capsys)["errors"]
    assert {error["file"] for error in errors} == {str(file)}
    renamed = errors[-1]
    assert (renamed["code"], renamed["where"]) == ("renamed_key", "sandbox.stand_in")
    assert renamed["message"].startswith("Chautari 0.1.0 renamed this key to os_substitutes")
    if item.name != "migrate":
        zone = errors[0]
        assert (zone["code"], zone["line"], zone["column"]) == ("invalid_value", 4, 1)
        assert zone["fix"].startswith("write America/Bogota")
        assert renamed["fix"].endswith(f"or run: deploy migrate {file}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json"], ["regoin", "andes", "--json"], ["explain", "nosuchkey", "--json"],
        ["completion", "tcsh", "--json"], ["init", "A b", "--json"], ["plan", "--json"],
        ["init", "andes", "--json"], ["secrets", "--json"], ["backup", "--json"],
        ["backup", "recovery-sheet", "demo", "--json"], ["run", "demo", "--json", "--terminal"],
        ["dns", "demo", "--format", "zone", "--json"], ["ssh", "demo", "cloud", "--json"],
        ["logs", "demo", "nextcloud", "--follow", "--json"], ["explain", "--json", "a", "b"],
        ["capacity", "demo", "--assume", "x", "--json"], ["status", "demo", "x", "--json"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_other_mistakes_are_one_object(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fails(arguments, capsys)


@pytest.mark.parametrize(
    "arguments",
    [["explain", "quota"], ["completion", "bash"], ["status"], ["validate", "demo"],
     ["secrets", "list", "demo"], ["report", "demo", "--list"], ["run", "demo"],
     ["migrate", "demo"]],
    ids=" ".join,
)  # fmt: skip
def test_result_is_one_object(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main.run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert next(iter(found)) == "ok" and found["ok"] is True


def test_option_of_a_command_on_a_node_is_not_ours(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["run", "atlantis", "occ", "--json"], ["ssh", "x", "y", "--", "a", "--json"]):
        assert main.run(arguments) == 2
        assert capsys.readouterr().out == ""


def test_request_is_forgotten_by_the_next_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", "atlantis", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["ok"] is False
    assert main.run(["plan", "atlantis"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("file", sorted((FIXTURES / "invalid").glob("*.yml")), ids=lambda x: x.stem)
def test_every_message_about_a_file_has_a_fix(file: Path) -> None:
    with pytest.raises(ChautariError) as refused:
        load_region(file)
    for error in refused.value.items():
        assert list(error) == KEYS
        assert error["file"] and error["line"] and error["code"]
        assert str(error["message"]).strip() and str(error["fix"]).strip()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("'a; b' is wrong; write c; or d", ("'a; b' is wrong", "write c; or d")),
        ("the region's key; write x's", ("the region's key", "write x's")),
        ('"a; b" is wrong; write c', ('"a; b" is wrong', "write c")),
        ("`a; b` is wrong; write c", ("`a; b` is wrong", "write c")),
        ("write one line", ("write one line", "write one line")),
        ("unknown key; did you mean x?", ("unknown key", "did you mean x?")),
    ],
)
def test_fix_begins_after_the_first_semicolon_outside_of_quotes(
    text: str, parts: tuple[str, str]
) -> None:
    assert split_fix(text) == parts
