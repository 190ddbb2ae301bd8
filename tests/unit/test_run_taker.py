"""Every event that a node tells and a report can hold is taken into it."""

from __future__ import annotations

from chautari.run import taker
from chautari.run.taker import Taker

HELPERS = {"_fill", "_add_roles_without_a_word"}


def test_each_event_that_can_be_taken_is_in_the_table() -> None:
    methods = {
        name for name, value in vars(Taker).items()
        if callable(value) and name.startswith("_") and not name.startswith("__")
    }  # fmt: skip
    assert {f"_{event}" for event in taker._HANDLERS} == methods - HELPERS
