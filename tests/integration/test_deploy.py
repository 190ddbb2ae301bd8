"""Deploy a region from bare containers. The tests build on each other, in this order.

The control process of the first deploy is killed: the run on the node has to continue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration import leaks
from tests.integration.conftest import (
    Outcome,
    ProgressReporter,
    Proof,
    kill_group,
    reset_region,
    save_deployed,
)

from chautari.paths import reports_dir
from chautari.region.load import load_region
from chautari.secrets import store
from chautari_sandbox import api
from chautari_sandbox.paths import state_dir

pytestmark = pytest.mark.containers
NODES = ("ground", "meet", "hall", "cloud")


@pytest.fixture(scope="module", autouse=True)
def snapshot_afterwards(
    request: pytest.FixtureRequest, proof: Proof, progress: ProgressReporter
) -> Iterator[None]:
    """Save a snapshot of the deployed region for the other tests and later sessions."""
    failed = request.session.testsfailed
    yield
    # When only some of these tests ran, the region may be deployed only in part.
    if request.session.testsfailed == failed and proof.deploy("region", "--no-checks").code == 0:
        save_deployed(proof, progress)


@pytest.fixture(scope="module")
def sampler(proof: Proof, tmp_path_factory: pytest.TempPathFactory) -> leaks.ArgumentSampler:
    """Record the arguments of all processes from before the first deploy on."""
    reset_region(proof)
    return leaks.ArgumentSampler(tmp_path_factory.mktemp("sampler") / "arguments")


@pytest.fixture(scope="module")
def arguments(sampler: leaks.ArgumentSampler, second: Outcome) -> str:
    """Return the arguments of all processes during the deploys."""
    return sampler.stop()


@pytest.fixture(scope="module")
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder for temporary files of all deploys, also of the one that is killed."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def interrupted(proof: Proof, sampler: leaks.ArgumentSampler, temporary_files: Path) -> str:
    """Return what the first deploy printed before it was killed, during the run on `cloud`."""
    process = proof.start_deploy("region")
    output = ""
    assert process.stderr is not None
    for line in process.stderr:
        output += line
        if line.startswith("cloud  nginx"):
            break
    kill_group(process)
    return output


@pytest.fixture(scope="module")
def joined(proof: Proof, interrupted: str) -> Outcome:
    """Run the same command again; it joins the run that continues on the node."""
    return proof.deploy("region", "--json")


@pytest.fixture(scope="module")
def second(proof: Proof, joined: Outcome) -> Outcome:
    """Run every role again: only a full run shows that a second one changes nothing."""
    return proof.deploy("region", "--json", "--full")


def test_bare_machines_are_prepared_without_python(interrupted: str) -> None:
    assert "preparing" in interrupted


def test_second_operator_is_refused_with_the_name_of_the_first(
    proof: Proof, interrupted: str
) -> None:
    outcome = proof.deploy("region", "--json", "--node", "cloud", person="luz")
    assert outcome.code == 1, outcome.stderr
    node = outcome.node("cloud")
    assert node["state"] == "busy"
    assert node["refusals"][0]["reason"].startswith("ana is deploying to this node (since")


def test_killed_control_process_does_not_stop_the_run(proof: Proof, joined: Outcome) -> None:
    assert joined.code == 0, joined.stderr[-4000:] + joined.stdout[-2000:]
    runs = proof.on("cloud", "sh", "-c", "ls /var/lib/chautari/runs").split()
    events = proof.on("cloud", "cat", f"/var/lib/chautari/runs/{runs[0]}/events.jsonl")
    last = json.loads(events.splitlines()[-1])
    assert last["event"] == "run_finished" and last["ok"], last


def test_same_command_joins_the_run_and_shows_earlier_events(proof: Proof, joined: Outcome) -> None:
    cloud = joined.node("cloud")
    assert len(proof.on("cloud", "ls", "/var/lib/chautari/runs").split()) == 1
    assert [role["name"] for role in cloud["roles"]][:2] == ["setup", "base"]
    assert cloud["changed"] > 50


def test_finished_run_can_be_read_later(proof: Proof, second: Outcome) -> None:
    outcome = proof.deploy("attach", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.node("cloud")["run"] == second.node("cloud")["run"]
    assert outcome.report["checks"]["failed"] == 0


def test_second_run_changes_nothing(second: Outcome) -> None:
    changed = {node["name"]: node["changed"] for node in second.report["nodes"]}
    assert changed == dict.fromkeys(NODES, 0), second.report["nodes"]


def test_json_report_has_nodes_roles_checks_and_doubles(second: Outcome) -> None:
    report = second.report
    assert report["ok"] is True
    cloud = second.node("cloud")
    assert {"nextcloud", "framadate"} <= {role["name"] for role in cloud["roles"]}
    assert cloud["failed"] == 0 and cloud["seconds"] > 0
    checks = report["checks"]
    left_out = [item for item in checks["results"] if item["outcome"] == "skipped"]
    assert checks["failed"] == 0, second.problems
    # A double has no media, this region has no relays and no peers, and a proxy uses port 443.
    services = {"videobridge", "jitsi", "nextcloud", "nginx", "turn"}
    assert {item["service"] for item in left_out} <= services
    assert all(item["message"] for item in left_out)
    assert checks["passed"] == len(checks["results"]) - len(left_out) > 100
    assert {"node", "service", "check", "outcome", "seconds", "message"} <= set(
        checks["results"][0]
    )
    assert {"inside", "outside"} == {item["side"] for item in checks["results"]}
    assert {double["name"] for double in report["doubles"]} >= {"nextcloud", "framadate"}


@pytest.mark.parametrize(("node", "series"), [("ground", "2.19."), ("cloud", "2.21.")])
def test_each_release_of_debian_has_its_ansible(
    proof: Proof, second: Outcome, node: str, series: str
) -> None:
    """Upstream ended ansible-core 2.19, and newer releases need Debian 13's Python."""
    first_line = proof.on(node, "/opt/chautari/venv/bin/ansible", "--version").splitlines()[0]
    assert first_line.startswith(f"ansible [core {series}")


