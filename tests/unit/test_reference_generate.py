"""Files that are generated from the model are up to date and fit real regions."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel
from region_samples import FIXTURES, ROOT

from chautari.reference import generate
from chautari.region import model, ssh_key_types, yaml_reader
from chautari.services.registry import SERVICES

MODELS = [
    item
    for item in vars(model).values()
    if isinstance(item, type) and issubclass(item, BaseModel) and item.__name__[0] != "_"
    and item not in (BaseModel, model.Service)
] + [service.settings for service in SERVICES.values() if service.settings]  # fmt: skip
FIELDS = [(part, name) for part in MODELS for name in part.model_fields]
VALID = sorted([*(FIXTURES / "valid").glob("*.yml"), *(FIXTURES / "valid").glob("*/region.yml")])
DEMO = ROOT / "inventories" / "demo" / "region.yml"


def schema_of_region() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "schemas" / "region.schema.json").read_text())
    return found


@pytest.mark.parametrize(("part", "name"), FIELDS)
def test_every_field_has_a_description_and_an_example(part: type[BaseModel], name: str) -> None:
    field = part.model_fields[name]
    assert field.description and field.description.endswith(".")
    assert field.examples


@pytest.mark.parametrize("part", MODELS)
def test_every_part_has_a_description(part: type[BaseModel]) -> None:
    assert part.__doc__


def test_examples_of_the_region_make_a_region() -> None:
    fields = model.Region.model_fields
    data = {
        field.alias or name: field.examples[0] for name, field in fields.items() if field.examples
    }
    data["operators"] = {}
    data["mail"] |= {"from": "cloud@example.org"}
    assert model.Region.model_validate(data).region == "andes"


def test_generated_files_are_in_the_tree() -> None:
    for file, text in generate.generated_files(ROOT).items():
        assert file.read_text() == text


def test_check_passes_for_the_files_in_the_tree(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_check_names_a_file_that_is_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "content_root", lambda: tmp_path)
    assert generate.main(["--check"]) == 1
    assert "schemas/region.schema.json is out of date" in capsys.readouterr().err
    assert not (tmp_path / "schemas").exists()
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_schema_is_a_valid_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of_region())


@pytest.mark.parametrize("file", [*VALID, DEMO], ids=lambda file: f"{file.parent.name}/{file.name}")
def test_schema_accepts_valid_region(file: Path) -> None:
    jsonschema.validate(yaml_reader.read_yaml(file).data, schema_of_region())


@pytest.mark.parametrize(
    "name", ["unknown-key", "misspelt-keys", "wrong-types", "node-without-address", "unknown-os"]
)
def test_schema_refuses_the_shape_errors_that_load_refuses(name: str) -> None:
    data = yaml_reader.read_yaml(FIXTURES / "invalid" / f"{name}.yml").data
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema_of_region())


def test_first_line_of_the_demo_names_the_schema() -> None:
    comment, _, path = DEMO.read_text().splitlines()[0].partition("$schema=")
    assert comment == "# yaml-language-server: "
    assert (DEMO.parent / path).resolve() == ROOT / "schemas" / "region.schema.json"


def test_reference_page_names_every_key() -> None:
    page = generate.region_reference_text()
    for part, name in FIELDS:
        assert f"| `{part.model_fields[name].alias or name}` |" in page


def test_key_types_are_those_of_age() -> None:
    assert ssh_key_types.KEY_TYPES == ("ssh-ed25519", "ssh-rsa")
