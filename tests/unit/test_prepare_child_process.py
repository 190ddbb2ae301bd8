"""The events of the preparing process become the reports of nodes."""

import fcntl
import hashlib
import io
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from packaging.requirements import Requirement
from pyinfra.api.config import Config
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from region_samples import load_sample_region

from chautari.preflight.requirements import NodeRequirements
from chautari.prepare import child_process, environment_script, worker
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.role_inputs import list_takeovers
from chautari.report.model import NodeReport, Notice, Refusal
from chautari.ssh.target import ssh_targets

TROUBLE = {"code": "no_ssh_answer", "data": {"address": "203.0.113.10", "message": "w"}}


class Child:
    """A fake process that drives pyinfra."""

    events: tuple[dict[str, Any], ...] = ()
    orders: dict[str, Any]

    def __init__(self, argv: tuple[str, ...], stdin: bytes = b"") -> None:
        self.code: int | None = None
        self.stderr = ""
        type(self).orders = json.loads(stdin)

    def __iter__(self) -> Iterator[str]:
        yield from (json.dumps(event) for event in self.events)
        self.code = 0


def prepare_nodes(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *events: dict[str, Any],
    preparation: Any = "adopt",
) -> dict[str, NodeReport]:
    monkeypatch.setattr(Child, "events", events)
    monkeypatch.setattr(child_process, "RunningCommand", Child)
    found = load_sample_region(folder)
    reached = ssh_targets(found, PUBLIC_INTERNET, ("bog1", "med1"))
    return child_process.run_preflight_and_prepare(
        found.region, reached, lambda *_: None, preparation
    )


def test_refusal_of_one_node_keeps_the_result_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = prepare_nodes(
        tmp_path,
        monkeypatch,
        {"event": "pinned", "node": "bog1", "fingerprint": "SHA256:abc"},
        {"event": "preparing", "node": "bog1", "os": "debian-12"},
        {"event": "refused", "node": "med1", "refusals": [TROUBLE]},
        {"event": "prepared", "node": "bog1", "os": "", "changed": True},
    )
    assert (found["bog1"].state, found["bog1"].os, found["bog1"].changed) == (
        "converged", "debian-12", 1,
    )  # fmt: skip
    [pinned] = found["bog1"].notices
    assert pinned.text.startswith("First contact: the host key SHA256:abc was pinned")
    # The step may name a command that logs in to the node.
    login = {"region": "andes", "node": "med1", "account": "root", "sudo": ""}
    expected = Refusal(TROUBLE["code"], {**login, **TROUBLE["data"]})
    assert (found["med1"].state, found["med1"].refusals) == ("refused", [expected])


def test_silent_node_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event = {"event": "unreachable", "node": "bog1", "message": "timed out"}
    found = prepare_nodes(tmp_path, monkeypatch, event)
    assert found["bog1"].state == "unreachable"
    assert "203.0.113.10 does not respond over SSH (timed out)" in found["bog1"].refusals[0].reason


def test_failed_preparation_names_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event = {
        "event": "failed",
        "node": "bog1",
        "task": "Install Python",
        "code": "step_failed",
        "message": "no route",
    }
    found = prepare_nodes(tmp_path, monkeypatch, event)["bog1"]
    assert (found.state, found.failed, found.ok) == ("failed", 1, False)
    assert found.failure is not None
    assert (found.failure.role, found.failure.task) == ("prepare", "Install Python")


def test_node_without_a_result_counts_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare_nodes(tmp_path, monkeypatch)["med1"].state == "failed"


def plain(requirements: NodeRequirements) -> Any:
    return json.loads(json.dumps(requirements._asdict()))


def test_orders_name_what_each_node_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_nodes(tmp_path, monkeypatch, preparation="check")
    bog1, med1 = Child.orders["nodes"]
    assert bog1 == {
        "name": "bog1", "address": "203.0.113.10", "port": 2222, "user": "debian",
        "known_hosts": str((tmp_path / "andes" / "known_hosts").resolve()), "key": "",
        "host_key": "",
        "key_password": None,
        "resolver": "",
        "required": plain(NodeRequirements("debian-12", (), address="203.0.113.10")),
        "takes_over": {
            role: list_takeovers(role, "debian-12")
            for role in ("base", "ssh", "firewall", "mail", "fail2ban")
        },
        "open_ports": [],
        "adopt": [],
        "operators": ["ana"],
    }  # fmt: skip
    assert med1["required"] == plain(
        NodeRequirements(
            "debian-13", ("nextcloud",), address="203.0.113.11", address6="2001:db8::11"
        )
    )
    assert med1["open_ports"] == ["80/tcp", "443/tcp"]
    assert Child.orders["preparation"] == "check"


