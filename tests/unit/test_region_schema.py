"""The model is the one truth: what is generated from it lies in the tree and fits real regions."""

import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from pydantic import BaseModel
from region_samples import FIXTURES, ROOT

from chautari.region import field_types, guard, model, polls, rules, schema
from chautari.region.services import DEFAULTS
from chautari.render import placement

MODELS = [
    item
    for item in vars(model).values()
    if isinstance(item, type) and issubclass(item, BaseModel) and item.__name__[0] != "_"
    and item is not BaseModel
]  # fmt: skip
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


def test_schema_in_the_tree_is_what_the_model_gives() -> None:
    assert (ROOT / "schemas" / "region.schema.json").read_text() == schema.schema_text()


def test_reference_page_in_the_tree_is_what_the_model_gives() -> None:
    assert (ROOT / "docs" / "reference" / "region.md").read_text() == schema.reference_text()


def test_generator_says_that_nothing_lags_behind(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_generator_names_the_file_that_lags_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schema, "content_root", lambda: tmp_path)
    assert schema.main(["--check"]) == 1
    assert "schemas/region.schema.json lags behind the model" in capsys.readouterr().err
    assert not (tmp_path / "schemas").exists()
    assert schema.main([]) == 0
    assert schema.main(["--check"]) == 0


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of_region())


@pytest.mark.parametrize("file", [*VALID, DEMO], ids=lambda file: f"{file.parent.name}/{file.name}")
def test_schema_accepts_valid_region(file: Path) -> None:
    jsonschema.validate(guard.read(file).data, schema_of_region())


@pytest.mark.parametrize(
    "name", ["unknown-key", "misspelt-keys", "wrong-types", "node-without-address", "unknown-os"]
)
def test_schema_refuses_what_load_refuses_for_its_shape(name: str) -> None:
    data = guard.read(FIXTURES / "invalid" / f"{name}.yml").data
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema_of_region())


def test_first_line_of_the_demo_names_the_schema() -> None:
    comment, _, path = DEMO.read_text().splitlines()[0].partition("$schema=")
    assert comment == "# yaml-language-server: "
    assert (DEMO.parent / path).resolve() == ROOT / "schemas" / "region.schema.json"


def test_reference_page_names_every_key() -> None:
    page = schema.reference_text()
    for part, name in FIELDS:
        assert f"| `{part.model_fields[name].alias or name}` |" in page


def test_names_of_groups_cannot_be_names_of_nodes() -> None:
    assert set(placement.ORDER) <= rules.GROUPS


def test_every_service_has_roles_and_settings() -> None:
    services = set(get_args(model.ServiceName))
    found = services - set(model.AUXILIARY_SERVICES)
    assert found == set(model.Services.model_fields) == set(DEFAULTS)
    apps = {model.Services().app_of(service) for service in services}
    known = {
        "nextcloud",
        "jitsi",
        "bigbluebutton",
        "greenlight",
        "scalelite",
        *model.AUXILIARY_SERVICES,
        *polls.APPS,
    }
    assert apps <= set(placement.ROLES_OF_APP) == known


def test_key_types_are_those_that_age_can_encrypt_to() -> None:
    assert field_types.KEY_TYPES == ("ssh-ed25519", "ssh-rsa")
