"""Whether this machine has room for more containers: the kernel's limits, processes and disk.

A container that reaches a limit fails at boot. The error then only says that one of its
servers does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chautari.errors import RunFailed
from chautari.language import _
from chautari.process import run
from chautari_sandbox import podman_commands, privileges

# Upper bounds for one container that boots systemd (measured: 6, 26 and 18).
INSTANCES, WATCHES, TASKS = 8, 64, 250
IMAGE_BYTES, CONTAINER_BYTES = 600 << 20, 500 << 20
# A file in a later folder replaces one of the same name.
SYSCTL_FOLDERS = tuple(
    Path(place) for place in ("/usr/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d")
)
SYSCTL_FILE = Path("/etc/sysctl.conf")
_FORWARDING_LINE = re.compile(r"^\s*-?\s*net[./]ipv4[./]ip_forward\s*=\s*(\d+)\s*$", re.MULTILINE)
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/pids"))
# Asks the kernel for the instances and watches of as many containers, and prints what it gave.
# Root's hidden processes also count, so only a trial shows what is free.
_TRY_INOTIFY = """
import ctypes, os, resource, sys
instances, watches = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
libc = ctypes.CDLL(None)
folders = ["/" + name for name in os.listdir("/")]
opened, watched = 0, 0
while opened < instances and (handle := libc.inotify_init()) >= 0:
    opened += 1
    for folder in folders:
        if watched < watches and libc.inotify_add_watch(handle, folder.encode(), 0x400) >= 0:
            watched += 1
print(opened, watched)
"""


@dataclass(frozen=True)
class KernelLimit:
    """One limit of the kernel: how much is free of it, and how much is needed."""

    setting: str
    free: int
    needed: int
    meaning: str

    @property
    def ok(self) -> bool:
        """Return whether there is enough."""
        return self.free >= self.needed

    def __str__(self) -> str:
        """Return what is free and needed."""
        return _(
            "{needed} {what} needed, {free} free ({setting})",
            needed=self.needed,
            what=self.meaning,
            free=self.free,
            setting=self.setting,
        )

    @property
    def fix(self) -> str:
        """Return the command that raises the limit, now and at each boot."""
        if "." not in self.setting:
            return _(
                "raise {setting}, or remove another sandbox: deploy sandbox down NAME",
                setting=self.setting,
            )
        value = 1 << (_read_sysctl(self.setting) + self.needed).bit_length()
        file = f"/etc/sysctl.d/60-{self.setting.rpartition('.')[2].replace('_', '-')}.conf"
        save, load = map(
            privileges.prefix_command_with_sudo, (f"tee {file}", f"sysctl --load={file}")
        )
        return f"echo {self.setting}={value} | {save} && {load}"


def kernel_limits_left_for_more_containers(containers: int) -> tuple[KernelLimit, ...]:
    """Return what the kernel has left for so many more containers."""
    return (*_inotify_limits(containers), *_task_limits(containers))


def require_room_for_containers(containers: int, images: int, base: podman_commands.Argv) -> None:
    """Make sure that so many more containers and images fit on this machine.

    Raises:
        RunFailed: with the limit and the command that raises it.
    """
    if not containers and not images:
        return
    for limit in kernel_limits_left_for_more_containers(containers) if containers else ():
        if not limit.ok:
            raise RunFailed(
                _(
                    "this machine cannot run {containers} more containers: {limit}",
                    containers=containers,
                    limit=limit,
                ),
                fix=limit.fix,
            )
    store = container_store_folder(base)
    needed = images * IMAGE_BYTES + containers * CONTAINER_BYTES
    free = free_bytes_in_store(store)
    if free < needed:
        raise RunFailed(
            _(
                "{containers} more containers and their images need {needed:.1f} GB in "
                "{store}, but only {free:.1f} GB are free",
                containers=containers,
                needed=needed / 1e9,
                store=store,
                free=free / 1e9,
            ),
            fix=_("free some space; to see how much is used: df -h {folder}", folder=store),
        )


def require_forwarding() -> None:
    """Make sure that this machine forwards the packets of containers; podman turns it on.

    Raises:
        RunFailed: when something turned it off since the containers were started.
    """
    if FORWARDING.read_text().strip() == "0":
        off = file_turning_forwarding_off()
        raise RunFailed(
            _("this machine does not forward packets, so containers cannot reach other machines")
            + (_("; forwarding is turned off in {off}", off=off) if off else ""),
            fix=privileges.prefix_command_with_sudo("sysctl -w net.ipv4.ip_forward=1"),
        )


def file_turning_forwarding_off() -> Path | None:
    """Return the file that turns forwarding off at each boot; None if the last setting is on."""
    last: tuple[Path, str] | None = None
    for file in _sysctl_files():
        for value in _FORWARDING_LINE.findall(file.read_text(errors="replace")):
            last = file, value
    return last[0] if last and last[1] == "0" else None


def container_store_folder(base: podman_commands.Argv) -> Path:
    """Return the folder in which podman keeps images and containers."""
    return Path(run(podman_commands.store_folder_command(base)).text.strip())


def free_bytes_in_store(store: Path) -> int:
    """Return the free space for images and containers; only root can look there."""
    argv = ("df", "--output=avail", "--block-size=1", str(store))
    return int(run(privileges.as_root(argv)).text.split()[-1])


def _inotify_limits(containers: int) -> Iterator[KernelLimit]:
    instances, watches = containers * INSTANCES, containers * WATCHES
    argv = ("python3", "-I", "-c", _TRY_INOTIFY, str(instances), str(watches))
    opened, watched = map(int, run(privileges.as_root(argv), timeout=60).text.split())
    yield KernelLimit("fs.inotify.max_user_instances", opened, instances, _("inotify instances"))
    # Each instance can try the watches of a few folders only.
    if opened == instances:
        yield KernelLimit("fs.inotify.max_user_watches", watched, watches, _("inotify watches"))


def _task_limits(containers: int) -> Iterator[KernelLimit]:
    needed = containers * TASKS
    running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    for setting in ("kernel.pid_max", "kernel.threads-max"):
        yield KernelLimit(setting, _read_sysctl(setting) - running, needed, _("processes"))
    for folder in _CGROUPS:
        most, now = folder / "pids.max", folder / "pids.current"
        if most.is_file() and now.is_file() and (limit := most.read_text().strip()) != "max":
            yield KernelLimit(str(most), int(limit) - int(now.read_text()), needed, _("processes"))


def _read_sysctl(setting: str) -> int:
    return int(Path("/proc/sys", *setting.split(".")).read_text())


def _sysctl_files() -> Iterable[Path]:
    """Return the files of sysctl in the order in which they count; the last one wins."""
    named = {file.name: file for folder in SYSCTL_FOLDERS for file in folder.glob("*.conf")}
    files = [*(named[name] for name in sorted(named)), SYSCTL_FILE]
    return [file for file in files if file.is_file()]
