"""`load` with every file of `tests/fixtures`, and the content of a loaded region."""

import re
import subprocess
import zoneinfo
from datetime import date
from pathlib import Path

import pytest
from region_samples import FIXTURES, KEY, load_sample_region, region_file

from chautari.errors import BadInput, InvalidRegion
from chautari.region import field_types, yaml_reader
from chautari.region.field_types import validate_timezone
from chautari.region.load import load_region
from chautari.region.locate import find_all_regions, find_region_file, region_names
from chautari.region.rules.warnings import EXAMPLE_KEY, find_warnings
from chautari.services.nextcloud.releases import RELEASES
from chautari.services.nextcloud.settings import Nextcloud
from chautari.services.registry import SERVICES

INVALID = FIXTURES / "invalid"
VALID = FIXTURES / "valid"


def cases(folder: Path) -> list[str]:
    files = [*folder.glob("*.yml"), *folder.glob("*/region.yml")]
    return sorted(str(file.relative_to(folder)) for file in files)


def expected_of(case: str) -> Path:
    file = Path(case)
    return INVALID / f"{file.parent.name or file.stem}.expected"


@pytest.mark.parametrize("case", cases(INVALID))
def test_load_refuses_with_exactly_the_expected_messages(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(INVALID)
    with pytest.raises(InvalidRegion) as refused:
        load_region(Path(case))
    known = ", ".join(SERVICES)
    assert str(refused.value) + "\n" == expected_of(case).read_text().replace("{services}", known)
    assert refused.value.exit_code == 2


def test_every_expected_message_belongs_to_a_file() -> None:
    assert {expected_of(case) for case in cases(INVALID)} == set(INVALID.glob("*.expected"))


@pytest.mark.parametrize("case", cases(VALID))
def test_load_accepts_valid_region(case: str) -> None:
    assert load_region(VALID / case).region.nodes


def test_load_accepts_the_demo_region() -> None:
    root = FIXTURES.parents[1] / "inventories"
    assert load_region(find_region_file("demo", root)).region.sandbox is not None


def test_load_returns_values_in_their_types() -> None:
    region = load_region(VALID / "everything.yml").region
    node = region.nodes["bog1"]
    assert (node.address, node.address6, node.port) == ("203.0.113.10", "2001:db8::10", 2222)
    assert region.nodes["med-2"].address == "2001:db8::20"
    assert region.languages == ("es", "pt_BR")
    assert [len(keys) for keys in region.operators.values()] == [1, 2]
    assert region.settings_of(Nextcloud).quota == "500 MB"


def test_load_reads_yaml_1_1_booleans_as_text() -> None:
    region = load_region(VALID / "yaml-words-are-text.yml").region
    assert (region.region, region.domain, region.country) == ("no", "on.example.org", "NO")
    assert region.languages == ("no",)
    assert list(region.nodes) == ["off"]
    assert list(region.operators) == ["yes"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"), ("yes", "yes"), ("on", "on"), ("022", "022"), ("12:30:45", "12:30:45"),
        ("0x16", "0x16"), ("1_000", "1_000"), ("2026-01-01", "2026-01-01"), ("true", True),
        ("False", False), ("null", None), ("", None), ("-7", -7), ("1.5", 1.5), (".inf", ".inf"),
        ("9" * 5000, "9" * 5000), ("=", "="),
    ],
)  # fmt: skip
def test_load_reads_plain_scalars_by_yaml_1_2(text: str, value: object) -> None:
    assert yaml_reader.parse_scalar(text) == value
    assert type(yaml_reader.parse_scalar(text)) is type(value)


def test_load_reports_shape_errors_of_all_parts_at_once(tmp_path: Path) -> None:
    file = region_file(tmp_path, "nodes: {{a: {{adress: x}}}}\nnodes: {{}}\nnodse: 1\n")
    with pytest.raises(InvalidRegion) as refused:
        load_region(file)
    wheres = {problem.where for problem in refused.value.problems}
    assert wheres == {"region", "domain", "contact", "nodes", "nodse"}


