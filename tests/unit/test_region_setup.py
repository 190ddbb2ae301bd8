"""A new region: answers, keys, machines, the proposal and its files."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from region_samples import KEY, key_pair

from chautari.errors import BadInput
from chautari.preflight.facts import Facts
from chautari.region.load import load_region
from chautari.region_setup import answers, machine_inspection, new_files, operator_keys
from chautari.region_setup.answers import MailAnswer, NodeAnswer, RegionAnswers, ServiceAnswer
from chautari.region_setup.machine_inspection import Machine
from chautari.region_setup.operator_names import FALLBACK, first_valid_operator_name
from chautari.region_setup.placement import Proposal, propose_placement
from chautari.region_setup.region_text import region_file_text
from chautari.services.registry import SERVICES
from chautari.ssh import machine_facts
from chautari.ssh.machine_facts import MachineAnswer
from chautari.ssh.target import SSHTarget

MAIL = MailAnswer("smtp.example.org", 587, "andes", "cloud@andes.example.org")


def machine(name: str, os: str = "debian-13", **found: Any) -> Machine:
    """Return a machine whose facts are known."""
    number = 10 + sum(map(ord, name)) % 200
    node = NodeAnswer(name, f"203.0.113.{number}", os=os)
    values: dict[str, Any] = {
        "os": os, "machine": "x86_64", "uid": 0, "init": "systemd", "cores": 4,
        "memory_kb": 4_000_000, "free": {"/": 40_000_000, "/var": 40_000_000},
    }  # fmt: skip
    return Machine(node, Facts(**values | found))


def answers_for(services: str, found: list[Machine]) -> RegionAnswers:
    return RegionAnswers(
        name="andes", domain="andes.example.org", contact="ops@andes.example.org",
        operator="ana", key=f"{KEY} ana@laptop", country="CO", timezone="America/Bogota",
        nodes=tuple(item.node for item in found), mail=MAIL,
        services=tuple(map(answers.parse_service, services.split())),
    )  # fmt: skip


def propose(services: str, *found: Machine) -> Proposal:
    return propose_placement(answers_for(services, list(found)), found)


def nodes_of(proposal: Proposal) -> dict[str, tuple[str, str]]:
    return {item.service: (item.node, item.code) for item in proposal.placements}


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("bog1=203.0.113.10", NodeAnswer("bog1", "203.0.113.10")),
        ("bog1=debian@203.0.113.10:2222", NodeAnswer("bog1", "203.0.113.10", "debian", 2222)),
        ("bog1=2001:db8::1", NodeAnswer("bog1", "2001:db8::1")),
        ("bog1=root@[2001:DB8::1]:22", NodeAnswer("bog1", "2001:db8::1")),
        ("bog1=203.0.113.10,os=debian-12,address6=2001:db8::1",
         NodeAnswer("bog1", "203.0.113.10", os="debian-12", address6="2001:db8::1")),
    ],
)  # fmt: skip
def test_parse_node_reads_logins(text: str, node: NodeAnswer) -> None:
    assert answers.parse_node(text) == node


@pytest.mark.parametrize(
    "text",
    ["bog1", "=203.0.113.10", "Bog1=203.0.113.10", "bog1=", "bog1=example.org", "bog1=127.0.0.1",
     "bog1=a b@203.0.113.10", "bog1=203.0.113.10:0", "bog1=203.0.113.10:99999",
     "bog1=203.0.113.10,colour=red", "bog1=203.0.113.10,os", "bog1=-oProxyCommand=x@203.0.113.10",
     "bog1=$(x)@203.0.113.10", "bog1=@203.0.113.10", "bog1=203.0.113.10:" + "9" * 5000],
)  # fmt: skip
def test_parse_node_refuses_with_a_hint(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|use|cannot|one of"):
        answers.parse_node(text)


def test_parse_service_suggests_the_nearest() -> None:
    assert answers.parse_service("jitsi@bog1") == ServiceAnswer("jitsi", "bog1")
    with pytest.raises(ValueError, match=r"did you mean nextcloud\?"):
        answers.parse_service("nextclod")


def test_keys_come_from_files_and_the_agent_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    mine = key_pair(ssh, "id_ed25519")
    (ssh / "id_ed25519.pub").write_text(mine + "\n")
    (ssh / "broken.pub").write_text("ssh-ed25519 AAAA\n")
    (ssh / "id_ed25519-cert.pub").write_text("certificate")
    (ssh / "fifo.pub").symlink_to("/dev/zero")
    monkeypatch.setenv("HOME", str(tmp_path))
    other = key_pair(tmp_path, "other")
    monkeypatch.setattr(
        operator_keys, "_keys_of_agent", lambda: [(mine, "ssh-agent"), (other, "ssh-agent")]
    )
    found, unusable = operator_keys.find_operator_keys()
    assert [key.source for key in found] == [str(ssh / "id_ed25519.pub"), "ssh-agent"]
    assert [item.source for item in unusable] == [str(ssh / "broken.pub")]


def test_private_key_is_not_taken_for_a_public_one(tmp_path: Path) -> None:
    key_pair(tmp_path, "id_ed25519")
    with pytest.raises(ValueError, match="private key"):
        operator_keys.read_key_file(tmp_path / "id_ed25519")


@pytest.mark.parametrize(
    ("candidates", "name"),
    [(("ana", "x"), "ana"), (("root", "luz"), "luz"), (("debian", "luz"), "luz"),
     (("Ana María", "systemd-x", "root"), FALLBACK)],
)  # fmt: skip
def test_operator_gets_a_name_that_rules_accept(candidates: tuple[str, ...], name: str) -> None:
    assert first_valid_operator_name(candidates, ["debian"]) == name


def test_one_machine_runs_what_fits() -> None:
    found = propose("nextcloud portal jitsi", machine("bog1"))
    assert nodes_of(found) == dict.fromkeys(("nextcloud", "portal", "jitsi"), ("bog1", "only_node"))


def test_service_with_its_own_os_gets_the_machine_that_fits() -> None:
    big = machine("cal1", "ubuntu-22.04", memory_kb=16_000_000, cores=8)
    found = propose("nextcloud bigbluebutton", machine("bog1"), big)
    assert nodes_of(found) == {
        "nextcloud": ("bog1", "only_fit"), "bigbluebutton": ("cal1", "only_fit"),
    }  # fmt: skip
    assert found.data["services"]["nextcloud"]["version"].startswith("34.")
    assert found.postponed == ()


def test_newer_ubuntu_gets_the_release_line_that_it_runs() -> None:
    big = machine("cal1", "ubuntu-24.04", memory_kb=16_000_000, cores=8)
    found = propose("nextcloud bigbluebutton", machine("bog1"), big)
    assert found.data["services"]["bigbluebutton"]["release"] == "4.0"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"memory_kb": 2_000_000}, "MB of memory; BigBlueButton needs at least"),
        ({"cores": 2}, "2 processor cores"),
        ({"machine": "aarch64"}, "only available for amd64"),
        ({"free": {"/": 1_000_000}}, "MB free"),
        ({"container": "openvz"}, "openvz"),
    ],
)
def test_machine_that_is_too_small_is_the_reason(facts: dict[str, Any], reason: str) -> None:
    small = machine("cal1", "ubuntu-22.04", **{"memory_kb": 16_000_000, "cores": 8} | facts)
    found = propose("nextcloud bigbluebutton", machine("bog1"), small)
    assert "bigbluebutton" not in nodes_of(found)
    assert any(reason in text for text in found.postponed[0].reasons)


def test_most_free_memory_wins() -> None:
    large = machine("med1", memory_kb=8_000_000)
    found = propose("nextcloud", machine("bog1"), large)
    assert nodes_of(found) == {"nextcloud": ("med1", "most_memory")}


def test_memory_of_services_on_one_machine_adds_up() -> None:
    tiny = machine("bog1", memory_kb=1_300_000)
    found = propose("nextcloud jitsi", tiny)
    assert len(found.placements) == 1
    assert "1269 MB of memory; 1600 MB are needed" in found.postponed[0].reasons[0]


def test_services_spread_over_machines_that_are_not_known() -> None:
    nodes = [Machine(NodeAnswer(f"n{n}", f"203.0.113.{n}")) for n in (1, 2)]
    found = propose("nextcloud jitsi", *nodes)
    assert {node for node, _ in nodes_of(found).values()} == {"n1", "n2"}


def test_chosen_node_is_used_or_the_reason_shown() -> None:
    found = propose("nextcloud@bog1", machine("bog1"), machine("med1", memory_kb=9_000_000))
    assert nodes_of(found) == {"nextcloud": ("bog1", "chosen")}
    found = propose("bigbluebutton@bog1 nextcloud", machine("bog1"))
    assert "requires ubuntu-22.04" in found.postponed[0].reasons[0]


def test_service_that_rules_refuse_everywhere_is_postponed() -> None:
    found = propose("polls nextcloud", machine("bog1", "debian-12"))
    assert list(nodes_of(found)) == ["nextcloud"]
    assert "no checksum is known for Framadate" in found.postponed[0].reasons[0]


def test_auxiliary_service_follows_the_one_it_serves() -> None:
    found = propose("jitsi-bridge jitsi", machine("bog1"), machine("med1"))
    assert {node for node, _ in nodes_of(found).values()} == {"bog1", "med1"}


@pytest.mark.parametrize("service", SERVICES)
def test_written_region_is_valid_with_each_service(service: str, tmp_path: Path) -> None:
    found = [
        machine("bog1"), machine("med1", "debian-12"),
        machine("cal1", "ubuntu-22.04", memory_kb=16_000_000, cores=8),
    ]  # fmt: skip
    wanted = dict.fromkeys((service, "nextcloud", "jitsi", "bigbluebutton"))
    proposal = propose_placement(answers_for(" ".join(wanted), found), found)
    text = region_file_text(proposal, found)
    file = tmp_path / "andes" / "region.yml"
    file.parent.mkdir()
    file.write_text(text)
    region = load_region(file).region
    placed = {item.service for item in proposal.placements}
    assert placed == {name for node in region.nodes.values() for name in node.services}
    assert "PydanticUndefined" not in text and max(map(len, text.splitlines())) < 400


def test_each_optional_setting_can_be_activated(tmp_path: Path) -> None:
    found = [machine("bog1")]
    text = region_file_text(propose_placement(answers_for("nextcloud portal", found), found), found)
    file = tmp_path / "andes" / "region.yml"
    file.parent.mkdir()
    for old in ("    # quota: 5 GB", "    # host: start", "    # title: Red Andes"):
        assert old in text
        text = text.replace(old, old.replace("# ", ""))
    file.write_text(text)
    assert load_region(file).region.fqdn("start") == "start.andes.example.org"


def test_files_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    good, taken = tmp_path / "new" / "a" / "region.yml", tmp_path / "README.md"
    taken.write_text("mine")
    with pytest.raises(FileExistsError):
        new_files.write_new_files({good: "x", taken: "y"})
    assert sorted(tmp_path.iterdir()) == [taken] and taken.read_text() == "mine"
    new_files.write_new_files({good: "x"})
    assert good.read_text() == "x" and stat.S_IMODE(good.stat().st_mode) & 0o022 == 0


def test_interruption_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = new_files.os.open

    def interrupted(path: Any, *rest: Any) -> int:
        if Path(path).name == "b":
            raise KeyboardInterrupt
        return real(path, *rest)

    monkeypatch.setattr(new_files.os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        new_files.write_new_files({tmp_path / "x" / "a": "1", tmp_path / "x" / "b": "2"})
    assert list(tmp_path.iterdir()) == []


def test_dangling_link_counts_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "region.yml").symlink_to("nowhere")
    with pytest.raises(BadInput, match="already exists"):
        new_files.refuse_existing(tmp_path / "region.yml", "x")


FACTS = (
    "motd\nchautari-facts\nos=debian-12\nmachine=x86_64\nuid=0\ninit=systemd\nmemory_kb=2048000\n"
)


def test_facts_are_read_with_a_host_key_of_first_contact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/argv\ncat <<'X'\n{FACTS}X\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    target = SSHTarget("bog1", "203.0.113.10", 22, "root", tmp_path / "known_hosts")
    found = machine_facts.read_machine_facts(target, first_contact=True)
    assert found.facts is not None and found.facts.os == "debian-12"
    argv = (tmp_path / "argv").read_text()
    assert argv.index("accept-new") < argv.index("StrictHostKeyChecking=yes")


def test_silent_or_hostile_machine_has_no_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    target = SSHTarget("bog1", "203.0.113.10", 22, "root", tmp_path / "known_hosts")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for body in ("echo refused >&2; exit 255", "yes chautari", "head -c 300000 /dev/urandom"):
        ssh.write_text(f"#!/bin/sh\n{body}\n")
        ssh.chmod(0o755)
        found = machine_facts.read_machine_facts(target)
        assert found.facts is None and len(found.said) <= 2 * machine_facts.MAX_SAID + 1


def test_hostile_name_of_a_system_does_not_reach_the_file() -> None:
    found = [machine("bog1")]
    node = found[0].node._replace(os="debian-13")
    hostile = Facts(os="x\x1b[31m\x00\u202e" + "y" * 5000, machine="x86_64", memory_kb=4_000_000)
    found = [Machine(node, hostile)]
    text = region_file_text(propose_placement(answers_for("nextcloud", found), found), found)
    assert not {"\x1b", "\x00", "\u202e"} & set(text) and "y" * 100 not in text
    new_files.check_region_text("andes", text, "")


def test_account_that_the_machine_names_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(target: SSHTarget, *, first_contact: bool) -> MachineAnswer:
        if target.user == "root":
            return MachineAnswer(
                None, 'Please login as the user "debian" rather than the user "root".'
            )
        return MachineAnswer(machine("bog1").facts)

    monkeypatch.setattr(machine_inspection, "read_machine_facts", answer)
    [found] = machine_inspection.inspect_machines([NodeAnswer("bog1", "203.0.113.10")])
    assert (found.node.user, found.node.os) == ("debian", "debian-13")


@pytest.mark.usefixtures("account_with_key")
def test_machine_that_is_not_reached_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "root@203.0.113.10: Permission denied (publickey)."
    monkeypatch.setattr(
        machine_inspection, "read_machine_facts", lambda *_, **__: MachineAnswer(None, said)
    )
    [found] = machine_inspection.inspect_machines([NodeAnswer("bog1", "203.0.113.10")])
    assert (found.facts, found.problems[0].code) == (None, "key_rejected")