def test_orders_hold_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_nodes(tmp_path, monkeypatch)
    assert set(Child.orders) == {
        "nodes", "requirements", "marker", "operator", "preparation", "parallel",
    }  # fmt: skip


def test_marker_is_the_digest_of_the_locked_requirements() -> None:
    assert (
        child_process.node_requirements_digest()
        == hashlib.sha256(child_process.node_requirements_text().encode()).hexdigest()
    )
    assert "--hash=sha256:" in child_process.node_requirements_text()


@pytest.mark.parametrize(
    ("python", "series"), [("3.11.2", ["2.19"]), ("3.13.5", ["2.21"])], ids=["Debian 12", "13"]
)
def test_one_ansible_is_selected_for_each_release_of_debian(python: str, series: list[str]) -> None:
    """Upstream ended ansible-core 2.19, and newer releases need Python 3.12."""
    environment = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    listed = [
        Requirement(line.removesuffix("\\"))
        for line in child_process.node_requirements_text().splitlines()
        if line.startswith("ansible-core==")
    ]
    versions = [
        str(found.specifier).removeprefix("==")
        for found in listed
        if found.marker is None or found.marker.evaluate(environment)
    ]
    assert [version.rpartition(".")[0] for version in versions] == series


def test_plan_names_a_node_with_another_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"event": "prepared", "os": "", "changed": False}
    found = prepare_nodes(
        tmp_path, monkeypatch, event | {"node": "bog1", "outdated": True},
        event | {"node": "med1", "outdated": False}, preparation="check",
    )  # fmt: skip
    assert (found["bog1"].notices, found["med1"].notices) == (
        [Notice("environment_outdated", {"megabytes": 11})],
        [],
    )
    assert "about 11 MB" in found["bog1"].notices[0].text


@pytest.mark.parametrize("kind", ["unreachable", "disconnected"])
def test_lost_connection_is_reported_with_the_next_step(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"event": kind, "node": "bog1", "refusal": TROUBLE}
    found = prepare_nodes(tmp_path, monkeypatch, event)["bog1"]
    assert (found.state, found.ok, found.refusals) == (kind, False, [Refusal(**TROUBLE)])
    assert found.failure is None


def test_crashed_worker_process_keeps_the_results_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Child) -> Iterator[str]:
        yield json.dumps({"event": "prepared", "node": "bog1", "os": "", "changed": True})
        yield json.dumps({"event": "preparing", "node": "med1", "os": "debian-13"})
        self.code, self.stderr = 1, "Traceback\nno module"

    monkeypatch.setattr(Child, "__iter__", broken)
    found = prepare_nodes(tmp_path, monkeypatch)
    assert found["bog1"].state == "converged" and found["bog1"].ok
    failure = found["med1"].failure
    assert failure is not None and not found["med1"].ok
    assert "exited early (code 1)" in failure.message
    assert failure.journal == ["Traceback", "no module"]


class Machine:
    """A fake host of pyinfra."""

    connected = False

    def __init__(self, name: str) -> None:
        self.name = name

    def connect(self, **_: Any) -> None:
        Machine.most = max(Machine.most, Machine.now + 1)
        Machine.now += 1
        gevent.sleep(0.01)
        Machine.now -= 1
        raise ValueError("odd key") if self.name == "n0" else ConnectError("timed out")

    now = most = 0


