"""The nodes: bare machines as a hosting provider delivers them, with the operator's key."""

from __future__ import annotations

from pathlib import Path

from chautari_sandbox import keys, podman, ports, seed
from chautari_sandbox.engine import Engine, ExistingContainer
from chautari_sandbox.spec import NodeSpec, SandboxSpec


def seed_files(node: NodeSpec, zone: str, folder: Path, operator: Path) -> bytes:
    """Return the node's host keys and the operator's key, needed before sshd starts."""
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {node.name}.{zone} {node.name}\n::1 localhost\n"
    identity = keys.host_keys(folder / "hosts", node.name)
    return seed.tar_archive(
        (
            seed.text_entry("/etc/hosts", hosts),
            seed.folder_entry("/root/.ssh", 0o700),
            seed.Entry(
                "/root/.ssh/authorized_keys", keys.public_half(operator).read_bytes(), 0o600
            ),
            *(seed.Entry(f"/etc/ssh/{key.name}", key.read_bytes(), 0o600) for key in identity),
            *(
                seed.Entry(f"/etc/ssh/{public.name}", public.read_bytes())
                for public in map(keys.public_half, identity)
            ),
        )
    )


def node_container(
    spec: SandboxSpec, node: NodeSpec, image: str, limit: int, files: bytes
) -> podman.Container:
    """Return a node's container as podman should create it."""
    return podman.Container(
        name=podman.container_name(spec.name, node.name),
        image=image,
        hostname=node.name,
        network=podman.network_name(spec.name),
        address=node.address,
        resolver=spec.internet_address,
        limit=limit,
        labels={
            podman.SANDBOX: spec.name,
            podman.MEMBER: node.name,
            podman.ADDRESS: node.address,
            podman.RELEASE: node.release,
            podman.OWNER: spec.owner,
            podman.RECIPE: seed.short_digest(image, files, *_container_parameters(node, limit)),
        },
        nests=node.nests,
    )


def _container_parameters(node: NodeSpec, limit: int) -> tuple[str, ...]:
    return (str(limit), node.address, *(("nests",) if node.nests else ()))


def sync_nodes(
    engine: Engine, spec: SandboxSpec, images: dict[str, str], limit: int, operator: Path
) -> dict[str, str]:
    """Start every node and remove those that the region no longer has; return what was done.

    A node that ran before may have a stopped SSH server: that is the deploy's to report, and the
    other nodes must not wait for it.
    """
    present = engine.containers()
    wanted = {node.name for node in spec.nodes}
    engine.remove_containers(
        found for name, found in present.items() if name not in {*wanted, "internet"}
    )
    done = {}
    for node in spec.nodes:
        files = seed_files(node, spec.zone, engine.folder, operator)
        made = node_container(spec, node, images[node.release], limit, files)
        done[node.name] = engine.ensure_container(made, files, present.get(node.name))
    for node in (node for node in spec.nodes if done[node.name]):
        ports.wait_for_port(node.address, 22, f"the SSH server of {node.name}")
    return done


def forget_acme_accounts(engine: Engine, found: ExistingContainer, zone: str) -> None:
    """Delete certbot's accounts: the ACME server forgets every account when it restarts."""
    accounts = f"/etc/letsencrypt/accounts/acme.{zone}:14000"
    engine.execute(found.name, "rm", "-rf", accounts)
