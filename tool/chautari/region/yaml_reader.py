"""A YAML reader for files that strangers wrote.

It works on PyYAML's event stream and refuses, before anything is built, what makes YAML dangerous
or ambiguous: anchors and aliases (alias bombs), tags (object construction, Ansible's own tags),
merge keys, duplicate keys, more than one document, deep nesting and large files. Plain scalars are
read by YAML 1.2's core schema, so `NO` is a word, `022` a word and `12:30:45` a word.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from chautari.errors import InvalidRegion, ProblemInFile
from chautari.files import UnusableFile, read_regular_file
from chautari.git_versions import restore_step
from chautari.language import Text, _
from chautari.region.printable_text import is_printable_line
from chautari.region.yaml_syntax import FULL_WIDTH, find_syntax_mistake

BYTE_ORDER_MARK = "\ufeff"
MAX_BYTES = 1_000_000
MAX_DEPTH = 12
MAX_NODES = 5_000
MAX_LENGTH = 8_000  # of one value; the longest real ones are RSA keys of some 3000

Path_ = tuple[str | int, ...]
Mark = tuple[int, int]
Span = tuple[int, int]

# libyaml where PyYAML was built with it. Only its composer recurses, and can be made to crash by
# nesting; the event stream does not, and nothing is composed here.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip
# Patterns that hardly any file needs are compiled when one does. That takes longer than to read it.
# Control, format and bidirectional characters: editors hide them, reviewers miss them.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# Which hidden characters a script needs, and what stands before or after them (The Unicode Standard
# 16, sections 9.2, 12.1, 16.4, 23.2, 23.3; UTS 51 for emoji). Without them, words are misspelt.
_NEEDED = (
    # Joiners after a letter or sign of Arabic, Syriac, the scripts of India, Sinhala, Tibetan,
    # Burmese or Khmer (also at a word's end), or between another word and a letter of Arabic.
    (
        "\u200c\u200d",
        (
            r"[\u0600-\u07bf\u0860-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17ff\ua8e0-\ua8ff]\0"
            r"|\w\0[\u0600-\u07bf\u0860-\u08ff]"
        ),
    ),
    # The joiner within one emoji.
    (
        "\u200d",
        (r"[\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]\0[\u2190-\u2bff\U0001f000-\U0001faff]"),
    ),
    # The end of a word in Thai, Lao, Burmese and Khmer, which have no blanks between words.
    ("\u200b", r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]\0"),
    # Marks of direction after or before a letter of Hebrew or Arabic, or the punctuation beside it.
    (
        "\u061c\u200e\u200f",
        (r"[\u0590-\u07bf\u0860-\u08ff][^\w\n]?\0|\0[^\w\n]?[\u0590-\u07bf\u0860-\u08ff]"),
    ),
)
_NOT_IN_KEYS = {":", *FULL_WIDTH}
_YAML = "invalid_yaml"
_KEY_FORM: Text = "a key must be one line of plain text"
_TEMPLATE_HINT: Text = "; {{ … }} is not evaluated in this file, so write the value itself"
_NOT_UTF_8: Text = "the file is not in UTF-8; save it as UTF-8"
_BYTE_ORDER_MARKS_16 = (b"\xff\xfe", b"\xfe\xff")
_CONFLICTS = tuple(7 * character for character in "<>=|")
# Each part ends before the next one can begin, so that a line of blanks takes no time.
NO_BREAK_SPACES = "\u00a0\u2007\u202f\u3000"
_NO_BREAK_SPACE = rf"([ \t]*(?:- +)?(?:[A-Za-z0-9_-]+: *)?)([{NO_BREAK_SPACES}])"
_CURLY_VALUE = r"[ \t]*(?:- +)?(?:[A-Za-z0-9_-]+: *)?(?:[\[{] *)?([\u2018-\u201f])"


@dataclass
class Document:
    """Plain data read from a file, where each key stands, and the problems that did not stop it."""

    file: Path
    data: Any = None
    marks: dict[Path_, Mark] = field(default_factory=dict)
    plain: dict[Path_, str] = field(default_factory=dict)  # scalars without quotes, as written
    # Where keys and scalars begin and end in the text, for a change that leaves the rest as it is.
    key_spans: dict[Path_, Span] = field(default_factory=dict)
    scalar_spans: dict[Path_, Span] = field(default_factory=dict)
    problems: list[ProblemInFile] = field(default_factory=list)

    def problem_at(self, path: Path_, message: str, code: str = "invalid_value") -> ProblemInFile:
        """Return a `ProblemInFile` at `path`, or at its nearest ancestor in the file."""
        # One item may stand for a list of one: then the file has no place for its index.
        while path and isinstance(path[-1], int) and path not in self.marks:
            path = path[:-1]
        known = path
        while known and known not in self.marks:
            known = known[:-1]
        line, column = self.marks.get(known, (1, 1))
        where = ".".join(map(str, path))
        return ProblemInFile(self.file, line, column, where, message, code)


class _YAMLReader:
    """Builds plain data from the event stream, collecting every problem on the way."""

    def __init__(self, file: Path, text: str) -> None:
        self.document = Document(file)
        self.events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self.nodes = 0

    def fatal_problem(self, event: Any, message: str) -> InvalidRegion:
        mark = event.start_mark
        place = self.document.file, mark.line + 1, mark.column + 1
        return InvalidRegion([*self.document.problems, ProblemInFile(*place, "", message, _YAML)])

    def read_value(self, event: Any, path: Path_) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.fatal_problem(
                event,
                _(
                    "the file has more than {max_nodes} values, which is the limit; remove "
                    "values that are not needed, or split the region into smaller regions",
                    max_nodes=MAX_NODES,
                ),
            )
        if len(path) > MAX_DEPTH:
            raise self.fatal_problem(
                event,
                _(
                    "nested deeper than {max_depth} levels; remove the extra levels",
                    max_depth=MAX_DEPTH,
                ),
            )
        if isinstance(event, yaml.AliasEvent):
            raise self.fatal_problem(
                event,
                _(
                    "alias *{anchor} is not allowed; write the full value, or put text in quotes",
                    anchor=event.anchor,
                ),
            )
        if event.anchor:
            raise self.fatal_problem(
                event,
                _(
                    "anchor &{anchor} is not allowed; write the full value, or put text in quotes",
                    anchor=event.anchor,
                ),
            )
        if event.tag:
            raise self.fatal_problem(
                event,
                _(
                    "tag {short_yaml_tag} is not allowed; write a plain value, or put text "
                    "in quotes",
                    short_yaml_tag=_short_yaml_tag(event.tag),
                ),
            )
        self.document.marks.setdefault(path, _start_of_event(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self.read_mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.read_sequence(path)
        if event.style is None or event.style == "":
            self.document.plain[path] = event.value
        self.document.scalar_spans[path] = _span_of_event(event)
        return self.read_scalar(event)

    def read_scalar(self, event: Any) -> Any:
        # An escape in double quotes ("\\u202e") makes what the raw text does not hold.
        if len(event.value) > MAX_LENGTH:
            raise self.fatal_problem(
                event,
                _(
                    "this value is longer than {max_length} characters; shorten it",
                    max_length=MAX_LENGTH,
                ),
            )
        if hidden := find_hidden_character(event.value):
            raise self.fatal_problem(event, _hidden_character_message(hidden[1]))
        return event.value if event.style else parse_scalar(event.value)

    def read_mapping(self, path: Path_) -> dict[str, object]:
        result: dict[str, object] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                template = isinstance(event, yaml.MappingStartEvent) and event.flow_style
                raise self.fatal_problem(event, _(_KEY_FORM) + _(_TEMPLATE_HINT) * bool(template))
            key = event.value
            hidden = find_hidden_character(key)
            if hidden or not is_printable_line(key) or len(key) > MAX_LENGTH:
                raise self.fatal_problem(event, _(_KEY_FORM))
            if wrong := next((letter for letter in key if letter in _NOT_IN_KEYS), None):
                raise self.fatal_problem(
                    event,
                    _(
                        "the key {key!r} contains {wrong}; write a colon and a space between "
                        "a key and its value",
                        key=key[:60],
                        wrong=wrong,
                    ),
                )
            if key == "<<":
                raise self.fatal_problem(
                    event,
                    _("the merge key << is not allowed; write out each key that it would add"),
                )
            child = (*path, key)
            if key in result:
                first = self.document.marks[child][0]
                self.document.problems.append(
                    ProblemInFile(
                        self.document.file,
                        *_start_of_event(event),
                        ".".join(map(str, child)),
                        _(
                            "this key appears twice (first on line {first}); keep one of them",
                            first=first,
                        ),
                        "duplicate_key",
                    )
                )
            self.document.marks[child] = _start_of_event(event)
            self.document.key_spans[child] = _span_of_event(event)
            result[key] = self.read_value(next(self.events), child)
        return result

    def read_sequence(self, path: Path_) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            result.append(self.read_value(event, (*path, len(result))))
        return result

    def read_document(self) -> Document:
        """Return the only document of the file, with its marks and problems."""
        next(self.events)  # StreamStart
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            self.document.marks[()] = _start_of_event(event)
            return self.document
        self.document.data = self.read_value(next(self.events), ())
        next(self.events)  # DocumentEnd
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self.fatal_problem(
                event, _("a second YAML document starts here; the file must contain only one")
            )
        return self.document


def parse_scalar(text: str) -> Any:
    """Return what a plain scalar means in YAML 1.2's core schema (decimal numbers only)."""
    if text in _WORDS:
        return _WORDS[text]
    # Very long digit strings are text: Python refuses to convert them, and no setting needs one.
    if len(text) < 20 and _INTEGER.fullmatch(text):
        return int(text)
    if len(text) < 40 and _FLOAT.fullmatch(text):
        return float(text)
    return text


