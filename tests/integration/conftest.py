"""One sandbox for all tests in containers, and the real `deploy` command against it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

DEPLOY = str(Path(sys.executable).with_name("deploy"))
REGIONS = Path(__file__).with_name("regions")
LIMIT_SECONDS = 1200


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="try each fault often, not a few times")
    parser.addoption("--after", type=int, default=0, metavar="N",
                     help="leave out the first N changes to each node: go on with a campaign that "
                     "was broken off")  # fmt: skip


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
        if terminal is None or capture is None:
            return
        with self._one_at_a_time, capture.global_and_fixture_disabled():
            terminal.write_line(f"  {text}")
            terminal.flush()

    def figure(self, text: str) -> None:
        """Write what a campaign counted, and once more at the end."""
        self.figures.append(text)
        self.say(text)

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


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Teller(config), "teller")


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
    found: Teller = request.config.pluginmanager.get_plugin("teller")
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
    """The region under test: a copy of its own, so that tests may change it."""

    folder: Path
    first: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / "region.yml"

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
        self.file.write_text(text.replace(old, new))


def kill_group(process: subprocess.Popen[str]) -> None:
    """End a control process and all it started here, as closing the laptop does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    """The sandbox of the region `proof`, from nothing, removed at the end."""
    folder = tmp_path_factory.mktemp("inventories") / "proof"
    shutil.copytree(REGIONS / "proof", folder)
    region = Proof(folder)
    assert region.deploy("sandbox down").code == 0
    yield region
    region.deploy("sandbox down")
