"""Podman's command lines: pure functions that return argv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Argv = tuple[str, ...]

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
class Container:
    """One container that boots systemd."""

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


def container_name(sandbox: str, member: str) -> str:
    """Names hold no underscore, so no two sandboxes can ever mean the same container."""
    return f"chautari_{sandbox}_{member}"


def network_name(sandbox: str) -> str:
    """Return the name of a sandbox's network."""
    return f"chautari_{sandbox}"


def limits(limit: int) -> Argv:
    """Set what one container may open and start."""
    return ("--ulimit", f"nofile={limit}:{limit}", "--ulimit", f"nproc={limit}:{limit}")


def create(base: Argv, container: Container) -> Argv:
    """Make a container without starting it."""
    labels = (f"--label={key}={value}" for key, value in sorted(container.labels.items()))
    return (
        *base, "create", "--systemd=always", "--pull=never", "--name", container.name,
        "--hostname", container.hostname, "--no-hosts", "--network", container.network,
        "--ip", container.address, "--dns", container.resolver, "--dns-search", ".",
        "--cap-add", CAPABILITIES + (NESTING if container.nests else ""),
        *limits(container.limit), *labels,
        *(f"--volume={volume}" for volume in container.volumes),
        container.image, "/sbin/init",
    )  # fmt: skip


def start(base: Argv, name: str) -> Argv:
    """Start a container that is there."""
    return (*base, "start", name)


def remove(base: Argv, names: Iterable[str]) -> Argv:
    """Remove containers with their volumes, after five seconds to stop."""
    return (*base, "rm", "--force", "--volumes", "--time", "5", *names)


def unpack(base: Argv, name: str) -> Argv:
    """A tar archive on stdin, unpacked at the container's root."""
    return (*base, "cp", "-", f"{name}:/")


def execute(base: Argv, name: str, *command: str) -> Argv:
    """Run a command inside a running container."""
    return (*base, "exec", name, *command)


def containers(base: Argv, sandbox: str) -> Argv:
    """A sandbox's containers, running or not, as JSON."""
    chosen = f"label={SANDBOX}={sandbox}"
    return (*base, "ps", "--all", "--filter", chosen, "--format", "json")


def network_list(base: Argv) -> Argv:
    """List all networks, as JSON."""
    return (*base, "network", "ls", "--format", "json")


def network_create(base: Argv, sandbox: str, subnet: str) -> Argv:
    """Make a network without podman's own name server."""
    label = f"--label={SANDBOX}={sandbox}"
    name = network_name(sandbox)
    return (*base, "network", "create", "--disable-dns", "--subnet", subnet, label, name)


def network_remove(base: Argv, sandbox: str) -> Argv:
    """Remove a sandbox's network."""
    return (*base, "network", "rm", "--force", network_name(sandbox))


def images(base: Argv) -> Argv:
    """List all images by name and tag."""
    return (*base, "images", "--format", "{{.Repository}}:{{.Tag}}")


def image_import(base: Argv, archive: str, image: str) -> Argv:
    """Make an image from an archive of files."""
    return (*base, "import", "--quiet", archive, image)


def trial(base: Argv, rootfs: str, limit: int) -> Argv:
    """Start the host's own `true` in a container: needs no image."""
    return (
        *base, "run", "--rm", "--network", "none", *limits(limit),
        "--volume=/usr:/usr:ro", "--rootfs", rootfs, "/usr/bin/true",
    )  # fmt: skip