def test_load_reports_errors_of_lock_and_region_together(tmp_path: Path) -> None:
    file = region_file(tmp_path)
    file.write_text(file.read_text() + "region: andes\n")
    (file.parent / "artifacts.lock").write_text("nextcloud: 5\n")
    with pytest.raises(InvalidRegion) as refused:
        load_region(file)
    assert {problem.file.name for problem in refused.value.problems} == {
        "region.yml",
        "artifacts.lock",
    }


def test_load_reports_problems_in_the_order_of_lines(tmp_path: Path) -> None:
    file = region_file(tmp_path, "region: 1\ndomain: x\nz: 1\na: 1\n")
    with pytest.raises(InvalidRegion) as refused:
        load_region(file)
    lines = [problem.line for problem in refused.value.problems]
    assert lines == sorted(lines)


def test_load_accepts_a_release_of_the_lock() -> None:
    found = load_region(VALID / "pinned" / "region.yml")
    assert found.releases["nextcloud"]["34.0.9"].sha256 == "ab" * 32
    assert found.releases["nextcloud"]["34.0.4"] in RELEASES


def test_load_never_repeats_a_private_key() -> None:
    assert "b3BlbnNzaC" not in (INVALID / "operator-private-key.expected").read_text()


def test_find_accepts_a_name_a_folder_and_a_file(tmp_path: Path) -> None:
    file = region_file(tmp_path)
    assert find_region_file("andes", tmp_path) == file
    assert find_region_file(f"{file.parent}/", tmp_path) == file
    assert find_region_file(str(file), tmp_path) == file


@pytest.mark.parametrize("name", ["../andes", "andes.yml", "nowhere/region.yml"])
def test_find_refuses_path_that_is_no_region(name: str, tmp_path: Path) -> None:
    region_file(tmp_path)
    with pytest.raises(BadInput, match="no such file"):
        find_region_file(name, tmp_path / "andes")


def test_find_suggests_the_nearest_name(tmp_path: Path) -> None:
    region_file(tmp_path)
    with pytest.raises(BadInput, match="did you mean andes") as refused:
        find_region_file("andse", tmp_path)
    assert f"no region 'andse' under {tmp_path}/" in str(refused.value)


def test_find_names_the_command_that_creates_a_region(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="Fix: create the region: deploy init andes"):
        find_region_file("andes", tmp_path)
    with pytest.raises(BadInput, match=f"Fix: create {tmp_path}/NAME/region.yml"):
        find_all_regions(tmp_path)


@pytest.mark.parametrize("kind", ["absent", "file", "link to nowhere"])
def test_unusable_folder_of_regions_is_named(kind: str, tmp_path: Path) -> None:
    root = tmp_path / "regions"
    if kind == "file":
        root.touch()
    elif kind == "link to nowhere":
        root.symlink_to(tmp_path / "absent")
    for find in (find_all_regions, lambda root: find_region_file("andes", root)):
        with pytest.raises(BadInput, match=rf"{root}: .*\n.*set CHAUTARI_INVENTORIES"):
            find(root)
    assert region_names(root) == []


