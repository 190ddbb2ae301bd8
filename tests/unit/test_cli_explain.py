"""`deploy explain`: the page of each key of `region.yml`."""

from __future__ import annotations

import json

import pytest
import yaml

from chautari.cli import main
from chautari.reference.key_pages import ANY, KeyPage, all_key_pages, find_pages
from chautari.region.model import Region
from chautari.report.key_page_texts import allowed_values_text

PAGES = all_key_pages()


def paths(text: str) -> list[str]:
    return [page.dotted for page in find_pages(PAGES, text)]


def test_pages_cover_every_field_of_the_model() -> None:
    for name, field in Region.model_fields.items():
        [page] = find_pages(PAGES, field.alias or name)[:1]
        assert page.path == (field.alias or name,)
    assert {"nodes.NAME.host_key", "services.jitsi.access", "mail.from"} <= {
        page.dotted for page in PAGES
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.dotted)
def test_each_page_can_be_printed(page: KeyPage, capsys: pytest.CaptureFixture[str]) -> None:
    assert page.description.endswith(".")
    assert main.run(["explain", page.dotted]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == page.dotted
    assert max(map(len, lines)) < 1000 and "None" not in "".join(lines[:8])
    if "  Example:" in lines:
        sample = "\n".join(lines[lines.index("  Example:") + 1 :]).partition("\n\n")[0]
        assert yaml.safe_load(sample)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nodes.bog1.host_key", ["nodes.NAME.host_key"]),
        ("bog1.address6", ["nodes.NAME.address6"]),
        ("address6:", ["nodes.NAME.address6"]),
        ("quota", ["services.nextcloud.quota"]),
        ("nodes.bog1", ["nodes.NAME"]),
        ("jitsi.host", ["services.jitsi.host"]),
        ("langages", []),
        ("", []),
        ("....", []),
        ("a." * 500, []),
    ],
)
def test_keys_are_found_by_their_end(text: str, found: list[str]) -> None:
    assert paths(text) == found


def test_page_has_description_type_default_and_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["explain", "services.nextcloud.quota"]) == 0
    assert capsys.readouterr().out == (
        "services.nextcloud.quota\n"
        "  Storage that each new account gets.\n\n"
        "  Type: text\n  Default: 5 GB\n  Example:\n"
        "    services:\n      nextcloud:\n        quota: 5 GB\n"
    )


def test_several_keys_of_one_name_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", "host"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Several keys are called host:")
    assert "services.jitsi.host" in text and ANY not in text
    assert main.run(["explain", "nodes"]) == 0
    assert "nodes.NAME.address" in capsys.readouterr().out


def test_unknown_and_renamed_keys_have_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", "langages", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["fix"] == "did you mean: deploy explain languages"
    assert main.run(["explain", "sandbox.stand_in"]) == 2
    assert "Fix: deploy explain sandbox.os_substitutes" in capsys.readouterr().err
    assert main.run(["explain", "\x1b[31m"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_json_lists_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", "--json"]) == 0
    keys = json.loads(capsys.readouterr().out)["keys"]
    assert len(keys) == len(PAGES)
    assert set(keys[0]) == {
        "key", "description", "type", "required", "default", "example", "children",
    }  # fmt: skip
    assert main.run(["explain"]) == 0
    assert "nodes.NAME.address" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 5}, "a whole number from 1 to 5"),
        ({"type": "boolean"}, "true or false"),
        ({"enum": ["a", "b"]}, "one of: a, b"),
        ({"const": "a"}, "one of: a"),
        ({"type": "array", "items": {"type": "string"}}, "a list; each item is text"),
    ],
)
def test_type_is_said_in_words(schema: dict[str, object], text: str) -> None:
    assert allowed_values_text(schema) == text
