"""What this machine is missing for a sandbox, each with the one command that fixes it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from chautari.errors import ChautariError
from chautari.render.provider import MachineFinding
from chautari_sandbox import dns, paths, podman, runtime, subnets
from chautari_sandbox.engine import Engine

NEEDED_DISK = 8 << 30
NEEDED_MEMORY = 3 << 30
NEEDED_LIMIT = 4096
PODMAN = "apt-get install -y podman"
NETWORK = "198.51.100.0/25"
_SBIN = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def findings(network: str = NETWORK) -> list[MachineFinding]:
    """Return what this machine has and lacks, in the order in which it should be fixed."""
    checks: tuple[Callable[[], MachineFinding], ...] = (
        _system, _root, _podman, _network_backend, _runtime, _mmdebstrap, _disk, _memory,
        _limits, _authorities, _resolver, lambda: _subnet(network),
    )  # fmt: skip
    return [_capture_error(check) for check in checks]


def _capture_error(check: Callable[[], MachineFinding]) -> MachineFinding:
    """Return the finding of one check; a check that fails is a finding too."""
    try:
        return check()
    except (ChautariError, OSError, ValueError) as error:
        fix = error.fix if isinstance(error, ChautariError) else ""
        name = getattr(check, "__name__", "network").strip("_").replace("_", " ")
        return MachineFinding(name if name != "<lambda>" else "network", False, str(error), fix)


def _finding(name: str, ok: bool, detail: str, fix: str) -> MachineFinding:
    return MachineFinding(name, ok, detail, "" if ok else fix)


def _system() -> MachineFinding:
    system = os.uname()
    detail = f"{system.sysname} {system.release}, {system.machine}"
    fix = "run it on Debian 12, in a virtual machine for instance"
    return _finding("system", sys.platform == "linux", detail, fix)


def _root() -> MachineFinding:
    ok = os.geteuid() == 0
    detail = "root" if ok else "not root: nodes would not get their own addresses"
    return _finding("root", ok, detail, "sudo make demo")


def _podman() -> MachineFinding:
    found = shutil.which("podman", path=_SBIN)
    return _finding("podman", bool(found), found or "not installed", PODMAN)


def _mmdebstrap() -> MachineFinding:
    found = shutil.which("mmdebstrap", path=_SBIN)
    detail = found or "not installed"
    return _finding("mmdebstrap", bool(found), detail, "apt-get install -y mmdebstrap")


def _network_backend() -> MachineFinding:
    places = ("/usr/lib/podman/netavark", "/usr/libexec/podman/netavark")
    found = next((place for place in places if Path(place).exists()), "")
    detail = found or "not installed"
    return _finding("container network", bool(found), detail, "apt-get install -y netavark")


def _runtime() -> MachineFinding:
    if shutil.which("podman") is None:
        return MachineFinding("container runtime", False, "podman comes first", PODMAN)
    refusals = {name: runtime.failure_reason(name) for name in runtime.installed_runtimes()}
    works = [name for name, refusal in refusals.items() if not refusal]
    reasons = "; ".join(f"{name}: {refusal}" for name, refusal in refusals.items() if refusal)
    detail = f"{works[0]} starts containers" if works else reasons or "none is installed"
    return _finding("container runtime", bool(works), detail, "apt-get install -y runc")


def _disk() -> MachineFinding:
    place = paths.states_home()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{free / (1 << 30):.1f} GB free, {NEEDED_DISK >> 30} GB are needed"
    fix = f"make room on the file system of {place}: apt-get clean && podman system prune"
    return _finding("disk", free >= NEEDED_DISK, detail, fix)


def _memory() -> MachineFinding:
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    detail = f"{free / (1 << 30):.1f} GB, {NEEDED_MEMORY >> 30} GB are needed"
    return _finding("memory", free >= NEEDED_MEMORY, detail, "use a machine with more memory")


def _limits() -> MachineFinding:
    limit = runtime.process_limit()
    detail = f"containers may get {limit} open files and processes, {NEEDED_LIMIT} are needed"
    return _finding("limits", limit >= NEEDED_LIMIT, detail, "ulimit -Hn 16384; ulimit -Hu 16384")


def _authorities() -> MachineFinding:
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    ok = bundle.is_file() and bundle.stat().st_size > 0
    detail = str(bundle) if ok else f"{bundle} is missing"
    return _finding("certificate store", ok, detail, "apt-get install -y ca-certificates")


def _resolver() -> MachineFinding:
    return MachineFinding(
        "resolver", True, dns.upstream_resolvers().replace("nameserver ", "").replace("\n", " ")
    )


def _subnet(network: str) -> MachineFinding:
    own = _own_interface(network)
    taken = subnets.subnet_conflict(network, own)
    detail = taken or f"{network} is {'ours' if own else 'free'}"
    return _finding("network", not taken, detail, "give the nodes addresses of another network")


def _own_interface(network: str) -> str:
    """Return the bridge of a sandbox that already has this network; empty without one."""
    if shutil.which("podman") is None:
        return ""
    for item in Engine(("podman",), "", Path()).networks():
        if item.subnet == network and item.name.startswith(podman.network_name("")):
            return item.interface
    return ""
