"""Keys that were renamed are refused with their new name."""

from pathlib import Path

import pytest
from region_samples import load_sample_region

from chautari.errors import InvalidRegion
from chautari.region import renamed_keys
from chautari.region.renamed_keys import RENAMES, RenamedKey, find_renamed_key

OLD = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
sandbox:
  network: 203.0.113.0/24
  stand_in: {{ubuntu-22.04: {{os: debian-12, memory_mb: 900, cores: 1}}}}
nodes:
  bog1: {{address: 203.0.113.20}}
"""


def test_load_names_the_new_key_for_an_old_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidRegion) as refused:
        load_sample_region(tmp_path, OLD)
    [problem] = refused.value.problems
    assert (problem.line, problem.column, problem.where) == (6, 3, "sandbox.stand_in")
    assert problem.message == (
        "Chautari 0.1.0 renamed this key to os_substitutes; write os_substitutes instead, or run: "
        f"deploy migrate {tmp_path / 'andes' / 'region.yml'}"
    )


def test_renamed_key_matches_any_name_of_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    known = RenamedKey(("nodes", renamed_keys.ANY, "ip"), "address", "0.2.0")
    monkeypatch.setattr(renamed_keys, "RENAMES", (known,))
    assert find_renamed_key(("nodes", "bog1", "ip")) is known
    assert find_renamed_key(("nodes", "bog1", "address")) is None
    assert find_renamed_key(("nodes", "ip")) is None


@pytest.mark.parametrize("rename", RENAMES, ids=lambda item: ".".join(item.old))
def test_rename_table_names_existing_keys(rename: RenamedKey) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/region.md").read_text()
    assert f"| `{rename.new}` |" in page and f"| `{rename.old[-1]}` |" not in page
