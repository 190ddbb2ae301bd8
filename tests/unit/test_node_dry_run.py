"""A plan names the roles that a deploy would run, also those of a second pass."""

from pathlib import Path
from typing import Any

import pytest
from receipt_samples import (
    FakeAnsible,
    events_of,
    inputs,
    path_item,
    reason_text,
    run_context,
    write_file,
)

from chautari.node import converge, dpkg_repair, dry_run, lock, receipt_writer, receipts
from chautari.node.receipts import RoleInputs

Data = dict[str, Any]


@pytest.fixture(autouse=True)
def unfinished_packages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of interrupted packages of this node, empty at first."""
    found: list[str] = []
    monkeypatch.setattr(dpkg_repair, "list_unfinished_dpkg_work", lambda: found)
    monkeypatch.setattr(lock, "apt_lock_holder", str)
    return found


def deploy_roles(folder: Path, roles: list[RoleInputs], **does: Any) -> list[list[str]]:
    """Deploy, and return what ran in each pass."""
    ansible = FakeAnsible(folder / "memory", does)
    assert converge.converge(run_context(folder, roles, ansible), full=False) == 0
    return ansible.ran


def plan_roles(
    folder: Path, roles: list[RoleInputs], code: int = 0, **does: Any
) -> tuple[Data, Data]:
    """Return the roles that a plan would run, and those that may follow."""
    (folder / "events.jsonl").unlink(missing_ok=True)
    ansible = FakeAnsible(folder / "memory", does)
    there = run_context(folder, roles, lambda playbook: ansible(playbook) or code)
    dry_run.report_dry_run(there, full=False, last_lines=lambda: ["x"])
    [chosen] = events_of(folder, "roles_selected")
    later = events_of(folder, "followup_roles")
    return chosen["roles"], later[0]["roles"] if later else {}


def record_item(item: Data, changed: bool = True) -> Any:
    return lambda: [{"item": item, "changed": True} if changed else {"item": item}]


def writes(file: Path, text: str) -> Any:
    """Return what a role does that writes a file."""
    return lambda: write_file(file, text) and [{"item": path_item(file), "changed": True}]


def test_plan_predicts_the_roles_that_follow_a_changed_one(
    tmp_path: Path,
) -> None:
    file = tmp_path / "etc" / "shared"
    roles = [inputs("a"), inputs("b"), inputs("c", needs=["a"]), inputs("d")]
    deploy_roles(
        tmp_path, roles, a=writes(file, "a\n"), b=record_item({"kind": "group", "name": "g"})
    )
    changed = [roles[0], inputs("b", files="f2"), *roles[2:]]
    now, later = plan_roles(tmp_path, changed, b=record_item(path_item(file)))
    assert (list(now), list(later)) == (["b"], ["a", "c"])
    assert [reason_text(why) for why in later["a"]] == [f"b would change {file}"]
    assert [reason_text(why) for why in later["c"]] == ["it depends on a, which also runs"]
    ran = deploy_roles(tmp_path, changed, a=writes(file, "a\n"), b=writes(file, "b\n"))
    assert ran[:2] == [["b"], ["a", "c"]]


def test_plan_predicts_the_report_of_manual_changes(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "shared"
    roles = [inputs("a"), inputs("b"), inputs("c", needs=["b"]), inputs("d")]
    both = {"a": writes(file, "x\n"), "b": writes(file, "x\n")}
    deploy_roles(tmp_path, roles, **both)
    file.unlink()
    now, later = plan_roles(
        tmp_path, roles, a=record_item(path_item(file)), b=record_item(path_item(file))
    )
    assert (list(now), later) == (["a", "b", "c"], {})
    assert deploy_roles(tmp_path, roles, **both) == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("watched", "item", "follows"),
    [
        ({"kind": "paths", "name": "/etc/x/*.conf"}, {"kind": "path", "name": "/etc/x/a.conf"}, 1),
        ({"kind": "paths", "name": "/etc/x/*.conf"}, {"kind": "path", "name": "/etc/x/a"}, 0),
        ({"kind": "exists", "name": "/gone"}, {"kind": "path", "name": "/gone"}, 1),
        ({"kind": "exists", "name": "/etc"}, {"kind": "path", "name": "/etc"}, 0),
        ({"kind": "group", "name": "g"}, {"kind": "group", "name": "g"}, 1),
        ({"kind": "group", "name": "g"}, {"kind": "account", "name": "g"}, 0),
        ({"kind": "unit", "name": "n.service"}, {"kind": "unit", "name": "n.service"}, 0),
    ],
)
def test_plan_adds_only_roles_whose_receipt_would_break(
    watched: Data, item: Data, follows: int, tmp_path: Path
) -> None:
    roles = [inputs("a"), inputs("b")]
    there = run_context(tmp_path, roles, lambda _: 0)
    receipt_writer.write_role_receipt(
        there.state, receipts.Receipt("a", "r", 0, {}, {}, [watched], [{}])
    )
    records = tmp_path / "notes"
    for changed in ('"changed": true, ', ""):
        text = str(item).replace("'", '"')
        records.write_text(f'{{"role": "b", {changed}"item": {text}}}\n')
        assert len(dry_run.second_pass_reasons_by_role(there, {"b"}, records)) == (
            follows if changed else 0
        )


def test_plan_reports_an_incomplete_dry_run_with_a_partial_estimate(tmp_path: Path) -> None:
    plan_roles(tmp_path, [inputs("a")], code=2)
    assert events_of(tmp_path, "dry_run_incomplete") == [
        {"event": "dry_run_incomplete", "log": ["x"]}
    ]
    assert events_of(tmp_path, "download_estimate")[0]["partial"] is True


def test_plan_of_an_up_to_date_node_runs_nothing(tmp_path: Path) -> None:
    roles = [inputs("a")]
    deploy_roles(tmp_path, roles)
    # Records of the deploy are still there; none of them is reported again.
    assert plan_roles(tmp_path, roles, code=2) == ({}, {})
    [estimate] = events_of(tmp_path, "download_estimate")
    assert (estimate["bytes"], estimate["partial"]) == (0, False)


def test_plan_reports_an_interrupted_installation_with_a_partial_estimate(
    tmp_path: Path, unfinished_packages: list[str]
) -> None:
    unfinished_packages += ["nginx", "redis"]
    plan_roles(tmp_path, [inputs("a")])
    [event] = events_of(tmp_path, "dpkg_interrupted")
    assert event["packages"] == ["nginx", "redis"]
    assert events_of(tmp_path, "download_estimate")[0]["partial"] is True


@pytest.mark.parametrize("why", ["nothing to do", "apt at work"])
def test_plan_ignores_an_interrupted_installation_that_a_deploy_leaves(
    why: str, tmp_path: Path, unfinished_packages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished_packages.append("nginx")
    if why == "apt at work":
        monkeypatch.setattr(lock, "apt_lock_holder", lambda: "apt, process 1")
    else:
        deploy_roles(tmp_path, [inputs("a")])
    plan_roles(tmp_path, [inputs("a")])
    assert events_of(tmp_path, "dpkg_interrupted") == []
    assert events_of(tmp_path, "download_estimate")[0]["partial"] is False