def test_unusual_machine_keeps_the_others_and_few_are_prepared_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [{"name": f"n{i}", "known_hosts": str(tmp_path / "known")} for i in range(7)]
    orders = {
        "nodes": nodes,
        "marker": "m",
        "preparation": "adopt",
        "parallel": 3,
        "requirements": "",
    }
    monkeypatch.setattr(worker, "pyinfra_connection_data", lambda _: {})
    monkeypatch.setattr(worker, "State", lambda inventory, config, **_: config)
    monkeypatch.setattr(worker, "Inventory", lambda given: [Machine(n) for n, _ in given[0]])
    monkeypatch.setattr(worker.logging, "disable", lambda _: None)
    monkeypatch.setattr(worker.sys, "stdin", io.StringIO(json.dumps(orders)))
    worker.main()
    events = {e["node"]: e for e in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (events["n0"]["event"], events["n0"]["message"]) == ("failed", "odd key")
    assert {e["event"] for name, e in events.items() if name != "n0"} == {"unreachable"}
    assert (len(events), Machine.most) == (7, 3)


def test_connection_survives_an_outage_of_minutes_only() -> None:
    with socket.socket() as connected:
        worker.set_tcp_options(connected)
        tcp = socket.IPPROTO_TCP
        assert connected.getsockopt(tcp, socket.TCP_NODELAY)
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, every, tries = (
            connected.getsockopt(tcp, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert 300 < idle + every * tries <= 600
        assert 300_000 < connected.getsockopt(tcp, socket.TCP_USER_TIMEOUT) <= 600_000


def test_pyinfra_accepts_the_data_of_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyinfra checks the types of its connection data itself; no connection is made."""
    prepare_nodes(tmp_path, monkeypatch)
    nodes = [(node["name"], worker.pyinfra_connection_data(node)) for node in Child.orders["nodes"]]
    state = State(Inventory((nodes, {})), Config())
    assert sorted(host.name for host in state.inventory) == ["bog1", "med1"]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runner's folder on a node with the environments of three locks, the last one in use."""
    folder = tmp_path / "opt"
    for name in ("venv-a", "venv-b", "venv-c"):
        (folder / name / "bin").mkdir(parents=True)
        (folder / name / "chautari-lock").write_text(name.removeprefix("venv-"))
    (folder / "prepare.lock").touch()
    (folder / "venv").symlink_to(folder / "venv-b")
    (tmp_path / "lock").touch()
    monkeypatch.setattr(environment_script, "ROOT", str(folder))
    monkeypatch.setattr(environment_script, "RUN_LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(environment_script, "SWITCH_SECONDS", 0)
    return folder


def put_in_place(folder: Path, name: str = "venv-c") -> list[str]:
    """Install an environment that exists already; return the files afterwards."""
    script = environment_script.install_script(name.removeprefix("venv-"), "python3", "ana")
    subprocess.run(["sh", "-c", script], check=True, stdin=subprocess.DEVNULL)
    assert (folder / "venv").resolve() == folder / name
    return sorted(path.name for path in folder.iterdir())


def test_older_system_gets_a_newer_python_in_addition() -> None:
    python = worker.PYTHONS["ubuntu-22.04"]
    assert {"python3", "python3-apt", python, f"{python}-venv"} <= set(
        worker.apt_packages_for_python(python)
    )
    assert worker.apt_packages_for_python("python3") == worker.PACKAGES
    script = environment_script.install_script("marker", python, "ana")
    assert f"PYTHON={python}\n" in script
    assert '"$PYTHON" -m venv --clear --without-pip "$new"' in script
    assert '"$new/bin/python" -m pip install' in script


def test_environments_of_earlier_locks_are_deleted(runner: Path) -> None:
    assert put_in_place(runner) == ["prepare.lock", "venv", "venv-c"]
    assert put_in_place(runner) == ["prepare.lock", "venv", "venv-c"]


def test_environment_of_an_active_run_stays(runner: Path) -> None:
    with (runner.parent / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        everything = ["prepare.lock", "venv", "venv-a", "venv-b", "venv-c"]
        assert put_in_place(runner, "venv-b") == everything
    assert put_in_place(runner) == ["prepare.lock", "venv", "venv-c"]


def test_environment_is_not_changed_under_a_run(runner: Path) -> None:
    with (runner.parent / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        script = environment_script.install_script("c", "python3", "ana")
        done = subprocess.run(
            ["sh", "-c", script], check=False, capture_output=True, text=True, input=""
        )
    assert done.returncode == 75
    assert done.stderr == (
        "Another run is active on this node. Wait for it to finish, then deploy again.\n"
    )
    assert (runner / "venv").resolve() == runner / "venv-b"
    assert (runner / "venv-c").is_dir()


def test_cleanup_of_a_fresh_node_deletes_nothing(runner: Path) -> None:
    (runner.parent / "lock").unlink()
    assert "venv-a" in put_in_place(runner)


def test_interrupted_installation_is_finished_before_python_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    monkeypatch.setattr(worker, "add_op", lambda *_, name, **__: names.append(name))
    orders = {"requirements": "", "marker": "marker", "operator": "ana"}
    worker._add_installation_steps(None, None, "python3", orders)
    assert names[:3] == [
        "Update the package lists", "Complete an interrupted installation",
        "Install Python",
    ]  # fmt: skip
