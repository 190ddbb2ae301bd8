"""Why a peer's descriptor was refused: a code with data; `report` makes its text."""

from __future__ import annotations

from chautari.errors import RunFailed
from chautari.federation.untrusted_json import UNREACHABLE
from chautari.report.messages import peer_refusal_texts


class PeerRefused(RunFailed):
    """A descriptor that cannot be trusted, or could not be fetched. Nothing was changed."""

    def __init__(self, code: str, **data: object) -> None:
        """Store the reason as `code` with its data, and make its text."""
        self.code, self.error_code, self.data = code, code, data
        reason, fix = peer_refusal_texts(code, data)
        super().__init__(reason, fix=fix)

    @property
    def is_unreachable(self) -> bool:
        """Return whether no descriptor arrived at all."""
        return self.code in UNREACHABLE

    def as_object(self) -> dict[str, object]:
        """Return the error as plain JSON data, with its code."""
        return {**super().as_object(), "code": self.code, "data": self.data}
