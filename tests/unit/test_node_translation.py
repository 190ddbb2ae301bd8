"""Mails of nodes in the languages of regions: each text, its placeholders, and English else."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import yaml
from backup_samples import settings
from ci_scripts import load_ci_script
from health_samples import NOW, measured
from region_samples import REGION, ROOT, load_sample_region
from test_node_health import LIMITS

from chautari import language
from chautari.node import drift, root_mail, translation
from chautari.node.backup import error_texts, watch
from chautari.node.backup_space import maintenance
from chautari.node.backup_space.settings import SpaceForPeerNode
from chautari.node.health import alerts, mails, texts
from chautari.node.health.problems import find_problems
from chautari.render.context import NodeContext
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.shared_role_variables import base_variables

placeholders = load_ci_script("translations").placeholders
LANGUAGES = language.translations()
COMPLETE = ("es", "pt_BR")


@pytest.fixture(autouse=True)
def on_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the node's table, as on a node: there, the control side sets no functions."""
    monkeypatch.setattr(translation._Choice, "translate", None)
    monkeypatch.setattr(translation._Choice, "choose_form", None)
    monkeypatch.setattr(translation._Choice, "table", {})


def use_table(folder: Path, name: str) -> None:
    file = folder / "translations.json"
    file.write_text(json.dumps(dict(language.texts_of_node_mails(name))))
    translation.load_translations(file)


def health_mail() -> EmailMessage:
    """Return a mail about every problem, with solved, remaining and returned ones."""
    found = [item for changes, _ in LIMITS for item in find_problems(measured(**changes), NOW)]
    remembered = alerts.RememberedProblem
    items = {
        f"{number}": remembered(item.code, dict(item.data), mailed=NOW - 60 * (number % 2))
        for number, item in enumerate(found)
    }
    due = alerts.DueMail(list(items)[:-1], list(items)[-1:], list(items)[:22])
    return mails.compose_mail(alerts.AlertHistory(items=items), due, "andes", "bog1", NOW)


def quiet_health_mail() -> EmailMessage:
    due = alerts.DueMail([], [], [])
    return mails.compose_mail(alerts.AlertHistory(), due, "andes", "bog1", NOW)


def solved_health_mail() -> EmailMessage:
    items = {"a": alerts.RememberedProblem("unit_failed", {"unit": "x.service"})}
    due = alerts.DueMail([], ["a"], ["a"])
    return mails.compose_mail(alerts.AlertHistory(items=items), due, "andes", "bog1", NOW)


def backup_mails(folder: Path) -> Iterator[EmailMessage]:
    """Yield the mails about missing and about working backups."""
    found = settings(folder)
    state = {"targets": {}}
    for last in (None, NOW - 90_000):
        target = {"last_success": last, "error": {"code": "no_room"}, "check_ok": False}
        state = {"targets": {item.name: target for item in found.targets}}
        yield watch.compose_mail(found, watch.find_problems(found, state, 0, NOW))
    yield watch.compose_mail(found, watch.find_problems(found, {"targets": {}}, 0, NOW))
    yield watch.compose_mail(found, [])


def drift_mail(monkeypatch: pytest.MonkeyPatch) -> str:
    sent: list[bytes] = []
    monkeypatch.setattr(drift.subprocess, "run", lambda *_, **given: sent.append(given["input"]))
    changes = [
        {"code": "path_missing", "data": {"path": "/etc/x"}},
        {"code": "receipt_lost", "data": {}},
    ]
    drift._send_mail(
        {"event": "drift", "roles": {"base": changes}, "deployed": NOW, "known": 1, "busy": None}
    )
    return sent[0].decode()


def text_of(mail: EmailMessage) -> str:
    return f"{mail['Subject']}\n{mail.get_content()}"


def health_texts() -> list[str]:
    return [text_of(mail) for mail in (health_mail(), quiet_health_mail(), solved_health_mail())]


@pytest.mark.parametrize("name", LANGUAGES)
def test_table_has_the_placeholders_of_each_text(name: str) -> None:
    table = language.texts_of_node_mails(name)
    assert len(table) > 60
    wrong = [key for key, text in table.items() if placeholders(key) != placeholders(text)]
    # Where a text has a form for one and one for several, the number may be a word.
    assert [key for key in wrong if "{count}" not in key] == []


@pytest.mark.parametrize("name", LANGUAGES)
def test_mails_about_problems_are_translated(name: str, tmp_path: Path) -> None:
    english = health_texts()
    use_table(tmp_path, name)
    translated = health_texts()
    for before, after in zip(english, translated, strict=True):
        assert "{" not in after and "?" not in after
        values = re.findall(r"cloud\.andes\.example\.org|\b\d+ %|deploy status andes", before)
        assert sorted(values) == sorted(
            re.findall(r"cloud\.andes\.example\.org|\b\d+ %|deploy status andes", after)
        )
        same = set(before.splitlines()) & set(after.splitlines()) - {""}
        assert not same, same


@pytest.mark.parametrize("name", LANGUAGES)
def test_mails_about_backups_are_translated(name: str, tmp_path: Path) -> None:
    english = [text_of(mail) for mail in backup_mails(tmp_path)]
    use_table(tmp_path, name)
    for before, after in zip(english, map(text_of, backup_mails(tmp_path)), strict=True):
        assert before.splitlines()[0] != after.splitlines()[0]
        assert "{" not in after and "bog1" in after and "andes" in after
        if name in COMPLETE:
            assert not set(before.splitlines()) & set(after.splitlines()) - {""}


