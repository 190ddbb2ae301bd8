"""Why a release was not pinned: a code with data; `report` makes its text."""

from __future__ import annotations

from chautari.errors import RunFailed
from chautari.report.pinning_texts import pin_refusal_texts


class PinRefused(RunFailed):
    """A release that cannot be fetched or trusted. Nothing was unpacked or written."""

    def __init__(self, code: str, **data: object) -> None:
        """Store the reason as `code` with its data, and make its text."""
        self.code, self.data = code, data
        reason, fix = pin_refusal_texts(code, data)
        super().__init__(reason, fix=fix)

    def as_object(self) -> dict[str, object]:
        """Return the error as plain JSON data, with its code."""
        return {**super().as_object(), "code": self.code}