def read_yaml(file: Path, shown_as: Path | None = None) -> Document:
    """Read `file` and return its data with line numbers.

    Raises:
        InvalidRegion: with the first thing that stops the reading. Duplicate keys do not stop it:
            they are in the document's `problems`, for the caller to raise with its own.
    """
    shown = shown_as or file
    return parse_yaml(read_text(file, shown), shown)


def parse_yaml(text: str, shown: Path) -> Document:
    """Return the data of a YAML text, with line numbers; `shown` is the file in messages.

    Raises:
        InvalidRegion: as `read_yaml`.
    """
    if mistakes := list(_editing_mistakes(shown, text)):
        raise InvalidRegion(mistakes)
    try:
        return _YAMLReader(shown, text).read_document()
    except yaml.YAMLError as error:
        mistake = find_syntax_mistake(text, error)
        raise InvalidRegion(
            [ProblemInFile(shown, mistake.line, mistake.column, "", mistake.message, _YAML)]
        ) from None


def _editing_mistakes(shown: Path, text: str) -> Iterator[ProblemInFile]:
    """Yield what editors, chat programs and git leave in a file, each with its own name.

    YAML would report most of them as something else, or take them for a part of a word.
    """
    if start := find_hidden_character(text):
        line = text.count("\n", 0, start[0]) + 1
        column = start[0] - text.rfind("\n", 0, start[0])
        yield ProblemInFile(shown, line, column, "", _hidden_character_message(start[1]), _YAML)
    for number, line_text in enumerate(text.split("\n"), start=1):
        if line_text.startswith(_CONFLICTS) and not line_text[7:8].strip():
            message = _(
                "git could not merge two versions here; keep one of them and delete the "
                "lines that begin with <<<<<<<, |||||||, ======= and >>>>>>>"
            )
            yield ProblemInFile(shown, number, 1, "", message, _YAML)
            return  # each conflict has several such lines
        if line_text.isascii():
            continue
        if space := re.match(_NO_BREAK_SPACE, line_text):
            message = _(
                "this is a no-break space (U+{code:04X}), but YAML needs a normal one; "
                "type the space again",
                code=ord(space[2]),
            )
            yield ProblemInFile(shown, number, space.start(2) + 1, "", message, _YAML)
        elif quote := re.match(_CURLY_VALUE, line_text):
            message = _("{quote} is a curly quote; type a straight quote: ' or \"", quote=quote[1])
            yield ProblemInFile(shown, number, quote.start(1) + 1, "", message, _YAML)


