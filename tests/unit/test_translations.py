"""The translations: complete files, equal placeholders, and no text that translators cannot see."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import report_samples
from babel.messages.catalog import Catalog
from ci_scripts import load_ci_script
from region_samples import ROOT
from rich.console import Console
from unwrapped_texts import uncollected_constants, unwrapped_texts

from chautari import language
from chautari.cli import main
from chautari.language import N_, _, ngettext
from chautari.po_file import PoTranslations
from chautari.reference.translatable_texts import TranslatableText, texts_of_page, texts_of_python
from chautari.report import html, jsonreport, terminal
from chautari.report.model import RegionReport
from chautari.report.text_format import count_with_noun, readable_time

translations: Any = load_ci_script("translations")
LANGUAGES = language.translations()
TOOL = ROOT / "tool/chautari"
SANDBOX = ROOT / "tool/chautari_sandbox"
# People read the texts of all modules, except of these: code for nodes of which only the result is
# shown, details of checks that fail, shell code, formats for programs, and generators of files.
NOT_COVERED = re.compile(
    r"chautari/(node/(?!health/|drift|reason_texts|restore/texts|backup/(watch|reasons)|"
    r"backup_space/maintenance)|checks/|reference/|preflight/(existing_state|facts|operator_lockout)|"
    r"report/(causes|junit)|region/yaml_syntax|services/(jitsi/xmpp|bigbluebutton/api_client)|"
    r"backup/paper_key|ssh/account_fallback|deploy/git_tags|deploy/pinning/image_digest|render/(role_inputs|inventory))|"
    r"chautari_sandbox/(doubles|internet|demo_federation)/|chautari_sandbox/debian_packages"
)
# Words of other programs, languages for programs, and names in files on nodes.
NO_MESSAGE = re.compile(
    r"services: {{}|{}\. {} IN |--as: |{} from |Run pyinfra|Inspect the machine|Update the package|"
    r"Complete an interrupted|Install the environment|bigbluebutton: {|{}: deploy secrets|XMPP of|"
    r"Chautari sandbox|echo |tee |nameserver |#!/bin/sh|-----|usermod|as root: |{}\.\n\[sudo\]|"
    r"the server's {} response is not valid|(disk|certificate|unit|service|status|exit) {}$|"
    r"not measured: |it takes too long|The mail was not sent"
)
# The same for constants: what other programs print, settings, and lists of languages.
NO_CONSTANT = re.compile(
    r"permission denied|host key verif|no space|don't have|out of|cannot alloc|could not|unable to|"
    r"failed to lock|another (prep|run)|temporary fail|name or serv|no address|{} -text|"
    r"Aymar aru|#!/bin/sh|not mounted|No such file|must be dec|"
    r"No matching|ufw |openssl |echo |from urllib|timed out|connection |no route|"
    r"network is|broken|not resp|import |\nimport|-----|/usr/|# Releases|the step printed|"
    r"([a-z]{2,3}(_\w+|-\w+)? ){6}|el hu|hi nl|es-US|ga pt|be (ast|pt)|"
    r"zh_TW|(texts|texts of|texts in) "
)
# Titles of ports, plays and units, in files on nodes.
IN_FILES_ON_NODES = re.compile(
    r"HTTP|Media of|Relayed|FreeSWITCH|TURN|Video bridge$|Base of|SSH server|Web server|"
    r"Package rep|Container engine|Space for backups of peers|Front page|Ask the secretary|"
    r"Nextcloud's app store|a video bridge keeps no data|Chautari sandbox|docs\.|a sandbox "
)


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    yield
    language.select("")
    language.use_english_only(False)


@functools.cache
def catalog_of(name: str) -> Catalog:
    return translations.read_catalog(language.FOLDER / f"{name}.po")


def texts_of(catalog: Catalog) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the forms of each text that is translated, and of its translation."""
    for message in catalog:
        ids = (message.id,) if isinstance(message.id, str) else tuple(message.id)
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string)
        if ids[0] and not message.fuzzy and all(forms):
            yield ids, forms


