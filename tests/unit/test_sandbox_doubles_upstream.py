"""The doubles of Nextcloud, Greenlight and Scalelite know nothing that upstream's do not know."""

import re
from pathlib import Path

import pytest
from region_samples import ROOT

from chautari.files import read_toolkit_yaml

DOUBLES = ROOT / "tool/chautari_sandbox/doubles"
FACTS = ROOT / "tests/fixtures/upstream"
COMMANDS = read_toolkit_yaml(FACTS / "nextcloud.yml")
OPTION = re.compile(r"'([a-z][a-z-]*)(?:\|\w)?' =>")
TASK = re.compile(r'"([a-z]+(?::[a-z_]+)+)"')


def brackets(text: str) -> list[str]:
    """Return the outermost lists of PHP code, as text."""
    found, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        if sign == "[":
            start, depth = (position if depth == 0 else start), depth + 1
        elif sign == "]":
            depth -= 1
            if depth == 0:
                found.append(text[start : position + 1])
        elif sign == ")" and depth == 0:
            break
    return found


def commands_of_double() -> dict[str, tuple[set[str], set[str]]]:
    """Return arguments and options of each command that the double of Nextcloud has."""
    commands: dict[str, tuple[set[str], set[str]]] = {}
    for file in (DOUBLES / "nextcloud/lib/double/Console").glob("*.php"):
        for part in re.split(r"new Command\(\s*", file.read_text())[1:]:
            named = re.match(r"'([a-z:-]+)'", part)
            if named is None:
                continue
            # The description and the method stand before the lists.
            rest = part.partition("(...),")[2]
            shared = re.match(r"\s*\$\w+,", rest)
            lists = [*([""] if shared else []), *brackets(rest), "", ""]
            arguments, options = (set(OPTION.findall(text)) for text in lists[:2])
            commands[named[1]] = arguments, options
    return commands


def test_commands_of_occ_exist_in_nextcloud() -> None:
    commands = commands_of_double()
    assert {"user:add", "config:system:set", "maintenance:mode", "app:enable"} <= set(commands)
    assert set(commands) <= set(COMMANDS)


@pytest.mark.parametrize("name", sorted(commands_of_double()))
def test_command_of_occ_has_only_nextcloud_s_arguments_and_options(name: str) -> None:
    arguments, options = commands_of_double()[name]
    assert arguments <= set(COMMANDS[name]["arguments"])
    assert options <= set(COMMANDS[name]["options"])


@pytest.mark.parametrize("image", ["greenlight", "scalelite"])
def test_tasks_of_an_image_exist_upstream(image: str) -> None:
    facts = read_toolkit_yaml(FACTS / f"{image}.yml")
    tasks = set(TASK.findall((DOUBLES / f"containers/{image}.py").read_text()))
    assert tasks, "no task was found"
    assert tasks <= set(facts["tasks"])


@pytest.mark.parametrize("image", ["greenlight", "scalelite"])
def test_environment_of_an_image_is_known_upstream(image: str) -> None:
    facts = set(read_toolkit_yaml(FACTS / f"{image}.yml")["environment"])
    [template] = (ROOT / f"roles/{image}/templates").glob("*env*")
    given = set(re.findall(r"^([A-Z][A-Z_]+)=", template.read_text(), re.M))
    assert {"SECRET_KEY_BASE", "URL_HOST"} <= given <= facts
    text = "".join(
        Path(DOUBLES / f"containers/{name}.py").read_text() for name in (image, "common")
    )
    assert set(re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', text)) <= facts
