"""States that a role desired and did not reach, and differences that do not count."""

from pathlib import Path
from typing import Any

import pytest
from receipt_samples import codes, inputs, reason_text, record, write_receipt

from chautari.node import current_resources, desired_state_mismatch, receipts

Data = dict[str, Any]


@pytest.mark.parametrize(
    ("desired", "active", "text"),
    [
        ("started", "failed", "x.service was started, but is failed"),
        ("restarted", "failed", "x.service was restarted, but is failed"),
        ("reloaded", "failed", "x.service was reloaded, but is failed"),
        ("started", "inactive", "x.service was started, but is inactive"),
        ("restarted", "inactive", ""),
        ("started", "active", ""),
        ("started", "activating", ""),
        ("started", "restarting",
         "x.service was started, but stopped again (`journalctl -u x.service` shows why)"),
        ("restarted", "restarting",
         "x.service was restarted, but stopped again (`journalctl -u x.service` shows why)"),
        ("run_terminated", "restarting", ""),
        ("started", "reloading", ""),
        ("restarted", "deactivating", ""),
        ("started", "", ""),  # no systemd, or it did not answer
        ("started", None, ""),  # a job that ends by itself
        ("run_terminated", "active", ""),  # started again by a command, or by its socket
        ("run_terminated", "failed", ""),
        (None, "failed", ""),
    ],
)  # fmt: skip
def test_mismatch_reports_a_unit_in_another_state(
    desired: str | None, active: str | None, text: str
) -> None:
    item = {"kind": "unit", "name": "x.service", "active": True, "desired": desired}
    assert (
        reason_text(
            desired_state_mismatch.desired_state_mismatch(
                item, {"active": active} if active is not None else {}
            )
        )
        == text
    )


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a fake dpkg-query; return the file that it prints."""
    program = tmp_path / "bin" / "dpkg-query"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/says\n")
    program.chmod(0o755)
    monkeypatch.setattr(current_resources, "PATH", f"{program.parent}:/usr/bin:/bin")
    (tmp_path / "says").write_text(
        "installed php-common, php-ctype (= 8.2), mail-agent\ninstalled \nconfig-files gone-agent\n"
    )
    return program


@pytest.mark.parametrize(
    ("name", "desired", "status", "text"),
    [
        ("nginx", "present", "installed", ""),
        ("nginx", "present", "triggers-pending", ""),
        ("nginx", "present", "not-installed",
         "the package nginx was installed, but is not-installed"),
        ("nginx", "present", "half-configured",
         "the package nginx was installed, but is half-configured"),
        ("php-ctype", "present", "not-installed", ""),
        ("mail-agent", "present", "not-installed", ""),
        ("php", "present", "not-installed", "the package php was installed, but is not-installed"),
        ("agent", "present", "not-installed",
         "the package agent was installed, but is not-installed"),
        ("gone-agent", "present", "not-installed",
         "the package gone-agent was installed, but is not-installed"),
        ("nginx/stable", "present", "not-installed", ""),
        ("php*", "present", "not-installed", ""),
        ("nginx", "absent", "installed", "the package nginx was removed, but is installed again"),
        ("nginx", "absent", "config-files", ""),
        ("nginx", None, "not-installed", ""),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("dpkg")
def test_mismatch_reports_a_package_in_another_state(
    name: str, desired: str | None, status: str, text: str
) -> None:
    item = {"kind": "package", "name": name, "desired": desired}
    assert (
        reason_text(desired_state_mismatch.desired_state_mismatch(item, {"status": status})) == text
    )


@pytest.mark.parametrize("path", ["/nowhere", "broken"])
def test_mismatch_assumes_a_package_when_dpkg_cannot_answer(
    path: str, dpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dpkg.write_text("#!/bin/sh\nexit 2\n")
    monkeypatch.setattr(current_resources, "PATH", path if path == "/nowhere" else str(dpkg.parent))
    item = {"kind": "package", "name": "nginx", "desired": "present"}
    assert desired_state_mismatch.desired_state_mismatch(item, {"status": "not-installed"}) is None


SHOWN = "Type=simple\nRemainAfterExit=no\nId=x.service\nActiveState={}\nUnitFileState=enabled\n"


@pytest.fixture
def systemctl_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a fake systemctl; return the file that it prints."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/shown\n")
    program.chmod(0o755)
    monkeypatch.setattr(current_resources, "PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path / "shown"


def test_crashed_service_keeps_the_receipt_incomplete_until_it_runs(
    tmp_path: Path, systemctl_output: Path
) -> None:
    state = tmp_path / "state"
    unit = {"kind": "unit", "name": "x.service", "active": True, "desired": "restarted"}
    systemctl_output.write_text(SHOWN.format("failed"))
    assert write_receipt(state, inputs(), record(unit)) == "x.service was restarted, but is failed"
    assert codes(receipts.roles_to_run(state, [inputs()])["web"]) == ["receipt_incomplete"]
    systemctl_output.write_text(SHOWN.format("active"))
    assert write_receipt(state, inputs(), record(unit)) == ""
    assert receipts.roles_to_run(state, [inputs()]) == {}


@pytest.mark.parametrize("sub", ["auto-restart", "auto-restart-queued"])
def test_restarting_service_keeps_the_receipt_incomplete(
    sub: str, tmp_path: Path, systemctl_output: Path
) -> None:
    state = tmp_path / "state"
    unit = {"kind": "unit", "name": "x.service", "active": True, "desired": "started"}
    systemctl_output.write_text(SHOWN.format("activating") + f"SubState={sub}\n")
    assert "stopped again" in write_receipt(state, inputs(), record(unit))
    assert codes(receipts.roles_to_run(state, [inputs()])["web"]) == ["receipt_incomplete"]
    systemctl_output.write_text(SHOWN.format("active") + "SubState=running\n")
    assert write_receipt(state, inputs(), record(unit)) == ""
    assert receipts.roles_to_run(state, [inputs()]) == {}
    systemctl_output.write_text(SHOWN.format("activating") + f"SubState={sub}\n")
    [found] = receipts.roles_to_run(state, [inputs()])["web"]
    assert reason_text(found) == "x.service: state changed from active to restarting"


@pytest.mark.parametrize("sub", ["", "SubState=running\n"])
def test_receipt_of_a_healthy_unit_ignores_further_properties(
    sub: str, systemctl_output: Path
) -> None:
    systemctl_output.write_text(SHOWN.format("active") + sub)
    item = {"kind": "unit", "name": "x.service", "active": True}
    assert current_resources.current_states([item]) == [{"active": "active"}]
