"""Why a backup was not made: a code with its data. `error_texts.py` has the texts."""

from __future__ import annotations

from collections.abc import Sequence


class BackupError(Exception):
    """A backup, a check or a retention run stopped, for the reason `code`."""

    def __init__(self, code: str, **data: object) -> None:
        """Keep the code and its data; `error_texts.py` makes a text of them."""
        super().__init__(code, data)
        self.code = code
        self.data = data

    def as_object(self) -> dict[str, object]:
        """Return the error as the state file contains it."""
        return {"code": self.code, "data": self.data}


def raise_all(errors: Sequence[BackupError]) -> None:
    """Raise what was found: one error as it is, several as one with all of them in its data."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BackupError("several", problems=[error.as_object() for error in errors])
