"""The nodes: bare machines as a hosting provider delivers them, with the operator's key."""

from __future__ import annotations

import functools
from pathlib import Path

from chautari.language import _
from chautari_sandbox import boot_archive, podman_commands, port_probes, ssh_keys
from chautari_sandbox.podman_client import ExistingContainer, PodmanClient
from chautari_sandbox.spec import NodeSpec, SandboxSpec

# Generators of systemd for disks, the kernel's command line and consoles, which a container lacks.
# systemd runs all generators each time a package or a role reloads it: two thirds of that time.
NEEDLESS_GENERATORS = (
    "cryptsetup", "debug", "getty", "gpt-auto", "hibernate-resume", "integritysetup", "rc-local",
    "run", "system-update", "tpm2", "veritysetup",
)  # fmt: skip
_MASKS = "/etc/systemd/system-generators"


def boot_archive_of_node(node: NodeSpec, zone: str, folder: Path, operator: Path) -> bytes:
    """Return the node's host keys and the operator's key, needed before sshd starts.

    The generators that a container does not need are masked.
    """
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {node.name}.{zone} {node.name}\n::1 localhost\n"
    identity = ssh_keys.ensure_host_key_files(folder / "hosts", node.name)
    return boot_archive.build_tar_archive(
        (
            boot_archive.text_entry("/etc/hosts", hosts),
            boot_archive.folder_entry("/root/.ssh", 0o700),
            boot_archive.ArchiveEntry(
                "/root/.ssh/authorized_keys", ssh_keys.public_key_file(operator).read_bytes(), 0o600
            ),
            *(
                boot_archive.ArchiveEntry(f"/etc/ssh/{key.name}", key.read_bytes(), 0o600)
                for key in identity
            ),
            *(
                boot_archive.ArchiveEntry(f"/etc/ssh/{public.name}", public.read_bytes())
                for public in map(ssh_keys.public_key_file, identity)
            ),
            boot_archive.folder_entry(_MASKS),
            *(
                boot_archive.link_entry(f"{_MASKS}/systemd-{name}-generator", "/dev/null")
                for name in NEEDLESS_GENERATORS
            ),
        )
    )


def node_container_spec(
    spec: SandboxSpec, node: NodeSpec, image: str, limit: int, files: bytes
) -> podman_commands.ContainerSpec:
    """Return a node's container as podman should create it."""
    return podman_commands.ContainerSpec(
        name=podman_commands.container_name(spec.name, node.name),
        image=image,
        hostname=node.name,
        network=podman_commands.network_name(spec.name),
        address=node.address,
        resolver=spec.internet_address,
        limit=limit,
        labels={
            podman_commands.SANDBOX: spec.name,
            podman_commands.MEMBER: node.name,
            podman_commands.ADDRESS: node.address,
            podman_commands.RELEASE: node.release,
            podman_commands.OWNER: spec.owner,
            podman_commands.RECIPE: boot_archive.short_digest(
                image, files, *_values_in_recipe_digest(node, limit)
            ),
        },
        nests=node.nests,
    )


def _values_in_recipe_digest(node: NodeSpec, limit: int) -> tuple[str, ...]:
    return (str(limit), node.address, *(("nests",) if node.nests else ()))


def start_and_remove_nodes(
    client: PodmanClient, spec: SandboxSpec, images: dict[str, str], limit: int, operator: Path
) -> dict[str, str]:
    """Start every node and remove those that the region no longer has; return what was done.

    A node that ran before may have a stopped SSH server: that is the deploy's to report, and the
    other nodes must not wait for it.
    """
    present = client.containers_by_member()
    wanted = {node.name for node in spec.nodes}
    client.remove_containers(
        found for name, found in present.items() if name not in {*wanted, "internet"}
    )
    done = {}
    for node in spec.nodes:
        files = boot_archive_of_node(node, spec.zone, client.folder, operator)
        made = node_container_spec(spec, node, images[node.release], limit, files)
        done[node.name] = client.ensure_container(made, files, present.get(node.name))
    for node in (node for node in spec.nodes if done[node.name]):
        port_probes.wait_for_port(
            node.address, 22, _("the SSH server of {name}", name=node.name),
            container_runs=functools.partial(client.is_running, node.name),
        )  # fmt: skip
    return done


def delete_acme_accounts(client: PodmanClient, container: ExistingContainer, zone: str) -> None:
    """Delete certbot's accounts: the ACME server forgets every account when it restarts."""
    accounts = f"/etc/letsencrypt/accounts/acme.{zone}:14000"
    client.run_in_container(container.name, "rm", "-rf", accounts)
