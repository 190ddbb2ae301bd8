"""A language that marks each translated text, so that a test sees what is not translated."""

from __future__ import annotations

import functools
import re

from region_samples import ROOT

from chautari.po_file import PoTranslations
from chautari.reference.translatable_texts import texts_of_repository

_MARKED = re.compile(r"‹[^‹›]*›")
# Words that are in nearly every English sentence, and in no name or command of ours.
_ENGLISH = re.compile(
    r"(?<![\w.-])(the|is|are|of|to|with|not|this|that|for|from|was|were|has|have|be|it|and|or|an|by|can|"
    r"no|but|if|after|before|only|its)(?![\w.:-])"
)


@functools.cache
def collected_texts() -> frozenset[str]:
    """Return the texts that translators see."""
    found = (text for _, text in texts_of_repository(ROOT))
    return frozenset(text for item in found for text in (item.message, item.plural))


class MarkingTranslations(PoTranslations):
    """Put marks around each text that translators see; `missed` has the others."""

    def __init__(self) -> None:
        """Start without a file."""
        super().__init__()
        self.missed: set[str] = set()

    def gettext(self, message: str) -> str:
        """Return the text with marks, inside of its outer spaces."""
        if message not in collected_texts():
            # A text with values that was translated before comes here once more.
            self.missed |= {message} if "‹" not in message else set()
            return message
        text = message.strip()
        return message.replace(text, f"‹{text}›") if text else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the form of English with marks."""
        return self.gettext(msgid1 if n == 1 else msgid2)

    def missed_sentences(self) -> list[str]:
        """Return the English sentences that were requested, but cannot be translated."""
        return sorted(text for text in self.missed if _ENGLISH.search(text))


def english_lines(output: str) -> list[str]:
    """Return the lines of an output that have English words outside of marks."""
    while _MARKED.search(output):
        output = _MARKED.sub("·", output)
    lines = (line.partition("‹")[0].rpartition("›")[2] for line in output.splitlines())
    return [line for line in lines if _ENGLISH.search(line)]