@pytest.mark.parametrize(
    ("name", "valid"),
    [("my_region", "my-region"), ("Andes 1", "andes-1"), ("-dash", "dash"), ("é", "e"),
     ("a" * 40, "a" * 31), ("अंदेस", "region-2"), ("andes.yml", "andes-yml"), ("taken_", "taken-2")],
)  # fmt: skip
def test_folder_with_an_invalid_name_is_renamed_by_the_fix(
    name: str, valid: str, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    file = region_file(tmp_path)
    folder = file.parent.rename(tmp_path / name)
    assert find_all_regions(tmp_path) == [name] and region_names(tmp_path) == []
    with pytest.raises(BadInput, match="is not a valid name; use up to 31") as refused:
        find_region_file(name, tmp_path)
    assert run_fix(refused.value.fix.removeprefix("run `").partition("`, then")[0])
    assert not folder.exists() and f"write `region: {valid}`" in refused.value.fix
    fixed = find_region_file(valid, tmp_path)
    fixed.write_text(fixed.read_text().replace("region: andes", f"region: {valid}"))
    assert load_region(fixed).region.region == valid


def test_region_in_a_folder_with_an_invalid_name_gets_one_fix(tmp_path: Path) -> None:
    folder = region_file(tmp_path).parent.rename(tmp_path / "my region")
    with pytest.raises(InvalidRegion, match=r"not a valid name; .*; rename the folder to andes$"):
        load_region(folder / "region.yml")


@pytest.mark.parametrize("name", ["regoin.yml", "Region.yml", "artifacts.lock"])
def test_path_with_a_typing_error_leads_to_the_region(name: str, tmp_path: Path) -> None:
    file = region_file(tmp_path)
    with pytest.raises(BadInput, match=rf"{name}: no such file\n  Fix: did you mean {file}"):
        find_region_file(str(file.with_name(name)), tmp_path)


@pytest.mark.parametrize("text", ["", "# nextcloud:\n", "---\n", "null\n"])
def test_lock_without_pins_is_named(text: str, tmp_path: Path) -> None:
    file = region_file(tmp_path)
    file.with_name("artifacts.lock").write_text(text)
    with pytest.raises(InvalidRegion, match="the file contains no pins") as refused:
        load_region(file)
    assert run_fix(str(refused.value).rpartition("or run ")[2])
    assert load_region(file).region.region == "andes"


def test_names_lists_regions_only(tmp_path: Path) -> None:
    region_file(tmp_path)
    (tmp_path / "empty").mkdir()
    assert region_names(tmp_path) == ["andes"]


def test_known_hosts_and_secrets_are_in_the_folder_of_the_region(tmp_path: Path) -> None:
    found = load_sample_region(tmp_path)
    assert found.known_hosts_file == tmp_path / "andes" / "known_hosts"
    assert found.secrets_file == tmp_path / "andes" / "secrets.age"


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("asia/kolkata", "Asia/Kolkata"), ("asia/katmandu", "Asia/Kathmandu"),
        ("bogota", "America/Bogota"), ("Lima ", "America/Lima"), ("Nepal", "Asia/Kathmandu"),
        ("Sri Lanka", "Asia/Colombo"),
        *((text, "Area/City,") for text in ("GMT-5", "Asia", "x" * 2000)),
    ],
)  # fmt: skip
def test_time_zone_in_another_spelling_is_proposed(text: str, zone: str) -> None:
    with pytest.raises(ValueError, match=f"is not a time zone; write {zone}"):
        validate_timezone(text)


def test_no_break_space_in_a_value_is_named(tmp_path: Path) -> None:
    file = region_file(tmp_path)
    text = file.read_text()
    assert "America/Bogota" in text
    file.write_text(text.replace("America/Bogota", "'America/\u00a0Bogota'"))
    with pytest.raises(InvalidRegion) as refused:
        load_region(file)
    assert "no-break space (U+00A0); type a normal space" in str(refused.value)


def test_unreadable_file_is_named_with_a_command(tmp_path: Path) -> None:
    with pytest.raises(InvalidRegion, match=f"it is a folder, not .*: ls -ldL {tmp_path}"):
        load_region(tmp_path)


def test_load_reports_a_missing_file_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InvalidRegion, match="cannot read the file: No such file or directory"):
        load_region(tmp_path / "region.yml")


def test_load_ignores_a_byte_order_mark(tmp_path: Path) -> None:
    file = region_file(tmp_path)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_region(file).region.region == "andes"


def test_operator_key_keeps_its_comment(tmp_path: Path) -> None:
    assert load_sample_region(tmp_path).region.operators["ana"] == (f"{KEY} ana@laptop",)


