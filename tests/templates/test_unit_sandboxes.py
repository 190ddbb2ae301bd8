"""The sandbox of each unit, measured as a node's systemd would measure it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from templates import ROLES, render, variables

from chautari.checks.sandboxing import OWN_UNIT_LIMIT, PACKAGE_UNIT_LIMIT

SHARED = "{{ systemd_unit_sandbox }}"
# Podman sets up the container, which has its own limits. docs/security.md gives the reason.
WITHOUT_SANDBOX = {("app_container", "container.service.j2")}
OWN_UNITS = sorted(
    (file.parts[-3], file.name)
    for file in ROLES.glob("*/templates/*.service.j2")
    if (file.parts[-3], file.name) not in WITHOUT_SANDBOX
)
# Drop-ins for the units of packages, each with the account that the package's unit sets.
DROP_INS = {
    ("jitsi", "jicofo-unit.conf.j2"): "",
    ("jitsi", "prosody-unit.conf.j2"): "User=prosody",
    ("nginx", "override.conf.j2"): "",
    ("php", "unit.conf.j2"): "",
    ("turn", "unit.conf.j2"): "User=turnserver",
    ("videobridge", "unit.conf.j2"): "User=jvb",
}
NIGHT = ("process.service", "dawn.service", "expire.service")


def exposure(folder: Path, text: str) -> float:
    """Return what systemd-analyze says of a unit file."""
    file = folder / "measured.service"
    file.write_text(text)
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "Failed to parse" not in done.stderr and "Unknown" not in done.stderr, done.stderr
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stderr
    return float(found[1])


@pytest.mark.parametrize(("role", "template"), OWN_UNITS)
def test_unit_of_a_role_is_sandboxed(role: str, template: str, tmp_path: Path) -> None:
    text = render(role, template, variables(tmp_path, role, "12"))
    assert exposure(tmp_path, text) <= OWN_UNIT_LIMIT


@pytest.mark.parametrize(("role", "template"), OWN_UNITS)
def test_common_limits_are_written_in_one_place(role: str, template: str) -> None:
    lines = (ROLES / role / "templates" / template).read_text().splitlines()
    assert lines.count(SHARED) == 1
    shared = variables(Path(), role, "12")["systemd_unit_sandbox"].splitlines()
    # After a list is opened again, the same line gives back what the shared lines take.
    assert set(lines) & set(shared) <= {"SystemCallFilter=@system-service"}


@pytest.mark.parametrize("name", NIGHT)
def test_unit_of_the_night_is_sandboxed(name: str, tmp_path: Path) -> None:
    given = variables(tmp_path, "bigbluebutton", "12")
    given |= {"__bigbluebutton_unit": given["__bigbluebutton_night"][name]}
    text = render("bigbluebutton", "recordings.unit.j2", given)
    assert exposure(tmp_path, text) <= OWN_UNIT_LIMIT


@pytest.mark.parametrize(("role", "template"), DROP_INS)
def test_drop_in_limits_the_unit_of_a_package(role: str, template: str, tmp_path: Path) -> None:
    text = render(role, template, variables(tmp_path, role, "12"))
    unit = f"[Service]\nExecStart=/bin/true\n{DROP_INS[role, template]}\n"
    assert exposure(tmp_path, unit) > PACKAGE_UNIT_LIMIT
    assert exposure(tmp_path, unit + text) <= PACKAGE_UNIT_LIMIT


@pytest.mark.parametrize(("role", "template"), OWN_UNITS)
def test_checks_of_the_role_measure_the_unit(role: str, template: str) -> None:
    checks = (ROLES / role / "checks" / "test_inside.py").read_text()
    name = template.removesuffix(".service.j2")
    assert re.search(rf'"(chautari-)?{name}(@check)?\.service"', checks), name
