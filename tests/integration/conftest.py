"""One sandbox for all tests in containers, and the real `deploy` command against it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.integration import snapshots
from tests.integration.snapshots import Snapshot, SnapshotError
from xdist.scheduler import LoadScopeScheduling

from chautari_sandbox import paths

DEPLOY = str(Path(sys.executable).with_name("deploy"))
REGIONS = Path(__file__).with_name("regions")
ORIGINAL = REGIONS / "proof" / "region.yml"
# Always the same folder: a sandbox belongs to the folder of its region.
FOLDER = paths.cache_dir() / "tests" / "proof"
# Says which snapshot the running sandbox is like, and the workers who see to it.
MARKER = FOLDER.with_name("deployed")
LIMIT_SECONDS = 1200


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="try each fault often, not a few times")
    parser.addoption("--after", type=int, default=0, metavar="N",
                     help="leave out the first N changes to each node: go on with a campaign that "
                     "was broken off")  # fmt: skip
    parser.addoption(
        "--keep-sandbox",
        action="store_true",
        help="leave the sandbox running for the next session, if all tests pass",
    )


class Teller:
    """Says at once what happens: the run goes on for many minutes, and may be ended by a limit."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.figures: list[str] = []
        self._one_at_a_time = threading.Lock()

    def say(self, text: str) -> None:
        """Write a line of progress past the capture."""
        plugins = self.config.pluginmanager
        terminal, capture = map(plugins.get_plugin, ("terminalreporter", "capturemanager"))
        if capture is None:
            return
        with self._one_at_a_time, capture.global_and_fixture_disabled():
            if terminal is None:  # a worker of xdist's has no terminal
                print(f"  {text}", file=sys.stderr, flush=True)
            else:
                terminal.write_line(f"  {text}")
                terminal.flush()

    def figure(self, text: str) -> None:
        """Write what a campaign counted, and once more at the end."""
        self.figures.append(text)
        if is_worker(self.config):
            self.config.workeroutput["figures"] = self.figures  # type: ignore[attr-defined]
        self.say(text)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker counted."""
        self.figures += getattr(node, "workeroutput", {}).get("figures", ())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message if crash else str(report.longrepr)
            terminal.write_line(f"\n{report.nodeid}: {message[:3000]}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.figures:
            terminalreporter.section("what was counted")
        for text in self.figures:
            terminalreporter.write_line(text)


def is_worker(config: pytest.Config) -> bool:
    """Return whether this is one of several processes that share the sandbox."""
    return hasattr(config, "workerinput")


class NodeScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives all tests of the node `ground` to one worker, and those of the other nodes to another.

    Marks would say it better, but xdist 3.8 loses its groups under pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].rpartition("/")[2]
        if file in ("test_faults.py", "test_interruptions.py") or nodeid.endswith("[ground]"):
            return "ground"
        return "molecule" if file == "test_molecule.py" else "others"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> NodeScheduling:
    return NodeScheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Teller(config), "teller")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove the sandbox, once all that share it are done."""
    options = session.config.option
    stays = options.collectonly or (options.keep_sandbox and exitstatus == 0)
    if not stays and not is_worker(session.config):
        MARKER.unlink(missing_ok=True)
        Proof(REGIONS / "proof").deploy("sandbox down")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of the long campaign to it."""
    if config.getoption("--soak"):
        return
    left = [item for item in items if item.get_closest_marker("soak")]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def teller(request: pytest.FixtureRequest) -> Teller:
    """Who says how far a campaign is and what it counted."""
    found = request.config.pluginmanager.get_plugin("teller")
    assert isinstance(found, Teller)
    return found


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether this is the long campaign."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture(scope="session")
def after(request: pytest.FixtureRequest) -> int:
    """How many changes to each node were made by a campaign that was broken off."""
    return int(request.config.getoption("--after"))


@pytest.fixture(scope="session")
def often(soak: bool) -> int:
    """How often a fault with a random moment is tried."""
    return 20 if soak else 2


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
    def troubles(self) -> list[Any]:
        """What went wrong, in few words: for an assertion's message."""
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

    @property
    def file(self) -> Path:
        return self.folder / self.name

    def deploy(self, *arguments: str, person: str = "ana") -> Outcome:
        verb, *rest = arguments
        argv = ["env", f"LOGNAME={person}", DEPLOY, *verb.split(), str(self.file), *rest]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        verb, *rest = arguments
        return subprocess.Popen(
            ["env", "LOGNAME=ana", DEPLOY, verb, str(self.file), *rest],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def on(self, node: str, *command: str, check: bool = True) -> str:
        argv = ["podman", "exec", f"chautari_proof_{node}", *command]
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def feed(self, node: str, text: str, *command: str) -> str:
        """Run a command on a node that reads `text`, and return what it printed."""
        argv = ["podman", "exec", "-i", f"chautari_proof_{node}", *command]
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
    """End a control process and all it started here, as closing the laptop does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def proof(request: pytest.FixtureRequest) -> Proof:
    """The region `proof`; `bare` and `deployed` give it its machines.

    Each worker has a region.yml of its own, since its tests change it.
    """
    worker = getattr(request.config, "workerinput", {}).get("workerid", "")
    return Proof(FOLDER, f"region-{worker}.yml" if worker else "region.yml")


def bare(proof: Proof) -> None:
    """Make the region and its machines anew, as a provider hands them over."""
    MARKER.unlink(missing_ok=True)
    shutil.rmtree(proof.folder, ignore_errors=True)
    shutil.copytree(REGIONS / "proof", proof.folder)
    proof.write(ORIGINAL.read_text())
    assert proof.deploy("sandbox down").code == 0


@pytest.fixture(scope="session")
def deployed(request: pytest.FixtureRequest, proof: Proof, teller: Teller) -> Proof:
    """The region, deployed: by tests before, from a snapshot, or by a first deploy now."""
    session = getattr(request.config, "workerinput", {}).get("testrunuid", "")
    # Workers share the sandbox: the first one sees to it.
    with paths.hold_lock(MARKER.with_name("lock")):
        if FOLDER.is_dir():
            proof.write(ORIGINAL.read_text())
        if session and marked() == session:
            return proof
        snapshot = this_snapshot()
        if not taken_over(proof, snapshot, teller):
            bare(proof)
            succeed(proof, "region", "--no-checks")
            keep(proof, teller)
        paths.write(MARKER, f"{snapshot.key} {session}")
    return proof


def this_snapshot() -> Snapshot:
    return snapshots.of_region("proof", ORIGINAL)


def marked() -> str:
    """Return the session of workers that deployed the region, if one did."""
    return MARKER.read_text().partition(" ")[2] if MARKER.is_file() else ""


def taken_over(proof: Proof, snapshot: Snapshot, teller: Teller) -> bool:
    """Use the deployed sandbox that runs, or else the snapshot; say why neither will do."""
    if MARKER.is_file() and MARKER.read_text().partition(" ")[0] == snapshot.key:
        if snapshots.running("proof") and proof.deploy("region", "--no-checks").code == 0:
            return True
        teller.say("the sandbox that tests before left is not in order")
    if not snapshot.exists():
        teller.say(f"no snapshot {snapshot.key} of the region: it is deployed from nothing")
        return False
    try:
        assert proof.deploy("sandbox down").code == 0
        snapshots.restore(snapshot, proof.folder, teller.say)
        proof.write(ORIGINAL.read_text())
        succeed(proof, "sandbox up")
        succeed(proof, "region", "--no-checks")
    except SnapshotError as error:
        teller.say(
            f"snapshot {snapshot.key} fails, so the region is deployed from nothing: {error}"
        )
        snapshot.remove()
        return False
    return True


def keep(proof: Proof, teller: Teller) -> None:
    """Note that the region stands, and make a snapshot of it if there is none."""
    snapshot = this_snapshot()
    if not snapshot.exists():
        try:
            snapshots.save(snapshot, proof.folder, teller.say)
        except SnapshotError as error:
            snapshot.remove()
            teller.say(f"no snapshot could be made: {error}")
        succeed(proof, "sandbox up")
        succeed(proof, "region", "--no-checks")
    paths.write(MARKER, f"{snapshot.key} ")


def succeed(proof: Proof, *arguments: str) -> None:
    outcome = proof.deploy(*arguments)
    if outcome.code:
        raise SnapshotError(f"deploy {arguments[0]}: {(outcome.stdout + outcome.stderr)[-2000:]}")
