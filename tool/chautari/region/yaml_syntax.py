"""Finds the mistake behind an error of the YAML parser, and says what to write instead.

The parser reports where it could not go on, which is often one line after the mistake. Each clue
here is a pattern for one frequent mistake, tried on the line where the parser began to read the
wrong part, and on the line before.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from chautari.language import N_, _

FULL_WIDTH = dict(zip("：，｛｝［］＂＇", ":,{}[]\"'", strict=True))
_LONGEST_VALUE = 80
_LONGEST_LINE = 1000  # on longer ones, a pattern could take long
_START = r"^[ \t]*(?:- +)*"
_BEGINS_VALUE = rf"(?:{_START}|: +|[\[{{,] *)$"


class SyntaxMistake(NamedTuple):
    """Where a mistake stands (lines and columns count from 1), what it is, and what to write."""

    line: int
    column: int
    message: str


class _MistakePattern(NamedTuple):
    """A pattern of a line. `part` is wrong; `fix` replaces it, or is a value for quotes."""

    pattern: str
    reason: str
    fix: str


# On the line with the error. `{}` stands for the whole value in quotes.
_VALUE_CLUES = (
    _MistakePattern(
        r"(?P<part>\{\{.*?\}\})",
        N_("{{ … }} is not evaluated in this file"),
        N_("the value itself"),
    ),
    _MistakePattern(
        r": +(?P<part>\"[^\"]*\\[^\"]*\"?) *$",
        N_("in double quotes, a backslash begins an escape sequence"),
        "{}",
    ),
    _MistakePattern(
        r"^[^\[{]*: +(?P<part>(?:'.*'|\".*\"|\[.*\]|\{.*\}) *[^ #\]}].*)$",
        N_("there is text after the end of this value"),
        "{}",
    ),
    _MistakePattern(
        rf"{_START}[\w-]+: +(?P<part>[^\[{{'\" ].*:(?: .*|$))",
        N_("a value that contains a colon and a space needs quotes"),
        "{}",
    ),
)
# On the line that should have been a key with a value.
_KEY_CLUES = (
    _MistakePattern(
        _START + r"(?P<part>(?P<key>[\w-]+):(?P<rest>[^\s:/].*))$",
        N_("a space is missing after the colon"),
        r"\g<key>: \g<rest>",
    ),
    _MistakePattern(
        _START + r"(?P<part>(?P<key>[\w-]+) *[=;] *(?P<rest>.*))$",
        N_("a colon and a space must follow a key"),
        r"\g<key>: \g<rest>",
    ),
    _MistakePattern(
        _START + r"(?P<part>(?P<key>[\w-]+)) *(?:#.*)?$",
        N_("a colon is missing after this key (or a dash and a space before an item of a list)"),
        r"\g<key>:",
    ),
    _MistakePattern(
        _START + r"(?P<part>(?P<key>[\w-]+) +(?P<rest>(?!.*: )[^\s#].*))$",
        N_("a colon is missing after the key"),
        r"\g<key>: \g<rest>",
    ),
    _MistakePattern(
        r"^(?P<part>\.\.\.)\s*$",
        N_("this line ends the YAML document"),
        N_("the file without this line"),
    ),
)


def find_syntax_mistake(text: str, error: yaml.YAMLError) -> SyntaxMistake:
    """Return the probable mistake behind `error`, which the parser reported about `text`."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    lines = re.split(r"\r\n|\r|\n", text)
    if mark is None or mark.line >= len(lines):
        return SyntaxMistake(1, 1, _("not valid YAML: {what}", what=what))
    wrong = lines[mark.line]
    if "\t" in wrong[: len(wrong) - len(wrong.lstrip())]:
        message = _("not valid YAML: {what}; indent with spaces, not with tabs", what=what)
        return SyntaxMistake(mark.line + 1, mark.column + 1, message)
    hint = _("check the indentation of this line and of the line above")
    if "'-' indicator" in what:
        hint = _("write a dash and a space before every item of this list, or before no item")
    return (
        _find_open_quote(text, error)
        or _find_mistake_by_parser_error(lines, error)
        or _find_open_bracket(lines, error)
        or SyntaxMistake(
            mark.line + 1,
            mark.column + 1,
            _("not valid YAML: {what}; {hint}", what=what, hint=hint),
        )
    )


def quote_for_yaml(value: str) -> str:
    """Return `value` as YAML in single quotes; a value in (broken) quotes loses these."""
    inner = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    return "'" + inner.replace("'", "''") + "'"


def _find_open_quote(text: str, error: Any) -> SyntaxMistake | None:
    """Return the quote that was never closed, or was closed by the next quote of another line."""
    if error.context and "quoted scalar" in error.context and "end of stream" in error.problem:
        start = error.context_mark
        return _unclosed_quote_mistake(
            start,
            _(
                "the quote that begins here is not closed; write the closing quote at the end of "
                "the value"
            ),
        )
    try:
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            begin, end = token.start_mark, token.end_mark
            is_quoted = isinstance(token, yaml.ScalarToken) and token.style in ("'", '"')
            if is_quoted and begin.line < end.line == error.problem_mark.line:
                return _unclosed_quote_mistake(
                    begin,
                    _(
                        "the quote that begins here is not closed until line {line}; write the "
                        "closing quote at the end of the value",
                        line=end.line + 1,
                    ),
                )
            if begin.line > error.problem_mark.line:
                break
    except yaml.YAMLError:
        pass
    return None