def test_status_says_how_the_last_run_ended(proof: Proof, second: Outcome) -> None:
    states = json.loads(proof.deploy("status", "--json").stdout)["nodes"]
    assert {state["node"]: state["finished"]["ok"] for state in states} == dict.fromkeys(
        NODES, True
    )
    assert all(state["reachable"] and state["busy"] is None for state in states)


def test_every_role_was_checked_on_its_nodes(second: Outcome) -> None:
    checked = {(item["node"], item["service"]) for item in second.report["checks"]["results"]}
    deployed = {
        (node["name"], role["name"])
        for node in second.report["nodes"]
        for role in node["roles"]
        if role["name"] != "setup"
    }
    assert deployed <= checked


def test_missing_app_is_reported(second: Outcome) -> None:
    assert any("calendar" in notice["text"] for notice in second.node("cloud")["notices"])


def test_verify_runs_the_same_checks_and_changes_nothing(proof: Proof, second: Outcome) -> None:
    outcome = proof.deploy("verify", "--json")
    assert outcome.code == 0, outcome.stderr

    def named(checks: dict[str, Any]) -> set[tuple[str, str, str]]:
        return {(item["node"], item["service"], item["check"]) for item in checks["results"]}

    assert named(outcome.report["checks"]) == named(second.report["checks"])


def test_reports_are_written_for_people_and_programs(second: Outcome) -> None:
    folder = reports_dir("proof") / "latest"
    assert json.loads((folder / "report.json").read_text())["region"] == "proof"
    assert (folder / "junit.xml").read_text().count("<testcase") > 60
    assert "double" in (folder / "report.html").read_text()


def secret_patterns(proof: Proof) -> tuple[list[str], list[str]]:
    """Return the names of all secrets of the region, and a line of each to search for."""
    state = api.load_last_saved_state("proof")
    assert state is not None
    opened = store.open_secrets_file(load_region(proof.file).secrets_file, [state.ssh_key])
    patterns = leaks.patterns_of(opened[name] for name in opened.names)
    assert len(patterns) > 10 and min(map(len, patterns)) >= 16
    return opened.names, patterns


def test_no_secret_leaks_from_the_run(proof: Proof, second: Outcome, arguments: str) -> None:
    """Search for every secret of the region where no secret may be."""
    names, patterns = secret_patterns(proof)
    reports = "".join(file.read_text() for file in reports_dir("proof").rglob("*.*"))
    places = {"reports": reports, "output": second.stdout + second.stderr, "arguments": arguments}
    places |= {node: proof.on(node, "sh", "-c", leaks.JOURNAL) for node in NODES}
    assert "chautari-run" in places["cloud"] and "prosodyctl" in places["arguments"]
    leaked = [
        f"{name} in {place}"
        for name, pattern in zip(names, patterns, strict=True)
        for place, text in places.items()
        if pattern in text
    ]
    for node in NODES:
        text = "\n".join([*patterns, leaks.CONTROL])
        readable = proof.run_with_input(node, text, "sh", "-c", leaks.OPEN_FILES).split()
        assert "/etc/passwd" in readable
        closed = proof.run_with_input(
            node, "\n".join(patterns), "sh", "-c", leaks.CLOSED_FILES
        ).split()
        leaked += [
            f"{file} of {node}" for file in readable + closed if file not in leaks.CONTROL_FILES
        ]
    assert not leaked


def test_no_secret_stays_on_this_machine(
    proof: Proof, second: Outcome, temporary_files: Path
) -> None:
    """The first deploy was killed, so it could not delete its temporary files."""
    _, patterns = secret_patterns(proof)
    folders = (temporary_files, state_dir("proof"), reports_dir("proof"), proof.folder)
    # The sandbox's mail server has a password; this shows that the search finds secrets.
    expected = {state_dir("proof") / name for name in ("mail-password", "state.json")}
    assert set(leaks.local_files_with(patterns, *folders)) == expected
