"""`deploy migrate` changes the names of keys, and nothing else."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chautari import __version__
from chautari.cli import main
from chautari.errors import BadInput, InvalidRegion
from chautari.migration import region_key_renaming
from chautari.migration.region_key_renaming import rewrite_region_text, write_region_text
from chautari.region import renamed_keys, yaml_reader
from chautari.region.load import load_region
from chautari.region.renamed_keys import RenamedKey

OLD = """\
# र्‍य: a comment before the keys
region: andes    # the name
domain: andes.example.org
contact: ops@andes.example.org
sandbox:
  network: 203.0.113.0/24
  "stand_in":   {ubuntu-22.04: {os: debian-12, memory_mb: 900, cores: 1}}  # stand_in: বাংলা
nodes:
  bog1: {address: 203.0.113.20}   # stand_in
"""
NEW = OLD.replace('"stand_in":', "os_substitutes:").replace(
    "# the name\n", f"# the name\ntoolkit: {__version__}\n"
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a region that has a key with its old name."""
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    file = tmp_path / "andes" / "region.yml"
    file.parent.mkdir()
    file.write_text(OLD, encoding="utf-8")
    return file


def migrated(file: Path, text: str) -> str:
    return rewrite_region_text(file, text, __version__).new


def refusals(file: Path, text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(InvalidRegion) as refused:
        rewrite_region_text(file, text, __version__)
    return [(item.line, item.where, item.message) for item in refused.value.problems]


def test_migrate_changes_only_names_and_records_the_version(file: Path) -> None:
    file.chmod(0o640)
    assert main.run(["migrate", "andes", "--yes"]) == 0
    assert file.read_text(encoding="utf-8") == NEW
    assert file.stat().st_mode & 0o777 == 0o640
    region = load_region(file).region
    assert region.toolkit == __version__
    assert region.sandbox is not None and "ubuntu-22.04" in region.sandbox.os_substitutes
    assert [entry.name for entry in file.parent.iterdir()] == ["region.yml"]


def test_migrate_twice_writes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(NEW, encoding="utf-8")
    before = file.stat()
    assert main.run(["migrate", "andes", "--yes"]) == 0
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert "there is nothing to write" in capsys.readouterr().out


def test_migrate_shows_the_difference_and_writes_nothing_without_an_answer(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main.run(["migrate", "andes"]) == 2
    out, err = capsys.readouterr()
    assert '\n-  "stand_in":' in out and "\n+  os_substitutes:" in out
    assert f"\n+toolkit: {__version__}\n" in out
    assert "add --yes" in err
    assert file.read_text(encoding="utf-8") == OLD


def test_migrate_json_writes_only_with_yes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*options: str) -> dict[str, Any]:
        assert main.run(["migrate", "andes", "--json", *options]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    plan = run()
    assert (plan["changed"], plan["written"], plan["since"]) == (True, False, None)
    assert plan["renamed"] == [
        {"old": "sandbox.stand_in", "new": "sandbox.os_substitutes", "release": "0.1.0"}
    ]
    assert file.read_text(encoding="utf-8") == OLD
    assert run("--yes")["written"] is True
    again = run("--yes")
    assert (again["changed"], again["written"], again["since"]) == (False, False, __version__)
    assert again["changes"] == again["general_changes"] == []


def test_validate_names_the_command_that_renames(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["validate", "andes"]) == 2
    assert "write os_substitutes instead, or run: deploy migrate andes\n" in capsys.readouterr().err


def test_file_that_changed_meanwhile_is_not_replaced(file: Path) -> None:
    found = rewrite_region_text(file, OLD, __version__)
    file.write_text(OLD + "# mine\n", encoding="utf-8")
    with pytest.raises(BadInput, match="changed while"):
        write_region_text(file, found)
    assert file.read_text(encoding="utf-8") == OLD + "# mine\n"


def test_symbolic_link_and_byte_order_mark_stay(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "andes-in-git.yml"
    target.write_text("\ufeff" + OLD, encoding="utf-8")
    file.unlink()
    file.symlink_to(target)
    assert main.run(["migrate", "andes", "--yes"]) == 0
    assert file.is_symlink()
    assert target.read_text(encoding="utf-8") == "\ufeff" + NEW


def test_line_ends_of_windows_stay(file: Path) -> None:
    assert migrated(file, OLD.replace("\n", "\r\n")) == NEW.replace("\n", "\r\n")


def test_migrate_works_without_libyaml(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_reader, "_LOADER", yaml.SafeLoader)
    assert migrated(file, OLD) == NEW


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("region: andes", f"region: andes\ntoolkit: {__version__}"),
        ('"region": "andes" # x', f'"region": "andes" # x\ntoolkit: {__version__}'),
        ("toolkit: 0.0.9 # x\nregion: andes", f"toolkit: {__version__} # x\nregion: andes"),
        ("region: andes\ntoolkit: '0.0.9'", f"region: andes\ntoolkit: {__version__}"),
    ],
)
def test_version_is_written_in_place(file: Path, head: str, expected: str) -> None:
    rest = "\ndomain: andes.example.org\ncontact: a@example.org\nnodes: {b: {address: 8.8.8.8}}"
    assert migrated(file, head + rest) == expected + rest


def test_version_is_written_into_a_file_of_one_line(file: Path) -> None:
    text = "{domain: andes.example.org, contact: a@example.org, nodes: {b: {address: 8.8.8.8}}, "
    assert (
        migrated(file, text + "region: andes}") == f"{text}region: andes, toolkit: {__version__}}}"
    )


def test_key_under_both_names_is_refused(file: Path) -> None:
    text = OLD.replace("  network:", "  os_substitutes: {}\n  network:")
    [(line, where, message)] = refusals(file, text)
    assert (line, where) == (8, "sandbox.stand_in")
    assert "os_substitutes, which is also in this file" in message


def test_problems_that_the_old_name_hid_are_refused_at_their_lines(file: Path) -> None:
    text = OLD.replace("bog1: {address: 203.0.113.20}", "bog1: {address: 198.51.100.20}")
    [(line, where, _)] = refusals(file, text)
    assert (line, where) == (9, "nodes.bog1.address")


def test_other_mistakes_of_the_file_do_not_stop_it(file: Path) -> None:
    found = migrated(file, OLD.replace("contact: ops@andes.example.org", "contact: no-address"))
    assert "  os_substitutes:" in found and "contact: no-address\n" in found


def test_duplicate_keys_and_broken_yaml_are_refused(file: Path) -> None:
    assert "appears twice" in refusals(file, OLD + "contact: a@example.org\n")[0][2]
    assert refusals(file, OLD + "nodes: [\n")


def test_file_for_a_newer_version_is_refused_before_anything_else(file: Path) -> None:
    text = f"unknown: 1\ntoolkit: 99.0.0\n{OLD}"
    [(line, where, message)] = refusals(file, text)
    assert (line, where) == (2, "toolkit")
    assert message.startswith(
        f"this file was written for Chautari 99.0.0, but this is Chautari {__version__}; "
    )
    file.write_text(text, encoding="utf-8")
    assert main.run(["plan", "andes"]) == 2
    with pytest.raises(InvalidRegion) as refused:
        load_region(file)
    assert [item.where for item in refused.value.problems] == ["toolkit"]


def test_key_that_was_renamed_twice_and_keys_in_it_are_followed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        renamed_keys,
        "RENAMES",
        (
            RenamedKey(("sandbox", "doubles"), "stand_in", "0.0.8"),
            RenamedKey(("sandbox", "stand_in"), "os_substitutes", "0.1.0"),
            RenamedKey(("nodes", renamed_keys.ANY, "ip"), "address", "0.1.0"),
            RenamedKey(("sandbox", "os_substitutes", "*", "ram"), "memory_mb", "0.2.0"),
        ),
    )
    text = (
        OLD.replace('"stand_in"', "doubles").replace("memory_mb", "ram").replace("{address", "{ip")
    )
    found = rewrite_region_text(file, text, __version__)
    assert found.new == NEW
    assert [".".join(map(str, item.new)) for item in found.renamed] == [
        "sandbox.stand_in", "nodes.bog1.address", "sandbox.os_substitutes",
        "sandbox.os_substitutes.ubuntu-22.04.memory_mb",
    ]  # fmt: skip


def test_renames_that_lead_back_are_a_bug(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    circle = (
        RenamedKey(("sandbox", "stand_in"), "other", "0.1.0"),
        RenamedKey(("sandbox", "other"), "stand_in", "0.2.0"),
    )
    monkeypatch.setattr(renamed_keys, "RENAMES", circle)
    with pytest.raises(AssertionError, match="cycle"):
        region_key_renaming._rename_old_keys(file, OLD)
