"""Practice faults: set only in a running sandbox, remembered, explained and undone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from commands_in_texts import problem_with_command
from region_samples import POLLS, load_sample_region
from sandbox_samples import STATE

from chautari.cli.main import deploy
from chautari.errors import BadInput, RunFailed
from chautari.process import ProcessError
from chautari.region.load import LoadedRegion
from chautari_sandbox import dns, paths, podman_commands, privileges, state
from chautari_sandbox.podman_client import ExistingContainer, PodmanClient
from chautari_sandbox.practice import exercise as practice
from chautari_sandbox.practice.faults import FAULTS, Fault, firewall_rule_handle

RULES = {
    "nftables": [
        {"metainfo": {}},
        {"rule": {"handle": 4, "expr": [{"match": {"left": {"meta": {"key": "iif"}}}}]}},
        {"rule": {"handle": 5, "expr": [
            {"match": {"left": {"payload": {"field": "dport"}}, "right": {"set": [22]}}}]}},
        {"rule": {"handle": 9, "expr": [
            {"match": {"left": {"payload": {"field": "dport"}}, "right": 80}}, {"accept": None}]}},
    ]
}  # fmt: skip


class Containers:
    """Stands for podman: records the commands, and fails at those that it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, members: tuple[str, ...]) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.failures: dict[str, str] = {}
        self.ids = {member: f"id-{member}" for member in members}
        self.running = set(members)
        monkeypatch.setattr(PodmanClient, "containers_by_member", lambda _: self.listed())
        monkeypatch.setattr(PodmanClient, "run_in_container", lambda _, *words: self.run(*words))
        monkeypatch.setattr(privileges, "require_root_access", lambda: None)
        monkeypatch.setattr(podman_commands, "podman_command_prefix", lambda: ("podman",))

    def listed(self) -> dict[str, ExistingContainer]:
        return {
            member: ExistingContainer(
                number, f"box_{member}", "running" if member in self.running else "exited", {}
            )
            for member, number in self.ids.items()
        }

    def run(self, name: str, *command: str) -> str:
        self.commands.append((name, *command))
        for word, error in self.failures.items():
            if word in command:
                raise ProcessError(" ".join(command), 1, "", error)
        return json.dumps(RULES) if "--json" in command else ""


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedRegion:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    loaded = load_sample_region(tmp_path, POLLS)
    state.save_completed_state(replace(STATE, name=loaded.region.region))
    return loaded


@pytest.fixture
def containers(region: LoadedRegion, monkeypatch: pytest.MonkeyPatch) -> Containers:
    return Containers(monkeypatch, ("internet", *region.region.nodes))


def test_real_region_is_refused(tmp_path: Path) -> None:
    loaded = load_sample_region(tmp_path)
    with pytest.raises(BadInput, match="is a real region, not a sandbox"):
        practice.open_practice(loaded)


def test_sandbox_that_was_not_started_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="the sandbox andes does not exist"):
        practice.open_practice(load_sample_region(tmp_path, POLLS))


def test_sandbox_with_a_stopped_container_is_refused(
    region: LoadedRegion, containers: Containers
) -> None:
    containers.running.discard("internet")
    with pytest.raises(BadInput, match="the sandbox andes is not running"):
        practice.open_practice(region)
    assert containers.commands == []


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_changes_something_and_is_undone(
    region: LoadedRegion, containers: Containers, name: str
) -> None:
    opened = practice.open_practice(region)
    hosts = opened.client.folder / "dns" / "hosts"
    paths.write_if_changed(hosts, dns.hosts_file_text(opened.spec))
    before = hosts.read_text()
    active = practice.set_fault(opened, name)
    assert active.fault == name
    assert containers.commands
    assert (hosts.read_text() != before) is FAULTS[name].wrong_dns
    set_by = len(containers.commands)
    assert practice.undo_active_fault(opened) == active
    assert len(containers.commands) > set_by
    assert hosts.read_text() == before
    assert opened.active() is None


def test_steps_run_only_in_containers_of_the_sandbox(
    region: LoadedRegion, containers: Containers
) -> None:
    opened = practice.open_practice(region)
    for name in FAULTS:
        practice.set_fault(opened, name)
        practice.undo_active_fault(opened)
    assert {command[0] for command in containers.commands} == {"box_bog1", "box_internet"}


def test_closed_port_deletes_only_the_rule_of_its_port(
    region: LoadedRegion, containers: Containers
) -> None:
    practice.set_fault(practice.open_practice(region), "closed-port")
    assert containers.commands[-1][-2:] == ("handle", "9")
    assert firewall_rule_handle(json.dumps(RULES), 443) == ""


def test_wrong_dns_record_moves_only_the_first_public_name(
    region: LoadedRegion, containers: Containers
) -> None:
    opened = practice.open_practice(region)
    practice.set_fault(opened, "wrong-dns-record")
    lines = (opened.client.folder / "dns" / "hosts").read_text().splitlines()
    assert lines[-1] == "192.0.2.1 cloud.andes.example.org"
    assert not any("cloud.andes.example.org" in line.split() for line in lines[:-1])
    assert any("bog1.andes.example.org" in line.split() for line in lines[:-1])