def test_time_zone_has_its_present_name() -> None:
    """Debian 13 has the old names in a package of its own, which no provider installs."""
    renamed = field_types._renamed_timezones()
    assert len(renamed) > 100 and not set(renamed) & set(renamed.values())
    for zone in zoneinfo.available_timezones() - {"Factory"}:
        if zone not in renamed:
            assert validate_timezone(zone) == zone
            continue
        with pytest.raises(ValueError, match=f"write {re.escape(renamed[zone])}$"):
            validate_timezone(zone)
        assert validate_timezone(renamed[zone])


@pytest.mark.parametrize(
    "text",
    ["", "/", ".", "..", "Factory", "America", "America/", "america/bogota", "America/../UTC",
     "posix/UTC", "right/UTC", "posixrules", "leapseconds", "zone.tab", "/etc/passwd"],
)  # fmt: skip
def test_load_refuses_an_invalid_time_zone(text: str) -> None:
    assert text not in zoneinfo.available_timezones() - {"Factory"}
    with pytest.raises(ValueError, match="is not a time zone"):
        validate_timezone(text)


@pytest.mark.parametrize("value", ["5", "35.0", "2024", "true", "0", "12"])
def test_hint_never_leads_to_the_next_error(value: str, tmp_path: Path) -> None:
    """What a message says to write instead is accepted in its place."""
    text = (VALID / "everything.yml").read_text()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = re.fullmatch(r"( *[a-z_0-9]+: )([^\[{#|>]+)( #.*)?", line)
        if not match:
            continue
        file = tmp_path / "hints.yml"
        file.write_text("\n".join([*lines[:number], match[1] + value, *lines[number + 1 :]]))
        try:
            load_region(file)
        except InvalidRegion as error:
            said = [p for p in error.problems if p.line == number + 1]
            for hint in (
                re.search(
                    r"write (?:[a-z_0-9]+: )?(\S+?)(?: without.*)?$|quotes: ('.*')$", p.message
                )
                for p in said
            ):
                if hint:
                    fixed = match[1] + (hint[1] or hint[2])
                    file.write_text("\n".join([*lines[:number], fixed, *lines[number + 1 :]]))
                    _assert_no_problem_on_line(file, number + 1)


def _assert_no_problem_on_line(file: Path, line: int) -> None:
    try:
        load_region(file)
    except InvalidRegion as error:
        assert [problem for problem in error.problems if problem.line == line] == []


@pytest.mark.parametrize("other", ["region.yaml", "Region.yml", "region.YAML", "region.yml.txt"])
def test_region_file_of_another_name_is_named(other: str, tmp_path: Path) -> None:
    file = region_file(tmp_path)
    wrong = file.rename(file.with_name(other))
    for name in ("andes", str(file.parent), str(file)):
        with pytest.raises(BadInput, match=f"{other}: a region's file must be called") as refused:
            find_region_file(name, tmp_path)
        assert run_fix(refused.value.fix) and find_region_file(name, tmp_path) == file
        file.rename(wrong)


