"""A session in another language, from `init` to a report, without an English sentence."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import report_samples
import test_deploy_node_health as health_tests
from pseudo_language import MarkingTranslations, english_lines
from region_samples import ROOT, key_pair, load_sample_region
from rich.console import Console

from chautari import language
from chautari.cli import init, main
from chautari.region_setup.toolkit_source import ToolkitSource
from chautari.report import html, region_setup_texts, terminal
from chautari_sandbox import runtime

OPTIONS = (
    "--domain", "andes.example.org", "--contact", "ops@andes.example.org",
    "--node", "bog1=203.0.113.10", "--service", "nextcloud", "--service", "jitsi",
    "--service", "bigbluebutton", "--service", "portal", "--relay", "smtp.example.org",
    "--relay-user", "andes", "--mail-from", "cloud@andes.example.org", "--no-look", "--yes",
)  # fmt: skip
# Values of texts that a region writes itself.
EXAMPLES = ("en: Servers of twelve coops.}", "# accounts: Ask the secretary of your cooperative.")
WORDS_OF_A_PASSWORD = "  en: "  # a language to read it aloud in
COMMANDS = (
    "init", "validate", "validate andes", "validate nope", "secrets init andes",
    "secrets list andes", "secrets set andes nope", "secrets show andes nope",
    "secrets rotate andes mail_relay_password", "secrets rotate andes", "operators list andes",
    "operators add andes Ana --key nope", "dns andes --format zone", "lock andes",
    "capacity andes --assume bog1:cores=8,memory=16,disk=500,mbit=250", "migrate andes",
    "explain", "explain nodes", "explain nodes.bog1.os", "explain mail", "explain backup",
    "explain federation", "explain services", "explain services.jitsi", "explain languages",
    "explain operators", "explain sandbox", "explain nope", "report andes", "run andes",
    "logs andes nope", "ssh andes nope", "doctor", "federation list andes", "federation invite "
    "andes", "move andes nextcloud --to nope", "drill andes", "restore andes",
    "backup recovery-sheet andes", "upgrade andes", "regoin",
)  # fmt: skip


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MarkingTranslations]:
    """Return the language, for a person with a key in an empty folder."""
    found = MarkingTranslations()
    monkeypatch.setattr(language, "_load_translation", lambda _: found)
    home, work = tmp_path / "home", tmp_path / "work"
    (home / ".ssh").mkdir(parents=True)
    work.mkdir()
    (home / ".ssh" / "id_ed25519.pub").write_text(key_pair(home, "ana"))
    shutil.copy(home / "ana", home / ".ssh" / "id_ed25519")
    for name, value in {
        "HOME": str(home), "LC_ALL": "es_ES.UTF-8", "LANGUAGE": "es", "COLUMNS": "120",
        "XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for name in ("SSH_AUTH_SOCK", "CHAUTARI_INVENTORIES"):
        monkeypatch.delenv(name, raising=False)
    source = ToolkitSource("./wheels/chautari-0.1.0-py3-none-any.whl", is_wheel=True)
    monkeypatch.setattr(init, "toolkit_source", lambda: source)
    # `doctor` would start a container.
    monkeypatch.setattr(runtime, "runtime_failure_reason", lambda name: "")
    monkeypatch.chdir(work)
    language.select("")
    yield found
    language.select("")
    language.use_english_only(False)


def output_of(arguments: str, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    main.run([*arguments.split(), *more])
    found = capsys.readouterr()
    return found.out + found.err


def test_session_has_no_english_sentence(
    marks: MarkingTranslations, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    left = english_lines(output_of("init andes", capsys, *OPTIONS))
    work = tmp_path / "work"
    for name in ("README.md", ".gitignore", ".gitattributes", "inventories/andes/region.yml"):
        text = (work / name).read_text()
        assert "‹" in text
        lines = (line for line in english_lines(text) if not line.endswith(EXAMPLES))
        left += [f"{name}: {line}" for line in lines]
    for command in COMMANDS:
        lines = english_lines(output_of(command, capsys))
        left += [f"{command}: {line}" for line in lines if not line.startswith(WORDS_OF_A_PASSWORD)]
    assert left == []
    assert marks.missed_sentences() == []


def test_each_forge_has_a_translated_file(marks: MarkingTranslations) -> None:
    data = {"region": "andes", "domain": "x", "contact": "x", "folder": "x", "version": "0.1.0",
            "toolkit_requirement": "x", "wheel": ""}  # fmt: skip
    language.select("es")
    for forge in region_setup_texts.FORGES:
        for wheel in ("", "chautari.whl"):
            for path, text in region_setup_texts.repository_files(
                data | {"wheel": wheel}, forge
            ).items():
                assert english_lines(text) == [], path
    assert marks.missed_sentences() == []


INVALID = sorted((ROOT / "tests/fixtures/invalid").glob("*.yml"))


def test_mistakes_have_no_english_sentence(
    marks: MarkingTranslations, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "work/inventories/andes"
    folder.mkdir(parents=True)
    left = []
    for file in INVALID:
        (folder / "region.yml").write_bytes(file.read_bytes())
        text = output_of("validate andes", capsys)
        assert "‹" in text, file.name
        left += [f"{file.name}: {line}" for line in english_lines(text)]
    assert left == []
    assert marks.missed_sentences() == []


@pytest.mark.parametrize("make", [report_samples.good_report, report_samples.bad_report])
def test_report_has_no_english_sentence(make: Any, marks: MarkingTranslations) -> None:
    language.select("es")
    report = make()
    # What roles, nodes and the samples say: it is translated where roles say it.
    report.peers, report.backups = [], []
    for node in report.nodes:
        node.failure, node.notices, node.refusals = None, [], []
    for check in report.checks:
        check.title, check.message, check.advice = "x", "", ""
    console = Console(markup=False, width=120, record=True)
    terminal.print_report(report, console, complete=True)
    page = re.sub(r"<style>.*?</style>", "", html.render_html(report), flags=re.DOTALL)
    shown = [console.export_text(), re.sub(r"<[^>]+>", "\n", page)]
    left = [line for text in shown for line in english_lines(text)]
    assert [line for line in left if "no release was at hand" not in line] == []
    assert marks.missed_sentences() == []


def test_dashboard_has_no_english_sentence(tmp_path: Path, marks: MarkingTranslations) -> None:
    language.select("es")
    region = load_sample_region(tmp_path).region
    text = health_tests.text_of(health_tests.worst_region(region), 200, complete=True)
    samples = ("it is 3 days old", "tested yet", "it expired")
    left = [line for line in english_lines(text) if not line.endswith(samples)]
    assert left == []
    assert marks.missed_sentences() == []


def test_english_outside_of_marks_is_found() -> None:
    text = "‹a text of ‹ours› here›: backup.to\n‹a› is wrong\n‹cut off the …"
    assert english_lines(text) == ["· is wrong"]
