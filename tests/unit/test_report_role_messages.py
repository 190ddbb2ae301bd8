"""What tasks of roles report, in the language of the command."""

from __future__ import annotations

import string
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from region_samples import ROOT

from chautari import language
from chautari.reference.role_texts import (
    placeholder_template,
    probe_titles,
    role_message_templates,
)
from chautari.report.model import Notice, TaskFailure
from chautari.report.role_messages import translate_role_message


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    yield
    language.select("")


def templates() -> list[str]:
    files = sorted(ROOT.glob("roles/*/tasks/*.yml"))
    return list(dict.fromkeys(text for file in files for text in role_message_templates(file)))


def names_in(template: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(template) if name]


@pytest.mark.parametrize("name", ["es", "pt_BR"])
def test_each_message_is_translated_with_its_values(name: str) -> None:
    assert len(templates()) > 45
    language.select(name)
    for template in templates():
        values = {field: f"<{field}: a, b>" for field in names_in(template)}
        text = template.format_map(values)
        found = translate_role_message(text)
        assert found != text, template
        for value in values.values():
            assert text.count(value) == found.count(value), template


def test_expressions_become_placeholders() -> None:
    text = "{{ a.b | join(', ') }} of {{ __c_d }}, {{ a['x'] }} and {{ __c_d }} in {{ 7 }}."
    assert placeholder_template(text) == "{a} of {c_d}, {a2} and {c_d} in {value}."


def test_messages_are_those_of_tasks(tmp_path: Path) -> None:
    file = tmp_path / "main.yml"
    file.write_text(
        "- ansible.builtin.debug: {msg: 'The {{ x }} was kept.'}\n"
        "- block:\n    - ansible.builtin.fail: {msg: Nothing works here.}\n"
        "  rescue:\n    - ansible.builtin.assert: {that: a, fail_msg: 'No {{ b }} is there.'}\n"
        "- ansible.builtin.debug: {msg: '{{ y }}'}\n"
        "- ansible.builtin.debug: {msg: \"{{ a | ternary('it is', 'they are') }} here now.\"}\n"
        "- ansible.builtin.debug: {msg: the packages of it}\n  tags: [download_estimate]\n"
        "- ansible.builtin.debug: {var: z}\n"
    )
    assert list(role_message_templates(file)) == [
        "The {x} was kept.", "Nothing works here.", "No {b} is there.",
    ]  # fmt: skip


def test_probes_have_their_titles(tmp_path: Path) -> None:
    file = tmp_path / "receipt.yml"
    file.write_text("probes: {rules: rules in the kernel}\n")
    assert probe_titles(file) == ["rules in the kernel"]
    file.write_text("---\n")
    assert probe_titles(file) == []


@pytest.mark.parametrize(
    "text", ["", "x", "Something else happened.", "The account ana already", "{text}", "{", "%s"]
)
def test_unknown_message_stays_as_it_is(text: str) -> None:
    language.select("es")
    assert translate_role_message(text) == text


def test_outcome_of_an_upgrade_is_translated_with_its_problem() -> None:
    language.select("es")
    text = (
        "The upgrade from Nextcloud 34.0.4 to 35.0.1 failed: PHP cannot read a.php of Nextcloud "
        "35.0.1: syntax error. The old version 34.0.4 serves again with all data. It was out of "
        "service for 31 s. Fix: check the pin of this release."
    )
    assert translate_role_message(text) == (
        "La actualización de Nextcloud 34.0.4 a 35.0.1 falló: PHP no puede leer a.php de Nextcloud "
        "35.0.1: syntax error. La versión anterior 34.0.4 funciona otra vez con todos los datos. "
        "Estuvo fuera de servicio 31 s. Solución: revise lo que fijó para esta versión."
    )


def test_values_are_not_read_as_templates() -> None:
    language.select("es")
    found = translate_role_message("The app {nextcloud_app!r:>999999999} could not be downloaded.")
    assert found == "La aplicación {nextcloud_app!r:>999999999} no se pudo descargar."


def test_hostile_message_takes_no_time() -> None:
    language.select("es")
    piece = "has no new certificate: the node cannot reach the authority at "
    text = f"x {piece * 2000} (x). No certificate was requested."
    before = time.monotonic()
    translate_role_message(text)
    assert time.monotonic() - before < 1


def test_notices_and_failures_are_translated() -> None:
    text = "The app deck could not be downloaded."
    notice, failure = Notice("role_message", {"text": text}), TaskFailure("nextcloud", "x", text)
    assert (notice.text, failure.message_text) == (text, text)
    language.select("es")
    assert notice.text == failure.message_text == "La aplicación deck no se pudo descargar."
    assert failure.message == text
