"""Which text is printable: that of all languages, with the joiners that some scripts need."""

from __future__ import annotations

# In the scripts of India, they choose the form of a letter, so they belong to words as letters do.
# `yaml_reader` refuses them where no script needs them.
ZERO_WIDTH_NON_JOINER = "\u200c"
ZERO_WIDTH_JOINER = "\u200d"
_JOINERS = str.maketrans("", "", ZERO_WIDTH_NON_JOINER + ZERO_WIDTH_JOINER)


def is_printable_line(text: str) -> bool:
    """Return whether `text` is one line without control characters; joiners count as letters."""
    return text.translate(_JOINERS).isprintable()