@pytest.mark.parametrize("name", ["Andes", "andes", "ANDES"])
def test_folder_in_upper_case_is_named(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "my regions" / "Andes"
    folder.mkdir(parents=True)
    (folder / "region.yml").write_text("region: andes\n")
    with pytest.raises(BadInput, match=r"Andes: .* lower-case") as refused:
        find_region_file(name, folder.parent)
    assert run_fix(refused.value.fix) and find_region_file("andes", folder.parent).is_file()


@pytest.mark.parametrize("name", ["Andes", "ANDES"])
def test_name_in_upper_case_leads_to_the_region(name: str, tmp_path: Path) -> None:
    region_file(tmp_path)
    with pytest.raises(BadInput, match="did you mean andes"):
        find_region_file(name, tmp_path)


@pytest.mark.parametrize("kind", ["folder", "link to nowhere", "device"])
def test_region_file_that_is_no_file_is_named(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "andes" / "region.yml"
    if kind == "folder":
        file.mkdir(parents=True)
    else:
        file.parent.mkdir()
        file.symlink_to("/dev/zero" if kind == "device" else tmp_path / "absent")
    assert region_names(tmp_path) == []
    for name in ("andes", str(file.parent), str(file)):
        with pytest.raises(BadInput, match=r"region.yml is not a file") as refused:
            find_region_file(name, tmp_path)
    assert run_fix(refused.value.fix) and list(file.parent.iterdir()) == [
        file.with_name("region.old")
    ]


def run_fix(fix: str) -> bool:
    """Run the command of a fix, as a person pastes it: the whole fix, or what is in backticks."""
    quoted = re.search("`([^`]+)`", fix)
    return subprocess.run(["sh", "-c", quoted[1] if quoted else fix], check=True).returncode == 0


README_KEY = "ssh-ed25519 " + EXAMPLE_KEY
NODE = "nodes.a.address"


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("address: 192.88.99.7", "address: 10.0.0.5", NODE, "is a private address"),
        ("address: 192.88.99.7", "address: 'fd00::7'", NODE, "is a private address"),
        ("address: 192.88.99.7", "address: 100.64.0.1", NODE, "is a private address"),
        ("address: 192.88.99.7", "address: 192.0.2.7", NODE, "for examples"),
        ("address: 192.88.99.7", "address: '2001:db8::7'", NODE, "for examples"),
        (KEY, README_KEY, "operators.ana", "example key from the README"),
        ("x", "x", "", ""),
    ],
)
def test_doubtful_value_is_a_warning(
    old: str, new: str, where: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.yml"
    text = (
        f"region: a\ndomain: a.org\ncontact: a@a.org\noperators: {{ana: {KEY}}}\n"
        "nodes: {a: {address: 192.88.99.7}}\n"
    )
    file.write_text(text.replace(old, new))
    warnings = load_region(file).warnings
    assert [warning.where for warning in warnings] == ([where] if where else [])
    assert all(message in warning.message and warning.line > 3 for warning in warnings)


@pytest.mark.parametrize(
    ("to", "where"),
    [("[disk]", ["backup.to", "backup"]), ("[disk, box]", ["backup"])],
)
def test_backups_that_one_fire_destroys_or_no_mail_reports_are_warned_of(
    to: str, where: list[str], tmp_path: Path
) -> None:
    box = f"box: {{ssh: u1@box.example.org, host_key: {' '.join(KEY.split()[:2])}}}"
    targets = f"disk: {{disk: /mnt/backup}}{', ' + box if 'box' in to else ''}"
    file = tmp_path / "a.yml"
    file.write_text(
        f"region: a\ndomain: a.org\ncontact: a@a.org\noperators: {{ana: {KEY}}}\n"
        "nodes: {a: {address: 192.88.99.7, services: [portal]}}\n"
        f"backup: {{to: {to}, targets: {{{targets}}}}}\n"
    )
    assert [warning.where for warning in load_region(file).warnings] == where


@pytest.mark.parametrize(
    ("today", "where"), [(date(2027, 6, 29), []), (date(2027, 6, 30), [("nodes", "old", "os")])]
)
def test_old_system_is_a_warning_from_a_date(
    today: date, where: list[tuple[str, ...]], tmp_path: Path
) -> None:
    file = tmp_path / "a.yml"
    file.write_text(
        f"region: a\ndomain: a.org\ncontact: a@a.org\noperators: {{ana: {KEY}}}\nnodes:\n"
        "  old: {address: 192.88.99.7, os: debian-12}\n  new: {address: 192.88.99.8}\n"
    )
    assert [place for place, _ in find_warnings(load_region(file).region, today)] == where


def test_readme_has_the_example_key() -> None:
    assert EXAMPLE_KEY in (FIXTURES.parents[1] / "README.md").read_text()


def test_sandbox_has_addresses_of_its_own() -> None:
    assert load_region(FIXTURES.parents[1] / "inventories" / "demo" / "region.yml").warnings == ()
