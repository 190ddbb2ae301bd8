"""The reasons why a restore stops: a code with data; `texts.py` has their texts."""

from __future__ import annotations


class RestoreError(Exception):
    """A restore cannot go on, or a copy differs from its archive."""

    def __init__(self, code: str, **data: str | int) -> None:
        """Keep the code and the data of its text."""
        super().__init__(code)
        self.code, self.data = code, data

    def as_object(self) -> dict[str, object]:
        """Return the reason as plain JSON data."""
        return {"code": self.code, "data": self.data}
