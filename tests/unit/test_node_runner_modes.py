"""What a run does: deploy, plan or verify, with or without Mitogen."""

import json
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import inputs, record, write_file, write_receipt
from run_samples import (
    ABOUT,
    RUN,
    write_run,
)

from chautari.node import dpkg_repair, lock, runner

Data = dict[str, Any]
ANSIBLE = """#!/bin/sh
echo "strategy ${ANSIBLE_STRATEGY:-none}" >> "$(dirname "$0")/calls"
"""
ROLE_STARTED = """echo '{"event": "role_started", "role": "base"}' >> "$CHAUTARI_EVENTS"\n"""


@pytest.fixture
def memory(node_state: Path) -> Path:
    """Return an unpacked bundle with one role whose receipt is outdated."""
    folder = runner.MEMORY / RUN
    write_file(folder / "roles.json", json.dumps([inputs("a", files="f2"), inputs("b")]))
    write_file(folder / "plays.json", json.dumps({r: {"hosts": r, "roles": [r]} for r in "ab"}))
    write_file(folder / "lib" / "chautari" / "__init__.py", "")
    for role in "ab":
        write_receipt(node_state, inputs(role), record())
    return folder


def events(folder: Path) -> list[Data]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def started_commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the commands that were started; each of them fails."""
    found: list[list[str]] = []

    def run(argv: list[str], folder: Path, memory: Path, extra: dict[str, str]) -> int:
        found.append(
            [Path(argv[0]).name, *argv[1:], *filter(None, [extra.get("CHAUTARI_CHECKING")])]
        )
        (folder / "log").write_text("no luck\n")
        return 2

    monkeypatch.setattr(runner, "_run_logged", run)
    # Ignore interrupted packages of the machine that runs the tests.
    monkeypatch.setattr(dpkg_repair, "list_unfinished_dpkg_work", list)
    return found


def test_plan_runs_ansible_in_check_mode_and_keeps_every_receipt(
    node_state: Path, memory: Path, started_commands: list[list[str]]
) -> None:
    folder = write_run(node_state)
    before = {path.name: path.read_bytes() for path in (node_state / "receipts").glob("*.json")}
    assert runner.report_plan(folder, memory, {"run": RUN}) is True
    assert started_commands == [
        ["ansible-playbook", "playbooks/run.yml", "--check", "--diff", "yes"]
    ]
    assert {p.name: p.read_bytes() for p in (node_state / "receipts").glob("*.json")} == before
    found = [event["event"] for event in events(folder)]
    assert found == ["roles_selected", "dry_run_incomplete", "role_up_to_date", "download_estimate"]
    assert not (node_state / "lib").exists()


def test_plan_without_outdated_roles_starts_nothing(
    node_state: Path, memory: Path, started_commands: list[list[str]]
) -> None:
    write_file(memory / "roles.json", json.dumps([inputs("a"), inputs("b")]))
    folder = write_run(node_state)
    assert runner.report_plan(folder, memory, {"run": RUN}) is True
    assert started_commands == []


def test_failed_converge_is_reported_and_installs_the_drift_timer(
    node_state: Path, memory: Path, started_commands: list[list[str]]
) -> None:
    folder = write_run(node_state)
    assert runner.try_to_converge(folder, memory, {"run": RUN}) is False
    assert started_commands == [["ansible-playbook", "playbooks/run.yml", "no"]]
    assert events(folder)[-1] == {"event": "playbook_failed", "code": 2, "log": ["no luck"]}
    assert (node_state / "lib" / "chautari" / "__init__.py").is_file()
    assert sorted(path.name for path in (node_state / "receipts").glob("*.json")) == ["b.json"]


def test_converge_repairs_packages_before_any_role_runs(
    node_state: Path,
    memory: Path,
    started_commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dpkg_repair, "list_unfinished_dpkg_work", lambda: ["nginx"])
    monkeypatch.setattr(lock, "apt_lock_holder", lambda: "")
    folder = write_run(node_state)
    assert runner.try_to_converge(folder, memory, {"run": RUN}) is False
    assert [argv[0] for argv in started_commands] == ["sh", "ansible-playbook"]
    [found] = [event for event in events(folder) if event["event"] == "dpkg_repaired"]
    assert (found["packages"], found["ok"]) == (["nginx"], False)


def test_converge_repairs_nothing_when_no_role_runs(
    node_state: Path,
    memory: Path,
    started_commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dpkg_repair, "list_unfinished_dpkg_work", lambda: ["nginx"])
    write_file(memory / "roles.json", json.dumps([inputs("a"), inputs("b")]))
    assert runner.try_to_converge(write_run(node_state), memory, {"run": RUN}) is True
    assert started_commands == []


def test_run_mode_runs_the_steps_of_the_mode(
    node_state: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for name in ("try_to_converge", "run_checks", "report_plan"):
        monkeypatch.setattr(runner, name, lambda *_, name=name: done.append(name) or True)
    for about, steps in (
        ({"mode": "plan"}, ["report_plan"]),
        ({"mode": "verify"}, ["run_checks"]),
        ({"mode": "deploy"}, ["try_to_converge", "run_checks"]),
        ({"mode": "deploy", "checks": False}, ["try_to_converge"]),
    ):
        done.clear()
        assert runner._do_requested_work(node_state, memory, about, 0.0) is True
        assert done == steps


@pytest.mark.parametrize(
    ("event", "action"),
    [
        ("playbook_failed", "converge"), ("dry_run_incomplete", "plan"),
        ("mitogen_fallback", "converge"), ("checks_errored", "check"),
    ],
)  # fmt: skip
def test_events_with_the_log_mask_secrets(
    event: str, action: str, node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, memory = write_run(node_state), runner.MEMORY / RUN
    for name, data in {
        "secrets": ["canary-secret"], "roles": [inputs("a")], "settings": {},
        "plays": {"a": {"hosts": "all", "roles": ["a"]}},
    }.items():  # fmt: skip
        write_file(memory / f"{name}.json", json.dumps(data))
    write_file(memory / "lib" / "x", "")
    program = "#!/bin/sh\necho 'password: canary-secret'; exit 4\n"
    for name in ("ansible-playbook", "python"):
        write_file(node_state / "venv" / "bin" / name, program, 0o755)
    monkeypatch.setattr(runner, "VENV", node_state / "venv")
    monkeypatch.setattr(runner, "_mitogen_settings", lambda: {"ANSIBLE_STRATEGY": "x"})
    about = {"run": RUN}
    {
        "converge": lambda: runner.try_to_converge(folder, memory, about),
        "plan": lambda: runner.report_plan(folder, memory, about),
        "check": lambda: runner.run_checks(folder, memory, 0.0),
    }[action]()
    found = {line["event"]: line for line in events(folder)}
    assert found[event]["log"][0] == "password: ********"
    assert "canary" not in (folder / "events.jsonl").read_text() + (folder / "log").read_text()


@pytest.fixture
def mitogen_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run on a node that has Mitogen."""
    monkeypatch.setattr(runner, "VENV", tmp_path / "venv")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    site_packages = tmp_path / "venv" / "lib" / "python3.13" / "site-packages"
    (site_packages / "ansible_mitogen" / "plugins" / "strategy").mkdir(parents=True)
    (tmp_path / "memory").mkdir()
    return tmp_path


