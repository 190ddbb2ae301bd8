"""How patient a deploy is with the nodes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Manner:
    """How patient a deploy is.

    Attributes:
        wait: wait for somebody else's run to end instead of being refused.
        detach: come back once the node is at work.
    """

    wait: bool = False
    detach: bool = False


PATIENT = Manner()
