"""An ordinary account that may use sudo creates a region in containers, and owns its files.

The account is made for these tests, with its home below the folder for temporary files.
"""

from __future__ import annotations

import datetime
import ipaddress
import pwd
import re
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.conftest import REGIONS, Outcome

from chautari_sandbox.privileges import as_root
from chautari_sandbox.subnet_conflicts import find_free_subnet_of_same_size

pytestmark = pytest.mark.containers
ROOT = Path(__file__).resolve().parents[2]
NETWORK, ADDRESS = "203.0.113.64/27", "203.0.113.74"
ACCOUNT = "chautari-visitor"
HOME_PREFIX = "chautari-visitor-"
RULE = Path("/etc/sudoers.d/chautari-visitor")
# After this time the rule has no effect, even if these tests were killed and could not delete it.
RULE_LIFE = datetime.timedelta(hours=1)
PARTS = ("tool", "roles", "playbooks", "schemas")
LIMIT_SECONDS = 900


@dataclass
class Visitor:
    """The account: its home, its Python and where it finds the toolkit."""

    home: Path
    environment: tuple[str, ...] = ()

    def run(self, command: str) -> Outcome:
        """Run a line of shell as this account, without a terminal."""
        argv = ["runuser", "-u", ACCOUNT, "--", "env", "-i", *self.environment, "bash", "-c",
                f"cd {self.home} && {command}"]  # fmt: skip
        done = subprocess.run(
            as_root(argv), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=LIMIT_SECONDS, start_new_session=True, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    def run_or_fail(self, command: str) -> str:
        """Run a command that must succeed; return all that it printed."""
        outcome = self.run(command)
        assert outcome.code == 0, (command, outcome.stdout[-3000:], outcome.stderr[-3000:])
        return outcome.stdout + outcome.stderr

    def can_use(self, path: Path) -> bool:
        return self.run(f"test -r {path} -a -x {path}").code == 0

    def place(self, source: Path, name: str) -> Path:
        """Return `source`, or a copy in the home if the account cannot reach it."""
        if self.can_use(source):
            return source
        target = self.home / name
        root("mkdir", "-p", str(target.parent))
        root("cp", "--archive", "--dereference", str(source), str(target))
        root("chown", "-R", f"{ACCOUNT}:", str(target))
        return target

    def files_of_others(self) -> list[str]:
        """Return what lies in the home and does not belong to the account."""
        found = root("find", str(self.home), "!", "-user", ACCOUNT)
        return found.split()


def root(*argv: str) -> str:
    done = subprocess.run(as_root(argv), capture_output=True, text=True, check=False)
    assert done.returncode == 0, (argv, done.stderr)
    return done.stdout


def remove_account() -> None:
    """Remove the account, its rule and its home; nothing of them has to exist."""
    root("rm", "-f", str(RULE))
    try:
        home = pwd.getpwnam(ACCOUNT).pw_dir
    except KeyError:
        return
    assert Path(home).name.startswith(HOME_PREFIX), f"{ACCOUNT} is an account of other people"
    root("/usr/sbin/userdel", "--force", ACCOUNT)
    root("rm", "-rf", "--one-file-system", home)


@pytest.fixture(scope="module")
def visitor() -> Iterator[Visitor]:
    """Return an ordinary account with the region `visit`; it may not use sudo yet."""
    remove_account()
    home = Path(tempfile.mkdtemp(prefix=HOME_PREFIX))
    try:
        root("/usr/sbin/useradd", "--home-dir", str(home), "--shell", "/bin/bash", ACCOUNT)
        write_region(home / "inventories" / "visit" / "region.yml")
        root("chown", "-R", f"{ACCOUNT}:", str(home))
        yield with_toolkit(Visitor(home))
    finally:
        deploy = [sys.executable, "-m", "chautari", "sandbox", "down", "--purge"]
        deploy.append(str(REGIONS / "visit" / "region.yml"))
        subprocess.run(deploy, cwd=ROOT, capture_output=True, check=False)
        remove_account()


def write_region(file: Path) -> None:
    """Write the region, with a network that is free on this machine."""
    text = (REGIONS / "visit" / "region.yml").read_text()
    network = ipaddress.ip_network(find_free_subnet_of_same_size(NETWORK))
    for old, new in ((NETWORK, network), (ADDRESS, network[10])):
        assert old in text
        text = text.replace(old, str(new))
    file.parent.mkdir(parents=True)
    file.write_text(text)


def with_toolkit(visitor: Visitor) -> Visitor:
    """Give the account the command `deploy`, from this checkout."""
    parts = {part: visitor.place(ROOT / part, f"checkout/{part}") for part in PARTS}
    packages = visitor.place(Path(site.getsitepackages()[0]), "packages")
    python = python_of(visitor)
    base, copied = python.parents[1], visitor.home in python.parents
    home = (f"PYTHONHOME={base}", f"LD_LIBRARY_PATH={base}/lib") if copied else ()
    visitor.run_or_fail(
        "mkdir bin && printf '#!/bin/sh\\nexec %s -m chautari \"$@\"\\n' "
        f"{python} > bin/deploy && chmod +x bin/deploy"
    )
    visitor.environment = (
        f"HOME={visitor.home}", f"LOGNAME={ACCOUNT}", f"USER={ACCOUNT}", "LANG=C.UTF-8", *home,
        f"PYTHONPATH={parts['tool']}:{packages}",
        f"PATH={visitor.home}/bin:/usr/local/bin:/usr/bin:/bin",
    )  # fmt: skip
    return visitor


def python_of(visitor: Visitor) -> Path:
    """Return this Python, Debian's of the same version, or a copy in the home."""
    own = Path(sys.executable).resolve()
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (own, Path("/usr/bin", name)):
        if visitor.can_use(python):
            return python
    library, base = Path("lib", name), visitor.home / "python"
    left_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "config-*")
    shutil.copytree(Path(sys.base_prefix) / library, base / library, ignore=left_out)
    for file in (Path(sys.base_prefix) / "lib").glob("*.so*"):
        shutil.copy2(file, base / "lib")
    (base / "bin").mkdir()
    shutil.copy2(own, base / "bin" / name)
    root("chown", "-R", f"{ACCOUNT}:", str(base))
    return base / "bin" / name


