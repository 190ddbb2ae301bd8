"""Limits of this machine are found before containers meet them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chautari.errors import RunFailed
from chautari_sandbox import capacity, privileges
from chautari_sandbox.capacity import KernelLimit

INSTANCES = KernelLimit("fs.inotify.max_user_instances", 20, 168, "inotify instances")


def try_inotify(*limits: str) -> list[int]:
    argv = [*limits, sys.executable, "-I", "-c", capacity._TRY_INOTIFY, "12", "48"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_kernel_gives_what_is_free() -> None:
    assert try_inotify() == [12, 48]


def test_limit_of_the_kernel_ends_the_trial() -> None:
    opened, _ = try_inotify("prlimit", "--nofile=10:10")
    assert 0 < opened < 10


def test_exhausted_limit_is_named_with_the_command_that_raises_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(privileges, "is_root", lambda: False)
    monkeypatch.setattr(capacity, "_read_sysctl", lambda _: 128)
    monkeypatch.setattr(capacity, "kernel_limits_left_for_more_containers", lambda _: (INSTANCES,))
    with pytest.raises(
        RunFailed, match="cannot run 21 more containers: 168 inotify instances needed, 20 free "
    ) as failed:
        capacity.require_room_for_containers(21, 0, ("podman",))
    assert failed.value.fix == (
        "echo fs.inotify.max_user_instances=512 "
        "| sudo tee /etc/sysctl.d/60-max-user-instances.conf "
        "&& sudo sysctl --load=/etc/sysctl.d/60-max-user-instances.conf"
    )


def test_running_containers_need_no_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "kernel_limits_left_for_more_containers", lambda _: (INSTANCES,))
    monkeypatch.setattr(capacity, "run", None)
    capacity.require_room_for_containers(0, 0, ("podman",))


def test_disk_of_containers_is_compared_with_what_they_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capacity, "kernel_limits_left_for_more_containers", lambda _: ())
    monkeypatch.setattr(capacity, "container_store_folder", lambda _: Path("/store"))
    monkeypatch.setattr(capacity, "free_bytes_in_store", lambda _: 10**9)
    capacity.require_room_for_containers(1, 0, ("podman",))
    with pytest.raises(RunFailed, match=r"need 2\.3 GB in .*, but only 1\.0 GB are free"):
        capacity.require_room_for_containers(2, 2, ("podman",))


def test_processes_left_by_the_kernel_are_counted() -> None:
    limits = {limit.setting: limit for limit in capacity._task_limits(4)}
    assert limits["kernel.pid_max"].needed == 4 * capacity.TASKS
    assert 0 < limits["kernel.pid_max"].free < capacity._read_sysctl("kernel.pid_max")


@pytest.mark.parametrize(
    ("line", "off"),
    [
        ("net.ipv4.ip_forward=0", True), ("net/ipv4/ip_forward = 0", True),
        ("net.ipv4.ip_forward = 1", False), ("# net.ipv4.ip_forward = 0", False),
        ("net.ipv4.ip_forward_use_pmtu = 0", False),
    ],
)  # fmt: skip
def test_file_that_turns_forwarding_off_is_named(
    line: str, off: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "50-hardening.conf").write_text(f"# ours\n{line}\n")
    state = tmp_path / "ip_forward"
    monkeypatch.setattr(capacity, "SYSCTL_FOLDERS", (tmp_path, tmp_path / "absent"))
    monkeypatch.setattr(capacity, "SYSCTL_FILE", tmp_path / "sysctl.conf")
    monkeypatch.setattr(capacity, "FORWARDING", state)
    assert (capacity.file_turning_forwarding_off() is not None) == off
    state.write_text("1\n")
    capacity.require_forwarding()
    state.write_text("0\n")
    with pytest.raises(RunFailed, match="50-hardening" if off else "does not forward"):
        capacity.require_forwarding()


def test_last_setting_of_forwarding_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor, own = tmp_path / "vendor", tmp_path / "own"
    vendor.mkdir()
    monkeypatch.setattr(capacity, "SYSCTL_FOLDERS", (vendor, own))
    monkeypatch.setattr(capacity, "SYSCTL_FILE", tmp_path / "sysctl.conf")
    (vendor / "50-a.conf").write_text("net.ipv4.ip_forward = 0\n")
    (vendor / "60-b.conf").write_text("net.ipv4.ip_forward = 1\n")
    assert capacity.file_turning_forwarding_off() is None
    own.mkdir()
    (own / "60-b.conf").write_text("kernel.pid_max = 4194304\n")
    assert capacity.file_turning_forwarding_off() == vendor / "50-a.conf"