def _unclosed_quote_mistake(start: Any, message: str) -> SyntaxMistake:
    return SyntaxMistake(start.line + 1, start.column + 1, message)


def _find_mistake_by_parser_error(lines: list[str], error: Any) -> SyntaxMistake | None:
    context, mark = error.context or "", error.problem_mark
    if "simple key" in context:
        return _match_mistake_patterns(lines, error.context_mark.line, _KEY_CLUES)
    begin = error.context_mark if context.startswith("while scanning") else mark
    found = _match_mistake_patterns(lines, mark.line, _VALUE_CLUES[:1])
    found = found or _wrong_first_character(lines[begin.line], begin)
    found = found or _match_mistake_patterns(lines, mark.line, _VALUE_CLUES)
    if found or not any(form in error.problem for form in ("mapping values", "document start")):
        return found
    above = next((n for n in range(mark.line - 1, -1, -1) if lines[n].strip()), mark.line)
    return _match_mistake_patterns(lines, above, _KEY_CLUES)


def _match_mistake_patterns(
    lines: list[str], number: int, clues: tuple[_MistakePattern, ...]
) -> SyntaxMistake | None:
    line = lines[number]
    if len(line) > _LONGEST_LINE:
        return None
    if wide := re.match(rf"[\x20-\x7e]*([{''.join(FULL_WIDTH)}])", line):
        message = _(
            "{wide} is full-width punctuation; write {full_width} instead, and add a "
            "space after a colon or a comma",
            wide=wide[1],
            full_width=FULL_WIDTH[wide[1]],
        )
        return SyntaxMistake(number + 1, wide.end(), message)
    for clue in clues:
        if match := re.search(clue.pattern, line):
            value = re.split(r"\s+#", match["part"])[0].rstrip()
            fix = quote_for_yaml(value) if clue.fix == "{}" else match.expand(_(clue.fix)).rstrip()
            if len(fix) > _LONGEST_VALUE:
                fix = "it" if clue.fix != "{}" else _("the value in quotes")
            message = _("{reason}; write {fix}", reason=_(clue.reason), fix=fix)
            return SyntaxMistake(number + 1, match.start("part") + 1, message)
    return None


def _wrong_first_character(line: str, begin: Any) -> SyntaxMistake | None:
    """Return the mistake of a plain value that begins with a character of YAML's syntax."""
    before, value = line[: begin.column], line[begin.column :][:_LONGEST_LINE]
    if not value or value[0] not in "*&!|>%@`,?:-]}" or not re.search(_BEGINS_VALUE, before):
        return None
    if value[0] in "-?" and not before.strip():
        message = _(
            "a line that begins with {value} is not allowed here; delete the {value}",
            value=value[0],
        )
        return SyntaxMistake(begin.line + 1, begin.column + 1, message)
    in_flow = before.count("{") + before.count("[") > before.count("}") + before.count("]")
    plain = re.split(r"[,\]}]" if in_flow else r"\s+#", value)[0].rstrip()
    if in_flow and not plain:
        return None
    shown = quote_for_yaml(plain) if len(plain) <= _LONGEST_VALUE else _("the value in quotes")
    message = _(
        "a value that begins with {value} needs quotes; write {shown}", value=value[0], shown=shown
    )
    if plain.startswith("- "):
        message += _(", or [{plain}] for a list", plain=plain[2:])
    return SyntaxMistake(begin.line + 1, begin.column + 1, message)


def _find_last_bracket(lines: list[str], last: int) -> SyntaxMistake | None:
    """Return the bracket at the end of the file, which nothing closes and nothing follows."""
    for number in range(last, -1, -1):
        column = max(map(lines[number].rfind, "[{"))
        if column >= 0:
            opened = lines[number][column]
            closing = "}" if opened == "{" else "]"
            message = _(
                "this {opened} is not closed; write {closing}", opened=opened, closing=closing
            )
            return SyntaxMistake(number + 1, column + 1, message)
    return None


def _find_open_bracket(lines: list[str], error: Any) -> SyntaxMistake | None:
    mark, start = error.problem_mark, error.context_mark
    character = lines[mark.line][mark.column : mark.column + 1]
    if "flow" in (error.context or ""):
        opened = lines[start.line][start.column : start.column + 1]
        if opened not in tuple("[{"):
            return _find_last_bracket(lines, start.line)
        closing = "}" if opened == "{" else "]"
        if mark.line == start.line and character not in tuple("]}"):
            message = _(
                "unexpected text here; if a new entry begins here, write a comma before it; "
                "otherwise put the whole value in quotes"
            )
            return SyntaxMistake(mark.line + 1, mark.column + 1, message)
        message = _(
            "this {opened} is not closed, or a comma is missing before line {line}",
            opened=opened,
            line=mark.line + 1,
        )
        if mark.line == start.line:
            message = _("this {opened} is not closed", opened=opened)
        return SyntaxMistake(
            start.line + 1,
            start.column + 1,
            _("{message}; write {closing}", message=message, closing=closing),
        )
    if character in tuple("]}"):
        message = _(
            "this {character} has no matching opening bracket; delete it", character=character
        )
        return SyntaxMistake(mark.line + 1, mark.column + 1, message)
    return None