def test_languages_are_those_of_the_files() -> None:
    assert {"es", "pt_BR", "hi", "ne", "bn"} <= set(LANGUAGES)


@pytest.mark.parametrize("name", LANGUAGES)
def test_header_is_valid(name: str) -> None:
    catalog = catalog_of(name)
    assert str(catalog.locale) == name
    assert catalog.charset == "utf-8"
    assert catalog.num_plurals == 2
    assert "plural=(n " in catalog.plural_forms


@pytest.mark.parametrize("name", LANGUAGES)
def test_placeholders_and_outer_spaces_are_those_of_the_text(name: str) -> None:
    formats = translations.formats_of(translations.template_catalog(ROOT))
    wrong = []
    for ids, forms in texts_of(catalog_of(name)):
        for form in forms:
            known = [translations.placeholders(text) for text in ids]
            same = ids[0] not in formats or translations.placeholders(form) in known
            if not same or _outer_spaces(form) != _outer_spaces(ids[0]):
                wrong.append((ids[0], form))
    assert wrong == []


def _outer_spaces(text: str) -> tuple[str, str]:
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("{node} is up", "está en marcha"),
        ("{node} is up", "{nodo} está en marcha"),
        ("{node} is up", "{node} y {peer} están en marcha"),
        ("{size:.1f} MB", "{size} MB"),
        ("{value!r} is wrong", "{value} está mal"),
    ],
)
def test_placeholders_differ(text: str, translation: str) -> None:
    assert translations.placeholders(text) != translations.placeholders(translation)


def test_words_of_an_empty_value_are_translated() -> None:
    found = translations.placeholders("by {program:or another program}")
    assert found == translations.placeholders("por {program:or otro programa}")


@pytest.mark.parametrize("name", LANGUAGES)
def test_reader_reads_what_babel_reads(name: str) -> None:
    with (language.FOLDER / f"{name}.po").open("rb") as file:
        ours = PoTranslations(file)
    for ids, forms in texts_of(catalog_of(name)):
        if len(ids) == 1:
            assert ours.gettext(ids[0]) == forms[0]
        else:
            assert (ours.ngettext(*ids, 1), ours.ngettext(*ids, 5)) == forms


def test_reader_leaves_fuzzy_and_empty_texts_out(tmp_path: Path) -> None:
    file = tmp_path / "xx.po"
    file.write_text(
        'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n\n'
        '#, fuzzy\nmsgid "old"\nmsgstr "viejo"\n\nmsgid "empty"\nmsgstr ""\n\n'
        'msgid "a\\n"\n"b \\"c\\""\nmsgstr "x\\n"\n"y \\"z\\""\n\n'
        'msgid "{count} day"\nmsgid_plural "{count} days"\nmsgstr[0] "{count} d"\n'
        'msgstr[1] "{count} ds"\n\n#~ msgid "gone"\n#~ msgstr "ido"\n'
    )
    with file.open("rb") as content:
        found = PoTranslations(content)
    assert [found.gettext(text) for text in ("old", "empty", "gone")] == ["old", "empty", "gone"]
    assert found.gettext('a\nb "c"') == 'x\ny "z"'
    # The rule of the file counts: none is singular here, unlike in English.
    assert [found.ngettext("{count} day", "{count} days", n) for n in (0, 1, 2)] == [
        "{count} d", "{count} d", "{count} ds",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "es_CO.UTF-8"}, "es"),
        ({"LANG": "pt_BR.UTF-8"}, "pt_BR"),
        ({"LANG": "pt_PT.UTF-8"}, "pt_BR"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ne_NP"}, "ne"),
        ({"LANG": "es_CO.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "C", "LANGUAGE": "es"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "fr:bn:es"}, "bn"),
        ({"LANG": "es_CO.UTF-8", "LANGUAGE": "en"}, "en"),
        ({"LANG": "sr_RS@latin"}, "en"),
    ],
)
def test_environment_decides_the_language(environment: dict[str, str], expected: str) -> None:
    assert language.best_language(language.languages_of(environment)) == expected


def test_missing_text_stays_english() -> None:
    language.select("es")
    assert _("No translator knows {this} text.", this="new") == "No translator knows new text."


def test_translation_with_another_placeholder_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(PoTranslations):
        def gettext(self, message: str) -> str:
            return "{nodo} está en marcha"

    monkeypatch.setattr(language, "_load_translation", lambda name: Wrong())
    language.select("es")
    assert _("{node} is up", node="bog1") == "bog1 is up"


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ("Deploy the region now.", "Deploy the region again.", "Despliegue la región."),
        ("Command", "Domain", ""),
    ],
)
def test_only_near_texts_are_guessed(tmp_path: Path, before: str, now: str, expected: str) -> None:
    file = tmp_path / "es.po"
    known = Catalog(locale="es", fuzzy=False)
    known.add(before, "Despliegue la región.")
    file.write_text(translations.catalog_text(known))
    template = Catalog(fuzzy=False)
    template.add(now)
    file.write_text(translations.updated_text(template, file))
    found = translations.read_catalog(file)[now]
    assert (found.string, found.fuzzy) == (expected, bool(expected))