def find_hidden_character(text: str) -> tuple[int, str] | None:
    """Return where the first hidden character stands that no script needs, and the character."""
    for found in _CONTROL.finditer(text):
        start = found.start()
        around = f"{text[max(start - 2, 0) : start]}\0{text[start + 1 : start + 3]}"
        if not any(found[0] in known and re.search(form, around) for known, form in _NEEDED):
            return start, found[0]
    return None


def read_text(file: Path, shown: Path) -> str:
    """Return the text of a file, without a byte-order mark.

    Raises:
        InvalidRegion: when it cannot be read, is too long, or is not in UTF-8.
    """
    try:
        raw = read_regular_file(file, MAX_BYTES)
        text = raw.decode("utf-8")
    except UnusableFile as error:
        about = "it " if error.reason.startswith("is ") else ""
        reason = _(
            "cannot read the file: {about}{reason}; {fix}",
            about=about,
            reason=error.reason,
            fix=error.fix,
        )
        raise InvalidRegion(
            [ProblemInFile(shown, 1, 1, "", reason, UnusableFile.error_code)]
        ) from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InvalidRegion([_not_utf_8_problem(shown, line, raw)]) from None
    # Text in UTF-16 or UTF-32 without a byte-order mark is valid UTF-8, but full of NUL.
    if raw.count(0) * 4 > len(raw):
        raise InvalidRegion([_not_utf_8_problem(shown, 1, raw)])
    if len(raw) > MAX_BYTES:
        message = _(
            "the file is larger than {max_bytes} kB, which is the limit; remove what "
            "does not belong in it",
            max_bytes=MAX_BYTES // 1000,
        )
        raise InvalidRegion([ProblemInFile(shown, 1, 1, "", message, _YAML)])
    return text.removeprefix(BYTE_ORDER_MARK)


