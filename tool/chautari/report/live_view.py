"""A live view of several nodes in a terminal: a line for each, as far as they fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chautari.language import _

Row = tuple[str, str, str, str, str]
_ROOM = 6  # lines of the terminal that the live view leaves free


class LiveView:
    """Shows rows until it is stopped, and prints lines above them."""

    def __init__(self, stream: TextIO, rows: Callable[[], Sequence[Row]]) -> None:
        """Show what `rows` returns on the terminal `stream`, the most important rows first."""
        self._console = Console(file=stream)
        self._rows = rows
        self._live = Live(
            get_renderable=self.table,
            console=self._console,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
        )
        self._live.start(refresh=True)

    def stop(self) -> None:
        """Take the live view away."""
        self._live.stop()

    def print_line(self, text: str, style: str = "") -> None:
        """Print text above the rows."""
        self._console.print(Text(text, style=style))

    def table(self) -> Table:
        """Return the live view as it is now."""
        rows = self._rows()
        shown = list(rows[: max(1, self._console.height - _ROOM)])
        if len(shown) < len(rows):
            shown.append(("", "", _("and {count} more", count=len(rows) - len(shown)), "", ""))
        table = Table(box=None, show_header=False, pad_edge=False, expand=True)
        table.add_column(style="bold", no_wrap=True, max_width=16)
        table.add_column(style="cyan", no_wrap=True, max_width=12)
        table.add_column(no_wrap=True, ratio=1)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        for row in shown:
            table.add_row(*(Text(cell, overflow="ellipsis", no_wrap=True) for cell in row))
        return table