def test_english_loads_no_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_load_translation", None)
    language.select("en")
    assert _("{node} is up", node="bog1") == "bog1 is up"
    assert ngettext("{count} node", "{count} nodes", 2) == "2 nodes"


def test_spanish_counts_and_dates() -> None:
    language.select("es")
    assert count_with_noun(1, "node") == "1 nodo"
    assert count_with_noun(3, "node") == "3 nodos"
    assert readable_time("2026-11-30T18:00:00+00:00") == "30 de noviembre de 2026, 18:00 UTC"


def test_extraction_finds_calls_tables_help_and_docstrings() -> None:
    source = '''
TABLE: dict[str, Template] = {"code": "A {node} text", "other": (MORE, "Fix it.")}
WORDS: Texts = {"a": "plain {braces}"}
OTHER = {"not": "a text of ours"}

@click.command("x")
@click.option("--y", help="Use this.")
def command():
    """Print a
    thing.

    \\b
    deploy x
    """
    return _("Hello {name}", name=1), N_("later"), count_with_noun(2, "peer"), _(TABLE)
'''
    assert set(texts_of_python(source)) == {
        TranslatableText("A {node} text", is_format=True), TranslatableText("Fix it.", "", True),
        TranslatableText("plain {braces}"), TranslatableText("Use this."),
        TranslatableText("Print a thing."), TranslatableText("Hello {name}", "", True),
        TranslatableText("later"), TranslatableText("{count} peer", "{count} peers", True),
    }  # fmt: skip
    page = '<p>{{ _("Nodes") }} {{ _(word) }} {{ _("on {x}", x=y) }} {{ 2 | count_with_noun("a") }}'
    assert set(texts_of_page(page)) == {
        TranslatableText("Nodes"), TranslatableText("on {x}", "", True),
        TranslatableText("{count} a", "{count} as", True),
    }  # fmt: skip


def covered_files() -> list[Path]:
    """Return the modules whose texts people read."""
    files = sorted((*TOOL.rglob("*.py"), *SANDBOX.rglob("*.py")))
    return [file for file in files if not NOT_COVERED.search(str(file.relative_to(ROOT)))]


@functools.cache
def known_texts() -> frozenset[str]:
    """Return the texts that translators see; spaces may differ."""
    found = translations.texts_of_repository(ROOT)
    return frozenset(" ".join(x.split()) for _, text in found for x in (text.message, text.plural))


