"""Fixtures that several test files share."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tomllib
from collections import deque
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from region_samples import ROOT, key_pair
from run_samples import OLD

from chautari import language
from chautari.deploy import status
from chautari.node import audit_log, lock, main, runner
from chautari.render import provider

HOLD = """
import sys, time
from pathlib import Path
from chautari.deploy import status
from chautari.node import lock
state = Path(sys.argv[1])
lock.LOCK, lock.HOLDER = state / "lock", state / "holder.json"
about = {"run": sys.argv[2], "operator": "luz", "origin": "cusco"}
with lock.hold_lock_or_yield_holder(about) as holder:
    print("holds" if holder is None else holder, flush=True)
    time.sleep(60)
"""


class RsaKeys:
    """Generates RSA keys as cryptography does, and returns earlier ones after a few."""

    LIMIT = 4  # more than any test compares with each other

    def __init__(self) -> None:
        self.generate = rsa.generate_private_key
        self.keys: dict[int, deque[rsa.RSAPrivateKey]] = {}

    def __call__(
        self, public_exponent: int, key_size: int, backend: object = None
    ) -> rsa.RSAPrivateKey:
        """Return a key of `key_size` bits; each key of the last four calls is another one."""
        known = self.keys.setdefault(key_size, deque())
        if len(known) < self.LIMIT:
            known.append(self.generate(public_exponent, key_size))
        known.rotate()
        return known[0]


@pytest.fixture(autouse=True, scope="session")
def few_rsa_keys() -> Iterator[None]:
    """Generate few RSA keys: each takes a third of a second, and hundreds of tests make secrets."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rsa, "generate_private_key", RsaKeys())
        yield


@pytest.fixture(autouse=True, scope="session")
def own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the state of commands apart from this account's, and from that of earlier tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@functools.cache
def sandbox_entry_point() -> EntryPoint:
    """Return the entry point that chautari-sandbox declares."""
    project = tomllib.loads((ROOT / "tool/chautari_sandbox/pyproject.toml").read_text())["project"]
    [(name, value)] = project["entry-points"][provider.GROUP].items()
    return EntryPoint(name, value, provider.GROUP)


@pytest.fixture(autouse=True)
def language_of_the_test_before_is_forgotten() -> None:
    """Begin in English; a command with --json would leave its own choice to the next test."""
    language.select("")
    language.use_english_only(False)


@pytest.fixture(autouse=True)
def sandbox_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the sandbox as an installed package would be found; loaded only when it is used."""
    monkeypatch.setattr(provider, "find_provider", sandbox_entry_point().load)


@pytest.fixture(autouse=True)
def apt_of_this_machine_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find no lock of apt: an installation on this machine may hold it, and only root may look."""
    monkeypatch.setattr(lock, "APT_LOCK", Path("/nonexistent/lock-frontend"))


@pytest.fixture(autouse=True)
def upstream_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `deploy status` ask no server of upstream's, and not use this account's cache."""
    monkeypatch.setattr(
        status, "compare_with_upstream", lambda _: {"outdated": [], "releases_unknown": []}
    )


@pytest.fixture
def account_with_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the person at this computer have a key: without one, no node is at fault."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / ".ssh"
    folder.mkdir(parents=True)
    key_pair(folder, "id_ed25519")
    (folder / "id_ed25519").chmod(0o600)


@pytest.fixture
def node_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let the runner, its lock and its bundles use temporary folders; return the state folder."""
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setattr(runner, "STATE", state)
    monkeypatch.setattr(main, "STATE", state)
    monkeypatch.setattr(runner, "MEMORY", tmp_path / "memory")
    monkeypatch.setattr(audit_log, "LOG", tmp_path / "log" / "chautari" / "audit.log")
    monkeypatch.setattr(lock, "LOCK", state / "lock")
    monkeypatch.setattr(lock, "HOLDER", state / "holder.json")
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(runner, "UNIT_QUERY_SECONDS", 0.0)
    monkeypatch.setattr(runner, "_unit_is_active", lambda _: False)
    # The runner sets its own.
    mask, handler = os.umask(0o022), signal.getsignal(signal.SIGTERM)
    yield state
    os.umask(mask)
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def lock_holder(node_state: Path) -> Iterator[subprocess.Popen[str]]:
    """Return another process, which holds the lock of the node."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(node_state), OLD],
        stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT / "tool")},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
