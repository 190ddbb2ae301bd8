"""One sandbox for all tests in containers, and the real `deploy` command against it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.integration import snapshots
from tests.integration.snapshots import Snapshot, SnapshotError
from xdist.scheduler import LoadScopeScheduling

from chautari.files import write_atomically
from chautari_sandbox import paths
from chautari_sandbox.privileges import as_root

DEPLOY = str(Path(sys.executable).with_name("deploy"))
REGIONS = Path(__file__).with_name("regions")
ORIGINAL = REGIONS / "proof" / "region.yml"
# Always the same folder, since a sandbox belongs to the folder of its region.
FOLDER = paths.cache_dir() / "tests" / "proof"
# Names the snapshot that the running sandbox equals, and the session of workers that uses it.
MARKER = FOLDER.with_name("deployed")
LIMIT_SECONDS = 1200


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="try each fault 20 times")
    parser.addoption(
        "--after",
        type=int,
        default=0,
        metavar="N",
        help="skip the first N changes to each node, to resume a campaign",
    )
    parser.addoption(
        "--keep-sandbox",
        action="store_true",
        help="keep the sandbox running for the next session, if all tests pass",
    )


class ProgressReporter:
    """Prints progress at once: a session takes many minutes, and may be ended by a time limit."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.summary: list[str] = []
        self._lock = threading.Lock()

    def report(self, text: str) -> None:
        """Print a line of progress, also while pytest captures output."""
        plugins = self.config.pluginmanager
        terminal, capture = map(plugins.get_plugin, ("terminalreporter", "capturemanager"))
        if capture is None:
            return
        with self._lock, capture.global_and_fixture_disabled():
            if terminal is None:  # a worker of xdist has no terminal
                print(f"  {text}", file=sys.stderr, flush=True)
            else:
                terminal.write_line(f"  {text}")
                terminal.flush()

    def summarize(self, text: str) -> None:
        """Print a result of a campaign now and in the summary of the session."""
        self.summary.append(text)
        if is_worker(self.config):
            self.config.workeroutput["summary"] = self.summary  # type: ignore[attr-defined]
        self.report(text)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Collect the results of a worker."""
        self.summary += getattr(node, "workeroutput", {}).get("summary", ())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message if crash else str(report.longrepr)
            terminal.write_line(f"\n{report.nodeid}: {message[:3000]}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.summary:
            terminalreporter.section("results of campaigns")
        for text in self.summary:
            terminalreporter.write_line(text)


def is_worker(config: pytest.Config) -> bool:
    """Return whether this is one of several processes that share the sandbox."""
    return hasattr(config, "workerinput")


# Which machines the tests of a file use; a parameter that is the name of a node comes before.
# Other files use the node `cloud`.
SCOPE_OF_FILE = {
    "test_existing_machines.py": "own machines",
    "test_fail2ban.py": "meet",
    "test_moving.py": "own machines",
    "test_operators.py": "own machines",
    "test_ordinary_account.py": "own machines",
    "test_faults.py": "ground",
    "test_interruptions.py": "ground",
    "test_plain_ansible.py": "ground",
    "test_meetings.py": "hall",
}
# The longest first: a worker that finishes takes the next.
SCOPES = ("ground", "cloud", "hall", "meet", "own machines")


def scope_of(nodeid: str) -> str:
    """Return which tests have to run in the same worker, since they use the same machines."""
    file, _, test = nodeid.partition("::")
    if test.endswith("]") and (node := re.split(r"[\[-]", test[:-1])[-1]) in SCOPES:
        return node
    return SCOPE_OF_FILE.get(file.rpartition("/")[2], "cloud")


class NodeScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Runs all tests that use the same machines in one worker.

    Marks would be simpler, but xdist 3.8 ignores its groups under pytest 9.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # SCOPES is the order

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> NodeScheduling:
    return NodeScheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ProgressReporter(config), "progress")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove the sandbox after the last worker, if this session used it."""
    options = session.config.option
    stays = options.collectonly or (options.keep_sandbox and exitstatus == 0)
    # The controller of workers has no items; its sessions always use the sandbox.
    items = getattr(session, "items", [])
    stays |= bool(items) and not any("proof" in getattr(item, "fixturenames", ()) for item in items)
    if not stays and not is_worker(session.config):
        MARKER.unlink(missing_ok=True)
        Proof(REGIONS / "proof").deploy("sandbox down")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests of workers by scope; deselect the long campaign in other sessions."""
    if is_worker(config):
        items.sort(key=lambda item: SCOPES.index(scope_of(item.nodeid)))
    if config.getoption("--soak"):
        return
    left = [item for item in items if item.get_closest_marker("soak")]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def progress(request: pytest.FixtureRequest) -> ProgressReporter:
    """Return the reporter that prints the progress of campaigns."""
    found = request.config.pluginmanager.get_plugin("progress")
    assert isinstance(found, ProgressReporter)
    return found


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Return whether this is the long campaign."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture(scope="session")
def skipped_changes(request: pytest.FixtureRequest) -> int:
    """Return how many changes to each node an interrupted campaign has already made."""
    return int(request.config.getoption("--after"))


@pytest.fixture(scope="session")
def fault_count(soak: bool) -> int:
    """Return how often a fault at a random moment is tried."""
    return 20 if soak else 1


@dataclass
class Outcome:
    """How a `deploy` command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    def node(self, name: str) -> dict[str, Any]:
        return next(node for node in self.report["nodes"] if node["name"] == name)

    @property
    def problems(self) -> list[Any]:
        """Return the problems of nodes and checks, for the message of an assertion."""
        if not self.stdout.startswith("{"):
            return [self.stdout[-2000:], self.stderr[-2000:]]
        nodes = self.report["nodes"]
        failed = [item for item in self.report["checks"]["results"] if item["outcome"] == "failed"]
        return [
            *(
                (node["name"], node["failure"], node["refusals"])
                for node in nodes
                if not node["ok"]
            ),
            *((item["node"], item["service"], item["check"], item["message"]) for item in failed),
        ]