def run_ansible(folder: Path, script: str, about: Data = ABOUT) -> tuple[int, list[str]]:
    """Run `script` as the playbook; return its exit code and the strategies it got."""
    program = write_file(folder / "venv" / "bin" / "ansible-playbook", ANSIBLE + script, 0o755)
    code = runner._run_context(folder, folder / "memory", about, []).ansible("playbooks/run.yml")
    return code, (program.parent / "calls").read_text().splitlines()


def test_ansible_uses_mitogen_when_it_is_installed(mitogen_run: Path) -> None:
    assert run_ansible(mitogen_run, "exit 0") == (0, ["strategy mitogen_linear"])


def test_ansible_falls_back_when_mitogen_fails(mitogen_run: Path) -> None:
    code, calls = run_ansible(mitogen_run, '[ -z "$ANSIBLE_STRATEGY" ]')
    assert (code, calls) == (0, ["strategy mitogen_linear", "strategy none"])
    assert [event["event"] for event in events(mitogen_run)] == ["mitogen_fallback"]


def test_failed_role_is_not_run_a_second_time(mitogen_run: Path) -> None:
    assert run_ansible(mitogen_run, ROLE_STARTED + "exit 2") == (2, ["strategy mitogen_linear"])


def test_ansible_runs_without_mitogen_when_requested(mitogen_run: Path) -> None:
    assert run_ansible(mitogen_run, "exit 0", ABOUT | {"plain": True}) == (0, ["strategy none"])


def test_ansible_runs_without_mitogen_when_it_is_missing(mitogen_run: Path) -> None:
    (mitogen_run / "venv" / "lib").rename(mitogen_run / "elsewhere")
    assert run_ansible(mitogen_run, "exit 0") == (0, ["strategy none"])