@pytest.mark.parametrize("name", LANGUAGES)
def test_mail_about_manual_changes_is_translated(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "EmailMessage", PlainMessage)
    english = drift_mail(monkeypatch)
    use_table(tmp_path, name)
    after = drift_mail(monkeypatch)
    assert "/etc/x" in after and "{" not in after
    same = set(english.splitlines()) & set(after.splitlines())
    assert same <= {"", "base", "To: root"}


class PlainMessage(EmailMessage):
    """A mail whose bytes can be read."""

    def as_bytes(self, *_: object, **__: object) -> bytes:
        return f"To: {self['To']}\n{text_of(self)}".encode()


@pytest.mark.parametrize("name", COMPLETE)
def test_each_reason_of_a_failed_backup_is_translated(name: str, tmp_path: Path) -> None:
    english = {code: error_texts.error_text(code, {}) for code in error_texts.TEXTS}
    use_table(tmp_path, name)
    same = [code for code, text in english.items() if error_texts.error_text(code, {}) == text]
    assert same == ["several"]  # it has only the texts of its problems
    size = {"free": 2_000_000, "needed": 3_000_000_000, "path": "/mnt"}
    assert "2.0 MB" in error_texts.error_text("disk_too_small", size)


@pytest.mark.parametrize("name", LANGUAGES)
def test_mail_about_the_backups_of_peers_is_translated(name: str, tmp_path: Path) -> None:
    space = SpaceForPeerNode("andes", "backup-andes", "bog1", tmp_path)
    errors = [{"code": code, "data": {"share": 70, "reason": "x"}} for code in maintenance.TEXTS]
    english = [maintenance.problem_and_fix_text(space, error) for error in errors]
    use_table(tmp_path, name)
    for before, error in zip(english, errors, strict=True):
        after = maintenance.problem_and_fix_text(space, error)
        assert before != after and space.name in after and "{" not in after


@pytest.mark.parametrize("content", ["", "[]", '{"solved": 1}', "{", "[" * 100_000])
def test_damaged_table_leaves_texts_english(tmp_path: Path, content: str) -> None:
    file = tmp_path / "translations.json"
    file.write_text(content)
    translation.load_translations(file)
    assert translation.translate("solved") == "solved"
    translation.load_translations(tmp_path / "missing.json")
    assert text_of(quiet_health_mail()).startswith("bog1 (andes): solved")


def test_translation_with_another_placeholder_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "translations.json"
    file.write_text(json.dumps({"the unit {unit} has failed": "falló {unidad}", "solved": "listo"}))
    translation.load_translations(file)
    what, _step = texts.problem_texts("unit_failed", {"unit": "x.service"}, "andes")
    assert what == "the unit x.service has failed" and translation.translate("solved") == "listo"


def test_counts_choose_the_form(tmp_path: Path) -> None:
    use_table(tmp_path, "es")
    assert [texts.days_text(number) for number in (1, 2)] == ["1 día", "2 días"]


def test_subject_with_other_letters_can_be_sent(tmp_path: Path) -> None:
    use_table(tmp_path, "ne")
    mail = health_mail()
    assert mail.as_bytes().isascii() or b"8bit" in mail.as_bytes()
    assert "\n" not in mail["Subject"]
    assert root_mail.mail_to_root("ñ", "ñ").get_content() == "ñ\n"


@pytest.mark.parametrize(
    ("languages", "solved"),
    [("[es]", "resuelto"), ("[pt]", "resolvido"), ("[qu, es]", "resuelto"), ("[en, es]", None),
     ("[fr]", None)],
)  # fmt: skip
def test_first_language_of_the_region_decides(
    tmp_path: Path, languages: str, solved: str | None
) -> None:
    text = re.sub(r"^languages: .*", f"languages: {languages}", REGION, flags=re.MULTILINE)
    assert f"languages: {languages}" in text
    loaded = load_sample_region(tmp_path, text)
    context = NodeContext(loaded, PUBLIC_INTERNET, next(iter(loaded.region.nodes)))
    found = base_variables(context)["base_translations"]
    assert found.get("solved") == solved and bool(found) == bool(solved)


@pytest.mark.parametrize(
    ("role", "variable"),
    [("base", "__base_health_modules"), ("backup", "__backup_modules"),
     ("backup_space", "__backup_space_modules")],
)  # fmt: skip
def test_role_installs_all_modules_that_its_program_imports(role: str, variable: str) -> None:
    names = yaml.safe_load((ROOT / f"roles/{role}/vars/main.yml").read_text())[variable]
    shared = ROOT / f"roles/{role}/files/shared/chautari/node"
    installed = {name.removesuffix(".py").replace("/", ".") for name in names}
    files = {str(file.relative_to(shared))[:-3].replace("/", ".") for file in shared.rglob("*.py")}
    needed = set()
    for name in names:
        for node in ast.walk(ast.parse((shared / name).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chautari.node"):
                module = str(node.module).removeprefix("chautari.node").lstrip(".")
                below = {f"{module}.{alias.name}".lstrip(".") for alias in node.names}
                files = {
                    item for item in below if (shared / f"{item.replace('.', '/')}.py").exists()
                }
                needed |= files or {module}
    assert needed - installed == set()
