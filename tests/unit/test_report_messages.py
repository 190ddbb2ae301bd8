"""Every code has a text, every text is used, and no data breaks a text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from region_samples import ROOT

from chautari.report import federation_texts, message_templates, messages, next_step_texts
from chautari.report.model import Notice, Reason, Refusal

TOOL = ROOT / "tool"
TABLES: dict[str, dict[str, messages.Template]] = {
    "REASONS": messages.REASONS,
    "NOTICES": messages.NOTICES,
    "REFUSALS": {code: fix for code, (_, fix) in messages.REFUSALS.items()},
    "FAILURES": next_step_texts.FAILURES,
    "PROGRESS": messages.PROGRESS,
    "CAUSES": next_step_texts.CAUSES,
    "STEPS": next_step_texts.STEPS,
    "STATUS": next_step_texts.STATUS,
    "PEER_REFUSALS": {code: text for code, (text, _) in federation_texts.PEER_REFUSALS.items()},
    "PEER_FIXES": {code: fix for code, (_, fix) in federation_texts.PEER_REFUSALS.items()},
    **{
        f"{table}_{number}": {code: texts[number] for code, texts in found.items() if texts[number]}
        for table, found in (
            ("PEER_STATES", federation_texts.PEER_STATES),
            ("PEER_SERVICES", federation_texts.PEER_SERVICES),
        )
        for number in (0, 1)
    },
}
TEXTS = ("messages.py", "next_step_texts.py", "federation_texts.py")
# Calls whose first argument is a code, with its table.
MAKERS = {"Reason": "REASONS", "Notice": "NOTICES", "Refusal": "REFUSALS", "Cause": "CAUSES"}
FIELD = re.compile(r"{(\w+)")


WHY = {"code": "role_changed", "data": {}}
# Data of another shape than texts.
STRUCTURED: dict[str, messages.Data] = {
    "receipt_incomplete": {"role": "a", "reason": WHY},
    "manual_change_kept": {"role": "a", "change": WHY},
    "followup_role": {"role": "a", "reasons": [WHY]},
    "untracked_task": {"task": "T", "change": "unknown_module", "module": "cron"},
    "path_unreadable": {"path": "/x", "error": "EIO"},
    "path_changed": {"path": "/x", "content": True, "mode": ["0600", "0644"]},
    "resource_changed": {"name": "x", "changes": {"active": ["active", "failed"]}},
    "run_not_recorded": {"error": "x", "cause": "disk_full"},
    "unit_not_started": {"error": "x", "cause": ""},
    "run_crashed": {"message": "x", "cause": "", "run": "r"},
}


class Sample(dict[str, str]):
    """Data that has a value for every key."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"

    def get(self, key: str, default: object = None) -> str:  # type: ignore[override]
        return f"<{key}>"


def sources() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(TOOL.rglob("*.py")):
        if file.name not in TEXTS:
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text())


def name_of(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Yield each call that names a code of a table: where it is, the table, the call."""
    for file, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            table, first = MAKERS.get(name_of(node.func)), node.args[0]
            if table and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield f"{file}:{node.lineno}", table, node


@pytest.mark.parametrize("table", TABLES)
def test_every_code_renders_with_its_data(table: str) -> None:
    for code in TABLES[table]:
        texts = (
            messages.refusal_texts(code, STRUCTURED.get(code, Sample()))
            if table == "REFUSALS"
            else (
                message_templates.fill_template(
                    TABLES[table][code], code, STRUCTURED.get(code, Sample())
                ),
            )
        )
        assert all(text and "?" not in text and f"{code} (" not in text for text in texts), texts


def test_every_code_in_use_has_a_text_and_all_its_data() -> None:
    for where, table, call in calls():
        code = call.args[0].value  # type: ignore[attr-defined]
        assert code in TABLES[table], f"{where}: {code}"
        if len(call.args) < 2 or not isinstance(call.args[1], ast.Dict):
            continue
        keys = {getattr(key, "value", None) for key in call.args[1].keys}
        templates = messages.REFUSALS[code] if table == "REFUSALS" else (TABLES[table][code],)
        fields = {
            name for item in templates if isinstance(item, str) for name in FIELD.findall(item)
        }
        assert None in keys or fields <= keys, f"{where}: {code} lacks {fields - keys}"


def test_every_refusal_of_a_peer_has_a_text_and_all_its_data() -> None:
    found = 0
    for where, tree in sources():
        for node in ast.walk(tree):
            refusals = ("PeerRefused", "AnswerRefused")
            if not isinstance(node, ast.Call) or name_of(node.func) not in refusals:
                continue
            given = {keyword.arg for keyword in node.keywords}
            for code in [c.value for c in ast.walk(node.args[0]) if isinstance(c, ast.Constant)]:
                texts = federation_texts.PEER_REFUSALS[str(code)]
                fields = {name for text in texts for name in FIELD.findall(str(text))}
                assert fields <= given, f"{where}:{node.lineno}: {code} lacks {fields - given}"
                found += 1
    assert found >= len(federation_texts.PEER_REFUSALS) - 2  # two codes are chosen before the call


def test_every_text_is_used() -> None:
    literals = {
        node.value
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    unused = {code for table in TABLES.values() for code in table if code not in literals}
    assert unused == set()


@pytest.mark.parametrize("kind", [Reason, Notice])
def test_unknown_code_is_shown_with_its_data(kind: type[Reason | Notice]) -> None:
    assert kind("of_a_newer_version", {"a": 1, "b": ["x"]}).text == (
        "of_a_newer_version (a=1, b=['x'])"
    )


def test_unknown_refusal_is_shown_with_its_data() -> None:
    assert Refusal("newer", {"a": 1}).reason == "newer (a=1)"


def test_lists_are_joined_and_empty_values_have_words() -> None:
    assert message_templates.fill_template(
        "{a}; {b:or nothing}", "c", {"a": ["x", "y"], "b": ""}
    ) == ("x, y; nothing")


def test_times_are_shown_as_dates() -> None:
    data = {
        "at": 1796000000,
        "iso": "2026-11-30T00:53:20Z",
        "text": "x",
        "far": 10**15,
        "yes": True,
    }
    fill = message_templates.fill_template
    assert fill("{iso:time}, {text:time}", "c", data) == "30 November 2026, 00:53 UTC, x"
    assert fill("{at:time}", "c", data) == "30 November 2026, 00:53 UTC"
    for key in ("far", "yes"):
        assert fill(f"{{{key}:time}}", "c", data).startswith("c (")


def test_data_of_another_shape_does_not_break_the_report() -> None:
    assert message_templates.fill_template("{a:d}", "c", {"a": "x"}) == "c (a=x)"
    assert message_templates.fill_template("{a}", "c", {}) == "?"
