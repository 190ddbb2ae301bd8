"""Every event that a node tells and a report can hold is taken into it."""

from __future__ import annotations

import json

from chautari.report.model import NodeReport
from chautari.run import taker
from chautari.run.taker import Taker

HELPERS = {"_fill", "_add_roles_without_a_word"}


def test_each_event_that_can_be_taken_is_in_the_table() -> None:
    methods = {
        name for name, value in vars(Taker).items()
        if callable(value) and name.startswith("_") and not name.startswith("__")
    }  # fmt: skip
    assert {f"_{event}" for event in taker._HANDLERS} == methods - HELPERS


def test_installation_that_a_deploy_would_finish_first_is_told() -> None:
    report = NodeReport("bog1", "192.0.2.1", "failed")
    event = {"event": "packages_unfinished", "packages": ["nginx", "redis"]}
    Taker(report, lambda _, event: None).take(json.dumps(event))
    [notice] = report.notices
    assert "(nginx, redis): a deploy brings it to its end first" in notice
