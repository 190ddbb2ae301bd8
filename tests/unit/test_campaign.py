"""The campaigns in containers: how they count, order and compare changes."""

from __future__ import annotations

import pytest
from tests.integration import harm, tampering, test_manual_changes

from chautari.paths import content_root
from chautari.render.role_inputs import load_receipt_declaration


def test_campaign_replaces_strikes_that_missed() -> None:
    moments: list[float] = []

    def strike(moment: float) -> bool:
        moments.append(moment)
        return moment < 15

    assert harm.strike_at_random(20, 20.0, 1, strike) == len(moments) > 20
    assert sum(moment < 15 for moment in moments) == 20
    assert min(moments) < 1 and max(moments) > 14


def test_campaign_without_a_hit_fails() -> None:
    with pytest.raises(AssertionError, match="0 of 2 strikes"):
        harm.strike_at_random(2, 20.0, 1, lambda _: False)


def test_campaign_knows_every_probe() -> None:
    roles = (folder.name for folder in (content_root() / "roles").iterdir())
    titles = {title for role in roles for title in load_receipt_declaration(role).probes.values()}
    assert titles == tampering.PROBES.keys()


def of_one(kind: str, name: str, state: dict[str, object]) -> list[tampering.Receipt]:
    return [{"role": "base", "items": [{"kind": kind, "name": name}], "states": [state]}]


def test_owner_and_group_are_changed_separately() -> None:
    state = {"is": "file", "mode": "0o644", "uid": 0, "gid": 0, "sha256": "x"}
    found = {c.kind: c.command for c in tampering.changes(of_one("path", "/etc/x", state))}
    assert found.keys() == {"content", "gone", "mode", "owner", "owning group"}
    assert "chgrp" in found["owning group"] and "chown" in found["owner"]


def test_change_keeps_its_place_in_the_campaign() -> None:
    made = [tampering.Change(("base",), f"/etc/{n}", kind, "") for n in range(9)
            for kind in ("owner", "owning group")]  # fmt: skip
    ordered = test_manual_changes.in_order(made)
    assert sorted(map(str, ordered)) == sorted(map(str, made)) and ordered != made
    assert [change.kind for change in ordered[9:]] == ["owning group"] * 9
    less = [change for change in made if change.item != "/etc/4"]
    assert test_manual_changes.in_order(less) == [one for one in ordered if one.item != "/etc/4"]


def test_probe_with_other_output_is_not_repaired() -> None:
    name = "accounts and databases of PostgreSQL"
    [change] = tampering.changes(of_one("probe", name, {"ok": True, "says": []}))

    def repaired(*says: str) -> bool:
        sides = [of_one("probe", name, {"ok": True, "says": [line]}) for line in says]
        return tampering.not_repaired(sides[0], sides[1], [change]) == []

    one, other = "a" * 32, "b" * 32
    assert repaired(f"account|nextcloud|t|f|{one}", f"account|nextcloud|t|f|{other}")
    assert not repaired(f"account|nextcloud|t|f|{one}", f"account|nextcloud|f|f|{one}")