def _not_utf_8_problem(file: Path, line: int, raw: bytes) -> ProblemInFile:
    """Return the problem of a file in another encoding, with the command that converts it."""
    message = _(_NOT_UTF_8)
    if b"\0" in raw and raw[:2] not in _BYTE_ORDER_MARKS_16:
        message = _("{message}, or {restore}", message=message, restore=restore_step(file))
    elif encoding := _encoding_of_old_editor(raw):
        convert = shlex.join(("iconv", "-f", encoding, "-t", "UTF-8", str(file)))
        replace = shlex.join(("mv", f"{file}.new", str(file)))
        command = " ".join((convert, ">", shlex.quote(f"{file}.new"), "&&", replace))
        message = _("{message}: {command}", message=message, command=command)
    return ProblemInFile(file, line, 1, "", message, _YAML)


def _encoding_of_old_editor(raw: bytes) -> str:
    """Return the encoding in which editors of Windows save text; empty if it is none of them."""
    encodings = ("UTF-16",) if raw[:2] in _BYTE_ORDER_MARKS_16 else ("WINDOWS-1252",)
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            if "\0" not in raw.decode(encoding):
                return encoding
    return ""


def _short_yaml_tag(tag: str) -> str:
    return str(tag).replace("tag:yaml.org,2002:", "!!")


def _hidden_character_message(character: str) -> str:
    return _("hidden character U+{code:04X}; delete it", code=ord(character))


def _start_of_event(event: Any) -> Mark:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _span_of_event(event: Any) -> Span:
    return event.start_mark.index, event.end_mark.index