@pytest.fixture(scope="module")
def deployed(visitor: Visitor) -> Visitor:
    """Return the account with a rule for sudo, after `deploy region visit`."""
    until = datetime.datetime.now(datetime.UTC) + RULE_LIFE
    rule = f"{ACCOUNT} ALL=(ALL) NOTAFTER={until:%Y%m%d%H%M%SZ} NOPASSWD: ALL\n"
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(rule)
        file.flush()
        root("install", "--mode=0440", file.name, str(RULE))
    visitor.run_or_fail("deploy region visit")
    return visitor


def test_command_that_may_not_use_root_changes_nothing(visitor: Visitor) -> None:
    before = visitor.run_or_fail("find . -type f | sort")
    for command in ("deploy region visit", "deploy sandbox up visit", "deploy sandbox down visit"):
        outcome = visitor.run(command)
        assert outcome.code == 2, (command, outcome.stderr)
        assert "a sandbox needs root" in outcome.stderr and "sudo refused" in outcome.stderr
        assert f"echo '{ACCOUNT} ALL=(ALL) NOPASSWD: ALL'" in outcome.stderr
    assert visitor.run_or_fail("find . -type f | sort") == before


def test_every_command_of_the_next_steps_works_for_the_same_account(deployed: Visitor) -> None:
    assert "ok      root: sudo" in deployed.run("deploy doctor").stdout
    shown = deployed.run_or_fail("deploy sandbox up visit && deploy region visit")
    shown += deployed.run_or_fail("deploy status visit")
    # With all that follows, as a person copies it.
    printed = {line.strip() for line in re.findall(r"\bdeploy (?:[a-z]+ )+visit\b[^`\n]*", shown)}
    assert "deploy region visit" in printed
    expected = ("status", "verify", "plan", "drift", "attach", "secrets list", "sandbox status")
    for command in sorted(printed | {f"deploy {verb} visit" for verb in expected}):
        deployed.run_or_fail(command)
    [secret, *_] = deployed.run_or_fail("deploy secrets list visit").split()
    assert deployed.run_or_fail(f"deploy secrets show visit {secret}").strip()
    deployed.run_or_fail("deploy render visit -o rendered")
    assert deployed.files_of_others() == []


def test_files_of_root_are_named_with_a_command_that_returns_them(deployed: Visitor) -> None:
    """An earlier `sudo deploy` left them."""
    taken = [".local/state/chautari", ".cache/chautari", "inventories/visit/secrets.age"]
    root("chown", "-R", "root:", *(str(deployed.home / path) for path in taken))
    root("chmod", "0600", str(deployed.home / taken[-1]))
    fixes = 0
    for command in ("deploy status visit", "deploy region visit", "deploy sandbox down visit"):
        while (outcome := deployed.run(command)).code:
            assert outcome.code == 2, (command, outcome.stderr)
            [fix] = re.findall(r"sudo chown -R .*", outcome.stderr)
            deployed.run_or_fail(fix)
            fixes += 1
            assert fixes <= len(taken), outcome.stderr
    assert fixes == len(taken)
    assert deployed.files_of_others() == []


def test_removed_sandbox_leaves_nothing(deployed: Visitor) -> None:
    deployed.run_or_fail("deploy sandbox down --purge visit")
    left = [root("podman", *words.split()) for words in (
        "ps --all --format {{.Names}}", "volume ls --quiet", "network ls --format {{.Name}}"
    )]  # fmt: skip
    assert "chautari_visit" not in " ".join(left)
    assert not (deployed.home / ".local/state/chautari/sandbox/visit").exists()
    assert deployed.files_of_others() == []
