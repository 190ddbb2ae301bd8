"""Read translations as translators write them: gettext's .po files.

Python's gettext reads only compiled files. These would have to be made anew after each change of a
translation, and would be in no checkout.
"""

from __future__ import annotations

import re
from gettext import NullTranslations, c2py
from typing import Any

_TEXT = re.compile(r'(?:(msgctxt|msgid_plural|msgid|msgstr)(?:\[([0-9])\])? +)?"(.*)"\s*')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b", "r": "\r"}
_PLURAL = re.compile(r"plural=([^;\n]+)")
Entry = dict[str, str]


class PoTranslations(NullTranslations):
    """The texts of one language. What is missing or marked as fuzzy stays English."""

    def _parse(self, fp: Any) -> None:
        self._forms: dict[str, tuple[str, ...]] = {}
        self._plural = c2py("n != 1")
        for entry in _read_entries(fp.read().decode()):
            forms = tuple(entry[key] for key in sorted(entry) if key.startswith("msgstr"))
            if not entry["msgid"]:
                if rule := _PLURAL.search(forms[0]):
                    self._plural = c2py(rule[1])
            elif all(forms):
                self._forms[entry["msgid"]] = forms

    def gettext(self, message: str) -> str:
        """Return the translation of `message`, else `message`."""
        return self._forms.get(message, (message,))[0]

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the form that fits `n`."""
        forms = self._forms.get(msgid1, ())
        form = self._plural(n)
        return forms[form] if form < len(forms) else (msgid1 if n == 1 else msgid2)


def texts_of_files(content: str, files: re.Pattern[str]) -> dict[str, str]:
    """Return the translated texts of source files, by the English text; plurals by both forms."""
    # Most texts are of other files, so only the lines that name the files are searched.
    source = re.compile(rf"\n#:[^\n]*? (?:{files.pattern})")
    found = {}
    end = 0
    while match := source.search(content, end):
        start = content.rfind("\n\n", 0, match.start() + 1)
        end = content.find("\n\n", match.end())
        end = end if end >= 0 else len(content)
        for entry in _read_entries(content[start + 2 : end]):
            forms = [entry[key] for key in sorted(entry) if key.startswith("msgstr")]
            if all(forms):
                found[entry["msgid"]] = forms[0]
                found[entry.get("msgid_plural", entry["msgid"])] = forms[-1]
    return found


def _read_entries(content: str) -> list[Entry]:
    """Return the entries of a file; those that are fuzzy or obsolete are left out."""
    found = []
    for block in content.split("\n\n"):
        entry: Entry = {}
        key = ""
        for line in block.split("\n"):
            if line.startswith("#, ") and "fuzzy" in line and "msgid" not in entry:
                break
            if match := _TEXT.fullmatch(line):
                keyword, form, text = match.groups()
                key = f"{keyword}{form or ''}" if keyword else key
                if "\\" in text:
                    text = _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)
                entry[key] = entry.get(key, "") + text
        if "msgid" in entry and any(key.startswith("msgstr") for key in entry):
            found.append(entry)
    return found
