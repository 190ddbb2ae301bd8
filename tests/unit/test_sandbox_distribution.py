"""The sandbox is a separate distribution, and the product works without it."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from region_samples import POLLS, REGION, ROOT, key_pair, load_sample_region, region_file

from chautari.cli import main
from chautari.errors import BadInput
from chautari.render import provider
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.provider import ensure_endpoints, known_endpoints

PRODUCT = sorted((ROOT / "tool" / "chautari").rglob("*.py"))
SANDBOX = ROOT / "tool" / "chautari_sandbox"
INSTALL = f"make -C {ROOT} setup"


def project(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return found


def imported(file: Path) -> set[str]:
    """Return the packages that a module imports, wherever it does so."""
    found: set[str] = set()
    for part in ast.walk(ast.parse(file.read_text())):
        if isinstance(part, ast.Import):
            found |= {alias.name for alias in part.names}
        elif isinstance(part, ast.ImportFrom):
            found.add(part.module or "")
    return {name.partition(".")[0] for name in found}


@pytest.fixture
def without_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work as where only the product is installed."""
    monkeypatch.setattr(provider, "find_provider", lambda: None)
    monkeypatch.delitem(sys.modules, "chautari.cli.sandbox", raising=False)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the files of both wheels, built as `pip install` builds them."""
    found = {}
    for folder in (ROOT, SANDBOX):
        place = tmp_path_factory.mktemp("wheel")
        argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
        subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True)
        [wheel] = place.iterdir()
        with zipfile.ZipFile(wheel) as archive:
            found[project(folder)["name"]] = archive.namelist()
    return found


def test_product_imports_no_sandbox() -> None:
    assert [str(file) for file in PRODUCT if "chautari_sandbox" in imported(file)] == []


def test_product_wheel_holds_no_php_and_no_doubles(wheels: dict[str, list[str]]) -> None:
    names = wheels["chautari"]
    assert "chautari/cli/main.py" in names
    assert [name for name in names if name.endswith((".php", ".deb"))] == []
    assert [name for name in names if "double" in name or "chautari_sandbox" in name] == []


def test_sandbox_wheel_holds_the_whole_package(wheels: dict[str, list[str]]) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=SANDBOX, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    there = {name for name in listed if (SANDBOX / name).exists()} - {"pyproject.toml"}
    packed = {name.partition("/")[2] for name in wheels["chautari-sandbox"]}
    assert there and there <= packed
    assert all(name.startswith("chautari_sandbox") for name in wheels["chautari-sandbox"])


def test_product_requires_the_tested_version_of_all_it_imports() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    required = dict(requirement.split("==") for requirement in project(ROOT)["dependencies"])
    assert required == {name: pins[name] for name in required}
    packages = packages_distributions()
    # Ansible's come with the node's environment: node/requirements.lock.
    names = {name for file in PRODUCT for name in imported(file)} - {"ansible", "ansible_mitogen"}
    found = {packages[name][0].lower().replace("_", "-") for name in names if name in packages}
    assert found - {"chautari"} <= set(required)


def test_entry_point_gives_a_provider() -> None:
    found = provider.find_provider()
    assert found is not None
    assert isinstance(found.subcommand(), click.Command)
    assert [option.opts for option in found.extra_command_options()] == [["--mirror"]]


def test_real_region_uses_the_public_internet_without_the_sandbox(
    tmp_path: Path, without_sandbox: None
) -> None:
    assert known_endpoints(load_sample_region(tmp_path, REGION)) is PUBLIC_INTERNET
    assert ensure_endpoints(load_sample_region(tmp_path, REGION), print) is PUBLIC_INTERNET


@pytest.mark.parametrize("ask", [known_endpoints, lambda found: ensure_endpoints(found, print)])
def test_sandboxed_region_says_how_to_install_the_sandbox(
    ask: Any, tmp_path: Path, without_sandbox: None
) -> None:
    with pytest.raises(BadInput) as refused:
        ask(load_sample_region(tmp_path, POLLS))
    assert refused.value.message == "andes has `sandbox:`, but the sandbox package is not installed"
    assert INSTALL in refused.value.fix


def test_sandbox_command_says_how_to_install_it(
    without_sandbox: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["sandbox", "up", "demo"]) == 2
    assert INSTALL in capsys.readouterr().err


@pytest.mark.parametrize("name", ["region", "plan", "prepare"])
def test_mirror_option_exists_with_the_sandbox(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run([name, "--help"]) == 0
    assert "--mirror DIR" in capsys.readouterr().out


def test_mirror_option_is_missing_without_the_sandbox(
    without_sandbox: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main.run(["region", "--help"]) == 0
    assert "--mirror" not in capsys.readouterr().out
    assert main.run(["region", "demo", "--mirror", str(tmp_path)]) == 2


def test_doctor_without_the_sandbox_asks_only_for_ssh(
    without_sandbox: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    done = CliRunner().invoke(main.deploy, ["doctor"], standalone_mode=False)
    assert (done.return_value, "ok      ssh: /usr/bin/ssh" in done.output) == (0, True)
    assert INSTALL in done.output


BLOCKED = """\
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "chautari_sandbox":
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Blocked())
from chautari.cli.main import run
code = run(sys.argv[1:])
assert "chautari_sandbox" not in sys.modules
sys.exit(code)
"""
MINIMAL = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
operators: {{ana: {key}}}
nodes:
  med1: {{address: 198.51.100.11, services: [jitsi]}}
services:
  jitsi: {{host: meet, access: members, members: [ana]}}
"""
SSH = """\
#!/bin/sh
echo "$@" >> '{log}'
echo 'ssh: connect to host: No route to host' >&2
exit 255
"""


def test_real_region_is_deployed_without_importing_the_sandbox(tmp_path: Path) -> None:
    """Everything up to the first connection happens in a Python that refuses the sandbox."""
    log, bin_ = tmp_path / "asked", tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "ssh").write_text(SSH.format(log=log))
    (bin_ / "ssh").chmod(0o755)
    public = key_pair(tmp_path, "id").rpartition(" ")[0]
    file = region_file(tmp_path, MINIMAL, public)
    file.with_name("known_hosts").write_text(f"198.51.100.11 {public}\n")

    def deploy(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", BLOCKED, *arguments, "--identity", str(tmp_path / "id")],
            env={
                "PYTHONPATH": str(ROOT / "tool"), "HOME": str(tmp_path),
                "PATH": f"{bin_}:{os.environ['PATH']}",
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert deploy("secrets", "init", str(file)).returncode == 0
    done = deploy("region", str(file), "--json")
    assert done.returncode == 1, done.stderr
    [node] = json.loads(done.stdout)["nodes"]
    assert (node["name"], node["state"]) == ("med1", "unreachable")
    assert "198.51.100.11" in log.read_text()
