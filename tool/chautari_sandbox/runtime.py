"""Which container runtime works on this machine, tested by starting a container."""

from __future__ import annotations

import json
import os
import resource
import shutil
import tempfile
from pathlib import Path

from chautari.errors import RunFailed
from chautari.files import temp_files_root, write_atomically
from chautari.language import _
from chautari.process import ProcessError, run
from chautari_sandbox import paths, podman_commands, privileges

CANDIDATES = ("crun", "runc")
_SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
_MOST = 16384


def container_ulimit() -> int:
    """Return the limit of open files and processes for containers: at most the caller's own."""
    hard = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    return min(_MOST, *(_MOST if value == resource.RLIM_INFINITY else value for value in hard))


def installed_oci_runtimes() -> tuple[str, ...]:
    """Return the names of the installed runtimes."""
    return tuple(name for name in CANDIDATES if shutil.which(name, path=_SEARCH))


def runtime_failure_reason(name: str) -> str:
    """Return why a runtime cannot start a container; empty when it can."""
    with tempfile.TemporaryDirectory(prefix="chautari-", dir=temp_files_root()) as folder:
        rootfs = _create_empty_rootfs(Path(folder))
        try:
            # Only root may end a command of root, so `timeout` runs as root too.
            base = privileges.as_root(("timeout", "60", "podman", "--runtime", name))
            run(
                podman_commands.trial_container_command(base, str(rootfs), container_ulimit()),
                timeout=90,
            )
        except ProcessError as error:
            return error.stderr.strip() or str(error)
    return ""


def _create_empty_rootfs(folder: Path) -> Path:
    """Return an empty root that uses the host's /usr."""
    for name in ("usr", "proc", "sys", "dev", "etc", "run", "tmp"):
        (folder / name).mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        (folder / name).symlink_to(f"usr/{name}")
    return folder


def require_podman() -> None:
    """Make sure that podman is installed.

    Raises:
        RunFailed: when it is not.
    """
    if shutil.which("podman") is None:
        raise RunFailed(
            _("podman is not installed"), fix=privileges.apt_install_hint("podman", "runc")
        )


def working_podman_command() -> podman_commands.Argv:
    """Return the first part of every podman command, remembered until the machine changes.

    Raises:
        RunFailed: when no container runtime works here.
    """
    names = installed_oci_runtimes()
    machine = f"{os.uname().release} {' '.join(names)}"
    memory = paths.cache_dir() / "runtime.json"
    if memory.is_file():
        known = json.loads(memory.read_text())
        if known["machine"] == machine:
            return podman_commands.podman_command_prefix(known["runtime"])
    chosen = _first_working_runtime(names)
    write_atomically(memory, json.dumps({"machine": machine, "runtime": chosen}))
    return podman_commands.podman_command_prefix(chosen)


def _first_working_runtime(names: tuple[str, ...]) -> str:
    refusals = {}
    for name in names:
        refusals[name] = runtime_failure_reason(name)
        if not refusals[name]:
            return name
    reasons = "; ".join(f"{name}: {why}" for name, why in refusals.items()) or _(
        "none is installed"
    )
    raise RunFailed(
        _("no container runtime works on this machine ({reasons})", reasons=reasons),
        fix=privileges.apt_install_hint("runc"),
    )