def test_second_fault_is_refused_until_the_first_is_solved(
    region: LoadedRegion, containers: Containers
) -> None:
    opened = practice.open_practice(region)
    practice.set_fault(opened, "stopped-service")
    with pytest.raises(BadInput, match="already has a practice fault"):
        practice.set_fault(practice.open_practice(region))
    practice.undo_active_fault(opened)
    practice.set_fault(opened, "database-down")


def test_fault_is_forgotten_with_its_container(
    region: LoadedRegion, containers: Containers
) -> None:
    practice.set_fault(practice.open_practice(region), "stopped-service")
    containers.ids["bog1"] = "id-of-a-new-container"
    assert practice.open_practice(region).active() is None


@pytest.mark.parametrize("text", ["", "[]", '{"fault": 1}', '{"fault": "x", "node": "bog1"}'])
def test_damaged_memory_is_no_fault(
    region: LoadedRegion, containers: Containers, text: str
) -> None:
    opened = practice.open_practice(region)
    (opened.client.folder / practice.MEMORY).write_text(text)
    assert opened.active() is None


def test_fault_that_cannot_be_set_is_undone(region: LoadedRegion, containers: Containers) -> None:
    containers.failures["fallocate"] = "fallocate: not found"
    opened = practice.open_practice(region)
    with pytest.raises(RunFailed, match="full-disk could not be set on bog1"):
        practice.set_fault(opened, "full-disk")
    assert containers.commands[-1][1] == "umount"
    assert opened.active() is None


def test_node_without_the_service_keeps_no_fault(
    region: LoadedRegion, containers: Containers
) -> None:
    containers.failures = {"systemctl": "Unit nginx.service not found."}
    opened = practice.open_practice(region)
    with pytest.raises(RunFailed, match="stopped-service could not be set") as refused:
        practice.set_fault(opened, "stopped-service")
    assert refused.value.fix == "deploy region andes"
    assert opened.active() is None


def test_solve_accepts_what_was_already_repaired(
    region: LoadedRegion, containers: Containers
) -> None:
    opened = practice.open_practice(region)
    practice.set_fault(opened, "refused-mail")
    containers.failures["mv"] = "mv: cannot stat: No such file or directory"
    practice.undo_active_fault(opened)
    assert containers.commands[-1][1:] == ("postqueue", "-f")


def test_solve_keeps_the_fault_if_it_cannot_be_undone(
    region: LoadedRegion, containers: Containers
) -> None:
    opened = practice.open_practice(region)
    practice.set_fault(opened, "stopped-service")
    containers.failures["start"] = "Job for nginx.service failed"
    with pytest.raises(ProcessError):
        practice.undo_active_fault(opened)
    assert opened.active() is not None


def test_fault_that_nothing_in_the_region_can_have_is_refused(
    region: LoadedRegion, containers: Containers
) -> None:
    opened = practice.open_practice(region)
    alone = replace(opened, region=opened.region.model_copy(update={"nodes": {}}))
    with pytest.raises(BadInput, match="no node of andes runs the service that full-disk breaks"):
        practice.set_fault(alone, "full-disk")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_commands_in_hints_and_answers_exist(fault: Fault) -> None:
    texts = [text.format(region="demo", node="lima") for text in (fault.hint, fault.repair)]
    commands = [f"deploy {text.rpartition('deploy ')[2]}" for text in texts if "deploy " in text]
    assert "deploy " in fault.repair
    assert [problem_with_command(command) for command in commands] == [None] * len(commands)


def break_with(region: LoadedRegion, *options: str) -> Any:
    return CliRunner().invoke(deploy, ["sandbox", "break", str(region.folder), *options])


def test_command_does_not_name_a_random_fault(region: LoadedRegion, containers: Containers) -> None:
    answer = break_with(region, "--json")
    assert answer.exit_code == 0, answer.output
    assert set(json.loads(answer.output)) == {"ok", "text"}
    assert not any(name in answer.output for name in FAULTS)


def test_command_prints_hint_then_answer(region: LoadedRegion, containers: Containers) -> None:
    break_with(region, "database-down")
    assert "What does a service need" in break_with(region, "--hint").output
    answer = break_with(region, "--solve").output
    assert "The database server was stopped" in answer
    assert "deploy verify andes" in answer


def test_command_refuses_hint_without_a_fault(region: LoadedRegion, containers: Containers) -> None:
    answer = break_with(region, "--hint")
    assert isinstance(answer.exception, BadInput)
    assert answer.exception.fix == "deploy sandbox break andes"


@pytest.mark.parametrize("options", [("--hint", "--solve"), ("full-disk", "--solve")])
def test_command_refuses_options_that_exclude_each_other(
    region: LoadedRegion, containers: Containers, options: tuple[str, ...]
) -> None:
    assert "use only one of FAULT, --hint and --solve" in break_with(region, *options).output


def test_help_names_every_fault() -> None:
    text = CliRunner().invoke(deploy, ["sandbox", "break", "--help"]).output
    assert [name for name in FAULTS if name not in " ".join(text.split())] == []