@dataclass
class Proof:
    """The region under test: a copy, so that tests may change it."""

    folder: Path
    name: str = "region.yml"
    container_prefix: ClassVar[str] = "chautari_proof_"

    @property
    def file(self) -> Path:
        return self.folder / self.name

    def deploy(self, *arguments: str, person: str = "ana") -> Outcome:
        verb, *rest = arguments
        argv = ["env", f"LOGNAME={person}", DEPLOY, *verb.split(), str(self.file), *rest]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def start_deploy(self, *arguments: str) -> subprocess.Popen[str]:
        verb, *rest = arguments
        return subprocess.Popen(
            ["env", "LOGNAME=ana", DEPLOY, verb, str(self.file), *rest],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def on(self, node: str, *command: str, check: bool = True) -> str:
        argv = as_root(["podman", "exec", f"{self.container_prefix}{node}", *command])
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def run_with_input(self, node: str, text: str, *command: str) -> str:
        """Run a command on a node with `text` as its input; return its output."""
        argv = as_root(["podman", "exec", "-i", f"{self.container_prefix}{node}", *command])
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.write(text.replace(old, new))

    def write(self, text: str) -> None:
        self.file.write_text(text)


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a control process and its children, as a power cut of the laptop does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def proof(request: pytest.FixtureRequest) -> Proof:
    """Return the region `proof`; `reset_region` and `deployed` create its machines.

    Each worker has its own region.yml, since tests change it.
    """
    worker = getattr(request.config, "workerinput", {}).get("workerid", "")
    return Proof(FOLDER, f"region-{worker}.yml" if worker else "region.yml")


def reset_region(proof: Proof) -> None:
    """Remove the machines of the region and restore its files."""
    MARKER.unlink(missing_ok=True)
    shutil.rmtree(proof.folder, ignore_errors=True)
    shutil.copytree(REGIONS / "proof", proof.folder)
    proof.write(ORIGINAL.read_text())
    assert proof.deploy("sandbox down").code == 0


@pytest.fixture(scope="session")
def deployed(request: pytest.FixtureRequest, proof: Proof, progress: ProgressReporter) -> Proof:
    """Return the region, deployed by earlier tests, from a snapshot, or by a first deploy."""
    session = getattr(request.config, "workerinput", {}).get("testrunuid", "")
    # Workers share the sandbox; the first one deploys it.
    with paths.hold_lock(MARKER.with_name("lock")):
        if FOLDER.is_dir():
            proof.write(ORIGINAL.read_text())
        if session and marked_session() == session:
            return proof
        snapshot = current_snapshot()
        if not restore_deployed(proof, snapshot, progress):
            reset_region(proof)
            deploy_or_raise(proof, "region", "--no-checks")
            save_deployed(proof, progress)
        write_atomically(MARKER, f"{snapshot.key} {session}")
    return proof


@pytest.fixture
def restored_files(deployed: Proof) -> Iterator[None]:
    """Restore the files of the region after a test."""
    files = {name: (deployed.folder / name).read_bytes() for name in (deployed.name, "known_hosts")}
    yield
    for name, content in files.items():
        # Other workers read known_hosts too, so it is never empty for a moment.
        if (deployed.folder / name).read_bytes() != content:
            write_atomically(deployed.folder / name, content)


def current_snapshot() -> Snapshot:
    return snapshots.of_region("proof", ORIGINAL)


def marked_session() -> str:
    """Return the session of workers that deployed the region, if one did."""
    return MARKER.read_text().partition(" ")[2] if MARKER.is_file() else ""


def restore_deployed(proof: Proof, snapshot: Snapshot, progress: ProgressReporter) -> bool:
    """Reuse the running sandbox or restore the snapshot; return whether one of them works."""
    if MARKER.is_file() and MARKER.read_text().partition(" ")[0] == snapshot.key:
        if snapshots.running("proof") and proof.deploy("region", "--no-checks").code == 0:
            return True
        progress.report("the sandbox of earlier tests cannot be used")
    if not snapshot.exists():
        progress.report(f"no snapshot {snapshot.key} of the region: it is deployed from scratch")
        return False
    try:
        assert proof.deploy("sandbox down").code == 0
        snapshots.restore(snapshot, proof.folder, progress.report)
        proof.write(ORIGINAL.read_text())
        deploy_or_raise(proof, "sandbox up")
        deploy_or_raise(proof, "region", "--no-checks")
    except SnapshotError as error:
        progress.report(
            f"snapshot {snapshot.key} fails, so the region is deployed from scratch: {error}"
        )
        snapshot.remove()
        return False
    return True


def save_deployed(proof: Proof, progress: ProgressReporter) -> None:
    """Mark the region as deployed, and save a snapshot of it if there is none.

    In CI no later session could use it.
    """
    snapshot = current_snapshot()
    if not snapshot.exists() and not os.environ.get("CI"):
        try:
            snapshots.save(snapshot, proof.folder, progress.report)
        except SnapshotError as error:
            snapshot.remove()
            progress.report(f"no snapshot could be made: {error}")
        deploy_or_raise(proof, "sandbox up")
        deploy_or_raise(proof, "region", "--no-checks")
    write_atomically(MARKER, f"{snapshot.key} ")


def deploy_or_raise(proof: Proof, *arguments: str) -> None:
    outcome = proof.deploy(*arguments)
    if outcome.code:
        raise SnapshotError(f"deploy {arguments[0]}: {(outcome.stdout + outcome.stderr)[-2000:]}")
