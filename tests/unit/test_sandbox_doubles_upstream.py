"""The doubles of apps and images offer only what upstream offers."""

import re
from pathlib import Path

import pytest
from region_samples import ROOT

from chautari.toolkit_yaml import read_toolkit_yaml
from chautari_sandbox.doubles.release_archive import DISABLED_APPS, ENABLED_APPS

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


RELEASE = read_toolkit_yaml(FACTS / "nextcloud_release.yml")


def test_release_of_nextcloud_has_and_enables_only_upstream_s_apps() -> None:
    assert {*ENABLED_APPS, *DISABLED_APPS} <= set(RELEASE["apps"])
    assert set(ENABLED_APPS) <= set(RELEASE["enabled_apps"])


def test_setup_checks_of_nextcloud_exist_upstream_in_the_same_category() -> None:
    text = "".join(
        file.read_text() for file in (DOUBLES / "nextcloud/lib/double/Checks").glob("*Checks.php")
    )
    found = dict(re.findall(r"(?m)^ +'([A-Z][\w\\]+)' => \['(\w+)'", text))
    assert {"PhpModules", "CronInfo"} <= set(found)
    assert found.items() <= RELEASE["setup_checks"].items()


def test_system_settings_of_the_role_are_known_to_nextcloud() -> None:
    role = read_toolkit_yaml(ROOT / "roles/nextcloud/vars/main.yml")
    groups = [name for name in role if name.startswith("__nextcloud_settings")]
    assert len(groups) > 2
    for name in groups:
        assert set(role[name]) <= set(RELEASE["system_settings"]), name


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


FRAMADATE = read_toolkit_yaml(FACTS / "framadate.yml")
# Files with the double's own code, and what upstream's packaging adds.
OWN_FILES = {"README.md", "app/inc/pages.php", "app/inc/polls.php", "vendor/autoload.php"}


def test_framadate_s_double_has_only_files_of_upstream_s() -> None:
    folder = DOUBLES / "framadate"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files - OWN_FILES <= set(FRAMADATE["files"])


def test_settings_of_framadate_are_read_by_upstream_s_code() -> None:
    text = (ROOT / "roles/framadate/templates/config.php.j2").read_text()
    assert set(re.findall(r"^const (\w+)", text, re.M)) == set(FRAMADATE["constants"])
    listed = text.partition("$config = [")[2]
    assert set(re.findall(r"^ {4}'(\w+)' =>", listed, re.M)) <= set(FRAMADATE["config"])
    smtp = re.search(r"'smtp_options' => \[(.*)\]", listed)
    assert smtp and set(re.findall(r"'(\w+)' =>", smtp[1])) <= set(FRAMADATE["smtp_options"])


def test_languages_of_framadate_are_those_of_upstream_s() -> None:
    spoken = read_toolkit_yaml(ROOT / "roles/framadate/vars/main.yml")["__framadate_translations"]
    files = {Path(file).stem for file in FRAMADATE["files"] if file.startswith("locale/")}
    assert set(spoken) <= files


def test_forms_of_framadate_have_upstream_s_fields() -> None:
    text = "".join(file.read_text() for file in (DOUBLES / "framadate").rglob("*.php"))
    found = set(re.findall(r"\$_(?:POST|GET)\['(\w+)'\]", text))
    assert {"choices", "enddate", "control"} <= found <= set(FRAMADATE["fields"])


def test_tables_of_framadate_have_upstream_s_columns() -> None:
    text = (DOUBLES / "framadate/admin/migration.php").read_text()
    tables = re.findall(r"(?s)'([a-z]+)' => '(.*?)',\n", text)
    assert {name for name, _ in tables} == set(FRAMADATE["columns"])
    for name, columns in tables:
        found = {column.split()[0] for column in columns.split(",")} - {"KEY"}
        assert found <= set(FRAMADATE["columns"][name]), name