def test_modules_have_no_text_outside_of_gettext() -> None:
    assert len(covered_files()) > 200
    found = [
        f"{file.relative_to(ROOT)}:{line}: {text}"
        for file in covered_files()
        for line, text in unwrapped_texts(file.read_text(), known_texts())
        if not NO_MESSAGE.match(text)
    ]
    assert found == []


def test_constants_have_no_text_that_translators_do_not_see() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {text}"
        for file in covered_files()
        for line, text in uncollected_constants(file.read_text(), known_texts())
        if not (NO_CONSTANT.match(text) or IN_FILES_ON_NODES.match(text))
    ]
    assert found == []


def test_page_has_no_text_outside_of_gettext() -> None:
    found = [
        text
        for file in (TOOL / "report/templates").glob("*.html.j2")
        for text in re.findall(
            r">([^<>{}]*[A-Za-z]{2,}[^<>{}]*)<",
            re.sub(r"{[%#{].*?[%#}]}|<style>.*?</style>", "", file.read_text(), flags=re.S),
        )
    ]
    assert found == [":  · Chautari"]


def test_unwrapped_text_is_found() -> None:
    source = 'def f():\n    """Doc."""\n    raise BadInput(f"{x} is wrong", fix="write it again")\n'
    assert [text for _line, text in unwrapped_texts(source)] == ["{} is wrong", "write it again"]
    assert [text for _line, text in unwrapped_texts(source, {"write it again"})] == ["{} is wrong"]
    assert not list(unwrapped_texts('def f():\n    return _("a long text"), "deploy region x"\n'))


def test_uncollected_constant_is_found() -> None:
    source = 'WORDS: Texts = {"a": "one text"}\nWHY = "a new text"\n'
    assert list(uncollected_constants(source, {"one text"})) == [(2, "a new text")]


def english_texts(name: str, output: str) -> list[str]:
    """Return texts of five words and more that are English in an output, but have a translation.

    Texts that are new since the last work of the translators are English.
    """
    flat = " ".join(output.split())
    texts = [ids[0] for ids, forms in texts_of(catalog_of(name)) if ids != forms]
    return [text for text in texts if len(text.split()) > 4 and " ".join(text.split()) in flat]


@pytest.mark.parametrize("verb", list(main.COMMANDS))
@pytest.mark.parametrize("name", ["es", "pt_BR"])
def test_help_is_translated(name: str, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--language", name, verb, "--help"]) == 0
    assert english_texts(name, capsys.readouterr().out) == []


@pytest.mark.parametrize("name", ["es", "pt_BR"])
def test_mistakes_are_answered_without_english(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["regoin"], ["region", "nope"], ["validate", "--nope"], ["region"]):
        assert main.run(["--language", name, *arguments]) == 2
    assert english_texts(name, capsys.readouterr().err) == []


def test_json_stays_english(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--language", "es", "validate", "nope", "--json"]) == 2
    assert '"message": "no region \'nope\' under' in capsys.readouterr().out


def test_unknown_language_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--language", "xx", "validate"]) == 2
    assert "choose one of: en, bn, es" in capsys.readouterr().err


@pytest.mark.parametrize("make", [report_samples.good_report, report_samples.bad_report])
def test_report_is_translated(make: object) -> None:
    report: RegionReport = make()  # type: ignore[operator]
    language.select("es")
    console = Console(markup=False, width=100, record=True)
    terminal.print_report(report, console, complete=True)
    shown = [console.export_text(), html.render_html(report)]
    assert '<html lang="es">' in shown[1]
    # The samples have this cause as the text of a backup's state.
    left = {text for output in shown for text in english_texts("es", output)}
    assert left <= {"there is no backup yet"}
    with language.english():
        assert jsonreport.render_json(report) == jsonreport.render_json(make())  # type: ignore[operator]


def test_marked_text_is_itself() -> None:
    language.select("es")
    assert N_("up to date") == "up to date"
