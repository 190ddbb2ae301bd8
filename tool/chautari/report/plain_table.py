"""Tables as plain lines: they break no word and fit a narrow terminal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from chautari.report.text_format import to_one_line

_GAP = "  "


def table_lines(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int = 0
) -> Iterator[str]:
    """Yield the lines of a table; where it is wider than the terminal, of a list.

    `width` is the number of columns, by default the terminal's.
    """
    clean = [[to_one_line(cell) for cell in row] for row in rows]
    table = [list(headings), *clean]
    widths = [max(_width(row[number]) for row in table) for number in range(len(headings))]
    if sum(widths) + len(_GAP) * (len(widths) - 1) <= (width or terminal_width()):
        for row in (table[0], ["-" * size for size in widths], *clean):
            cells = (
                cell + " " * (size - _width(cell)) for cell, size in zip(row, widths, strict=True)
            )
            yield _GAP.join(cells).rstrip()
        return
    for first, *others in clean:
        yield first
        for heading, cell in zip(headings[1:], others, strict=True):
            if cell:
                yield f"    {heading.lower()}: {cell}"


def _width(text: str) -> int:
    """Return the columns of a text: marks of Indian scripts stand above or below a letter."""
    if text.isascii():
        return len(text)
    return cell_len(text)


def terminal_width() -> int:
    """Return the columns of the terminal, 80 without one."""
    return shutil.get_terminal_size().columns
