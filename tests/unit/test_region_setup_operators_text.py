"""Operators in the text of a region.yml: only their lines change."""

from pathlib import Path

import pytest
from region_samples import REGION, key_pair

from chautari.errors import BadInput
from chautari.migration.region_key_renaming import write_region_text
from chautari.region.load import load_region
from chautari.region_setup import operators_text

LINE = "operators: {{ana: {key} ana@laptop}}\n"
BLOCK = """\
# People. Ask ana first.
operators:
  # The first operator.
  ana: {key}  # laptop
  luz:
    - {key2}
    # desk
    - '{key3}'
  # end of the list

nodes:
"""
FORMS = {
    "a block": BLOCK,
    "a block with a list at the key's depth": BLOCK.replace("    - ", "  - "),
    "braces": "operators: {{ana: '{key}', luz: '{key2}'}}\nnodes:\n",
    "braces over lines": "operators: {{\n  ana: '{key}',\n  luz: '{key2}'\n}}\nnodes:\n",
    "the last key": "nodes:\n",
}


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    return {name: key_pair(tmp_path, name) for name in ("key", "key2", "key3", "new", "new2")}


def region_text(form: str, keys: dict[str, str]) -> str:
    text = REGION.replace(LINE, "").replace("nodes:\n", FORMS[form])
    if form == "the last key":
        text += BLOCK.removesuffix("\nnodes:\n")
    return text.format(**keys)


def write(folder: Path, text: str) -> Path:
    file = folder / "andes" / "region.yml"
    file.parent.mkdir()
    file.write_text(text)
    return file


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_added_operator_can_be_removed_again(
    form: str, count: int, tmp_path: Path, keys: dict[str, str]
) -> None:
    text = region_text(form, keys)
    file = write(tmp_path, text)
    new = [keys["new"], keys["new2"]][:count]
    added = operators_text.add_operator(file, "eva", new)
    assert file.read_text() == text
    write_region_text(file, added)
    operators = load_region(file).region.operators
    assert set(operators) == {"ana", "luz", "eva"} and operators["eva"] == tuple(new)
    lines, now = set(text.splitlines()), file.read_text()
    assert len([line for line in now.splitlines() if line not in lines]) == (
        1 if count == 1 or "braces" in form else 3
    )
    if "braces" in form:
        return
    write_region_text(file, operators_text.remove_operator(file, "eva"))
    assert file.read_text() == text


@pytest.mark.parametrize("name", ["ana", "luz"])
@pytest.mark.parametrize("form", FORMS)
def test_removed_operator_leaves_the_rest_as_it_was(
    form: str, name: str, tmp_path: Path, keys: dict[str, str]
) -> None:
    text = region_text(form, keys)
    file = write(tmp_path, text)
    write_region_text(file, operators_text.remove_operator(file, name))
    left = load_region(file).region.operators
    assert set(left) == {"ana", "luz"} - {name}
    now = file.read_text()
    assert (len(now) < len(text) and "# People" in now) or "braces" in form
    write_region_text(file, operators_text.add_operator(file, name, [keys["new"]]))
    assert load_region(file).region.operators[name] == (keys["new"],)


def test_undo_writes_the_old_text_unless_the_file_changed(
    tmp_path: Path, keys: dict[str, str]
) -> None:
    text = region_text("a block", keys)
    file = write(tmp_path, text)
    change = operators_text.remove_operator(file, "luz")
    write_region_text(file, change)
    operators_text.undo_rewrite(file, change)
    assert file.read_text() == text
    write_region_text(file, change)
    file.write_text(file.read_text() + "# more\n")
    with pytest.raises(BadInput, match="changed while this command was running"):
        operators_text.undo_rewrite(file, change)


def test_file_with_only_a_sandbox_gets_operators(tmp_path: Path, keys: dict[str, str]) -> None:
    text = REGION.replace(LINE, "sandbox: {{network: 203.0.113.0/24}}\n").format(**keys)
    file = write(tmp_path, text)
    write_region_text(file, operators_text.add_operator(file, "ana", [keys["key"]]))
    assert file.read_text() == f"{text}operators:\n  ana: {keys['key']}\n"


@pytest.mark.parametrize("name", ["root", "postgres"])
def test_reserved_name_is_refused(name: str, tmp_path: Path, keys: dict[str, str]) -> None:
    file = write(tmp_path, region_text("a block", keys))
    with pytest.raises(BadInput, match="reserved for a system account"):
        operators_text.add_operator(file, name, [keys["new"]])


def test_form_that_cannot_be_changed_is_refused(tmp_path: Path, keys: dict[str, str]) -> None:
    form = "operators: {{luz: '{key2}', ana: ['{key}']}}\nnodes:\n"
    text = REGION.replace(LINE, "").replace("nodes:\n", form).format(**keys)
    file = write(tmp_path, text)
    with pytest.raises(BadInput, match="in a form that this command cannot change") as refused:
        operators_text.remove_operator(file, "ana")
    assert "by hand" in refused.value.fix and file.read_text() == text
