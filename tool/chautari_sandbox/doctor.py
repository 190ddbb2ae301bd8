"""What this machine is missing for a sandbox, each with the one command that fixes it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from chautari.errors import ChautariError
from chautari.files import to_displayable_error
from chautari.language import N_, _
from chautari.render.provider import DoctorFinding
from chautari_sandbox import (
    capacity,
    dns,
    paths,
    podman_commands,
    privileges,
    runtime,
    subnet_conflicts,
)
from chautari_sandbox.podman_client import PodmanClient

NEEDED_STORE = 6 << 30
NEEDED_CACHE = 2 << 30
# The demo's nodes and its internet.
NEEDED_CONTAINERS = 5
NEEDED_MEMORY = 3 << 30
NEEDED_LIMIT = 4096
NETWORK = "198.51.100.0/25"
_SBIN = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


Check = Callable[[], tuple[bool, str, str]]  # whether it is well, a detail, and the fix


def doctor_findings(network: str = NETWORK) -> list[DoctorFinding]:
    """Return what this machine has and lacks, in the order in which it should be fixed."""
    checks: dict[str, Check] = {
        N_("system"): _check_linux,
        "podman": _check_podman_is_installed,
        "root": _check_root,
        N_("container network"): _check_network_backend,
        N_("container runtime"): _check_oci_runtime,
        "mmdebstrap": _check_mmdebstrap,
        N_("home disk"): _check_cache_disk,
        N_("container disk"): _check_disk_of_containers,
        N_("memory"): _check_memory,
        N_("kernel limits"): _check_kernel_limits,
        N_("forwarding"): _check_ip_forwarding,
        N_("limits"): _check_ulimits,
        N_("certificate store"): _check_certificate_store,
        N_("resolver"): _report_resolvers,
        N_("network"): lambda: _check_subnet_is_free(network),
    }
    return [_run_check(name, check) for name, check in checks.items()]


def _run_check(name: str, check: Check) -> DoctorFinding:
    """Return the finding of one check; a check that fails is a finding too."""
    try:
        ok, detail, fix = check()
    except (ChautariError, OSError, ValueError, IndexError) as error:
        expected = to_displayable_error(error) or ChautariError(
            _("this check failed: {error}", error=error)
        )
        fix = expected.fix or _("report this problem with the output of: deploy doctor --json")
        return DoctorFinding(name, False, expected.message, fix)
    return DoctorFinding(name, ok, detail, "" if ok else fix)


def _check_linux() -> tuple[bool, str, str]:
    system = os.uname()
    detail = f"{system.sysname} {system.release}, {system.machine}"
    fix = _("run the sandbox on Debian 12, for example in a virtual machine")
    return sys.platform == "linux", detail, fix


def _check_root() -> tuple[bool, str, str]:
    privileges.require_root_access()
    account = "root" if privileges.is_root() else _("sudo runs podman as root")
    return True, account, ""


def _check_podman_is_installed() -> tuple[bool, str, str]:
    found = shutil.which("podman", path=_SBIN)
    return bool(found), found or _("not installed"), privileges.apt_install_hint("podman")


def _check_mmdebstrap() -> tuple[bool, str, str]:
    found = shutil.which("mmdebstrap", path=_SBIN)
    detail = found or _("not installed")
    return bool(found), detail, privileges.apt_install_hint("mmdebstrap")


def _check_network_backend() -> tuple[bool, str, str]:
    places = ("/usr/lib/podman/netavark", "/usr/libexec/podman/netavark")
    found = next((place for place in places if Path(place).exists()), "")
    detail = found or _("not installed")
    return bool(found), detail, privileges.apt_install_hint("netavark")


def _check_oci_runtime() -> tuple[bool, str, str]:
    if shutil.which("podman") is None:
        return False, _("cannot be checked without podman"), privileges.apt_install_hint("podman")
    refusals = {
        name: runtime.runtime_failure_reason(name) for name in runtime.installed_oci_runtimes()
    }
    works = [name for name, refusal in refusals.items() if not refusal]
    reasons = "; ".join(f"{name}: {refusal}" for name, refusal in refusals.items() if refusal)
    detail = (
        _("{runtime} starts containers", runtime=works[0])
        if works
        else reasons or _("not installed")
    )
    return bool(works), detail, privileges.apt_install_hint("runc")


def _check_cache_disk() -> tuple[bool, str, str]:
    place = paths.cache_dir()
    while not place.exists():
        place = place.parent
    return _disk_space_result(place, shutil.disk_usage(place).free, NEEDED_CACHE)


def _check_disk_of_containers() -> tuple[bool, str, str]:
    if shutil.which("podman") is None:
        return False, _("cannot be checked without podman"), privileges.apt_install_hint("podman")
    store = capacity.container_store_folder(podman_commands.podman_command_prefix())
    return _disk_space_result(store, capacity.free_bytes_in_store(store), NEEDED_STORE)


def _disk_space_result(folder: Path, free: int, needed: int) -> tuple[bool, str, str]:
    detail = _(
        "{needed:.1f} GB needed in {folder}, {free:.1f} GB free",
        needed=needed / 1e9,
        folder=folder,
        free=free / 1e9,
    )
    return (
        free >= needed,
        detail,
        _("free some space; to see how much is used: df -h {folder}", folder=folder),
    )


def _check_memory() -> tuple[bool, str, str]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    detail = _(
        "{needed} GB needed, {total:.1f} GB in total",
        needed=NEEDED_MEMORY >> 30,
        total=total / (1 << 30),
    )
    return total >= NEEDED_MEMORY, detail, _("use a machine with more memory")


def _check_ulimits() -> tuple[bool, str, str]:
    limit = runtime.container_ulimit()
    detail = _(
        "{needed} open files and processes needed; the limit is {limit}",
        needed=NEEDED_LIMIT,
        limit=limit,
    )
    return limit >= NEEDED_LIMIT, detail, "ulimit -Hn 16384; ulimit -Hu 16384"


def _check_kernel_limits() -> tuple[bool, str, str]:
    limits = capacity.kernel_limits_left_for_more_containers(NEEDED_CONTAINERS)
    short = [limit for limit in limits if not limit.ok]
    detail = "; ".join(map(str, short)) or _(
        "high enough for {count} more containers", count=NEEDED_CONTAINERS
    )
    return not short, detail, " && ".join(limit.fix for limit in short)


def _check_ip_forwarding() -> tuple[bool, str, str]:
    off = capacity.file_turning_forwarding_off()
    detail = _(
        "turned off in {off}: after a reboot, containers would have no internet access", off=off
    )
    fix = _("remove net.ipv4.ip_forward=0 from {off}", off=off)
    return off is None, detail if off else _("podman turns forwarding on for its containers"), fix


def _check_certificate_store() -> tuple[bool, str, str]:
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    ok = bundle.is_file() and bundle.stat().st_size > 0
    detail = str(bundle) if ok else _("{bundle} is missing", bundle=bundle)
    return ok, detail, privileges.apt_install_hint("ca-certificates")


def _report_resolvers() -> tuple[bool, str, str]:
    servers = dns.reachable_resolvers_text().replace("nameserver ", "").replace("\n", " ")
    return True, servers, ""


def _check_subnet_is_free(network: str) -> tuple[bool, str, str]:
    own = _find_sandbox_bridge(network)
    taken = subnet_conflicts.subnet_conflict(network, own)
    detail = taken or (
        _("{network} is used by this sandbox", network=network)
        if own
        else _("{network} is free", network=network)
    )
    return (
        not taken,
        detail,
        _(
            "set another network under sandbox in region.yml, and give the nodes addresses in that "
            "network"
        ),
    )


def _find_sandbox_bridge(network: str) -> str:
    """Return the bridge of a sandbox that already has this network; empty without one."""
    if shutil.which("podman") is None:
        return ""
    for item in PodmanClient(
        podman_commands.podman_command_prefix(), "", Path()
    ).list_networks_with_any_subnet():
        if item.subnet == network and item.name.startswith(podman_commands.network_name("")):
            return item.interface
    return ""
