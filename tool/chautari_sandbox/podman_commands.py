"""Podman's command lines: pure functions that return argv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chautari_sandbox.privileges import Argv as Argv
from chautari_sandbox.privileges import as_root

_LABEL = "org.chautari."
SANDBOX = _LABEL + "sandbox"
MEMBER = _LABEL + "member"
ADDRESS = _LABEL + "address"
RELEASE = _LABEL + "release"
OWNER = _LABEL + "owner"
RECIPE = _LABEL + "recipe"
# Firewall; mounts of systemd's sandboxing; user namespaces of units (PrivateUsers=) and `ss -p`.
CAPABILITIES = "NET_ADMIN,SYS_ADMIN,SYS_PTRACE"

# A container in a container gets devices of its own.
NESTING = ",MKNOD"


@dataclass(frozen=True)
class ContainerSpec:
    """A container to start, which boots systemd."""

    name: str
    image: str
    hostname: str
    network: str
    address: str
    resolver: str
    limit: int
    labels: Mapping[str, str]
    volumes: tuple[str, ...] = ()
    nests: bool = False


def podman_command_prefix(runtime: str = "") -> Argv:
    """Return the first part of every podman command: root's podman, with this runtime."""
    return as_root(("podman", "--runtime", runtime) if runtime else ("podman",))


def container_name(sandbox: str, member: str) -> str:
    """Return a container's name; names hold no underscore, so sandboxes never share one."""
    return f"chautari_{sandbox}_{member}"


def network_name(sandbox: str) -> str:
    """Return the name of a sandbox's network."""
    return f"chautari_{sandbox}"


def ulimit_arguments(limit: int) -> Argv:
    """Return the limits of one container: open files and processes."""
    return ("--ulimit", f"nofile={limit}:{limit}", "--ulimit", f"nproc={limit}:{limit}")


def create_command(base: Argv, container: ContainerSpec) -> Argv:
    """Return the command that creates a container without starting it."""
    labels = (f"--label={key}={value}" for key, value in sorted(container.labels.items()))
    return (
        *base, "create", "--systemd=always", "--pull=never", "--name", container.name,
        "--hostname", container.hostname, "--no-hosts", "--network", container.network,
        "--ip", container.address, "--dns", container.resolver, "--dns-search", ".",
        "--cap-add", CAPABILITIES + (NESTING if container.nests else ""),
        *ulimit_arguments(container.limit), *labels,
        *(f"--volume={volume}" for volume in container.volumes),
        container.image, "/sbin/init",
    )  # fmt: skip


def start_command(base: Argv, name: str) -> Argv:
    """Return the command that starts an existing container."""
    return (*base, "start", name)


def remove_command(base: Argv, names: Iterable[str]) -> Argv:
    """Return the command that removes containers, after five seconds to stop."""
    return (*base, "rm", "--force", "--ignore", "--volumes", "--time", "5", *names)


def unpack_into_container_command(base: Argv, name: str, temporary: str) -> Argv:
    """Return the command that unpacks a tar archive from stdin at the container's root.

    podman copies the archive into the folder `temporary`, and leaves it there.
    """
    podman = base.index("podman")  # sudo, which may come first, sets a new environment
    return (*base[:podman], "env", f"TMPDIR={temporary}", *base[podman:], "cp", "-", f"{name}:/")


def run_in_container_command(base: Argv, name: str, *command: str) -> Argv:
    """Return the command that runs another one inside a container."""
    return (*base, "exec", name, *command)


def list_containers_command(base: Argv, sandbox: str) -> Argv:
    """Return the command that lists a sandbox's containers as JSON."""
    chosen = f"label={SANDBOX}={sandbox}"
    return (*base, "ps", "--all", "--filter", chosen, "--format", "json")


def list_networks_command(base: Argv) -> Argv:
    """Return the command that lists all networks as JSON."""
    return (*base, "network", "ls", "--format", "json")


def create_network_command(base: Argv, sandbox: str, subnet: str) -> Argv:
    """Return the command that creates a network without podman's own name server."""
    label = f"--label={SANDBOX}={sandbox}"
    name = network_name(sandbox)
    return (*base, "network", "create", "--disable-dns", "--subnet", subnet, label, name)


def remove_network_command(base: Argv, sandbox: str) -> Argv:
    """Return the command that removes a sandbox's network."""
    return (*base, "network", "rm", "--force", network_name(sandbox))


def store_folder_command(base: Argv) -> Argv:
    """Return the command that prints the folder of all images and containers."""
    return (*base, "info", "--format", "{{.Store.GraphRoot}}")


def volume_name(sandbox: str, content: str) -> str:
    """Return the name of a volume, which outlives the containers of its sandbox."""
    return f"chautari_{sandbox}_{content}"


def list_volumes_command(base: Argv) -> Argv:
    """Return the command that lists the names of all volumes."""
    return (*base, "volume", "ls", "--quiet")


def remove_volumes_command(base: Argv, names: Iterable[str]) -> Argv:
    """Return the command that removes volumes with their content."""
    return (*base, "volume", "rm", *names)


def list_images_command(base: Argv) -> Argv:
    """Return the command that lists all images by name and tag."""
    return (*base, "images", "--format", "{{.Repository}}:{{.Tag}}")


def import_image_command(base: Argv, archive: str, image: str) -> Argv:
    """Return the command that creates an image from an archive of files."""
    return (*base, "import", "--quiet", archive, image)


def trial_container_command(base: Argv, rootfs: str, limit: int) -> Argv:
    """Return the command that runs the host's own `true` in a container, without an image."""
    return (
        *base, "run", "--rm", "--network", "none", *ulimit_arguments(limit),
        "--volume=/usr:/usr:ro", "--rootfs", rootfs, "/usr/bin/true",
    )  # fmt: skip
