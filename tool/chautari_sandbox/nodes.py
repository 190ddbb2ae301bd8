"""The nodes: bare machines as a provider hands them over, with the operator's key."""

from __future__ import annotations

from pathlib import Path

from chautari_sandbox import keys, podman, ports, seed
from chautari_sandbox.engine import Engine, Found
from chautari_sandbox.spec import NodeSpec, SandboxSpec


def seed_files(node: NodeSpec, zone: str, folder: Path, operator: Path) -> bytes:
    """The node's identity and the key that may enter; there before sshd starts."""
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {node.name}.{zone} {node.name}\n::1 localhost\n"
    identity = keys.host(folder / "hosts", node.name)
    return seed.archive(
        (
            seed.text("/etc/hosts", hosts),
            seed.folder("/root/.ssh", 0o700),
            seed.Entry("/root/.ssh/authorized_keys", keys.public(operator).read_bytes(), 0o600),
            *(seed.Entry(f"/etc/ssh/{key.name}", key.read_bytes(), 0o600) for key in identity),
            *(
                seed.Entry(f"/etc/ssh/{public.name}", public.read_bytes())
                for public in map(keys.public, identity)
            ),
        )
    )


def container(
    spec: SandboxSpec, node: NodeSpec, image: str, limit: int, files: bytes
) -> podman.Container:
    """One node, as podman should make it."""
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
            podman.RECIPE: seed.digest(image, files, *_told(node, limit)),
        },
        nests=node.nests,
    )


def _told(node: NodeSpec, limit: int) -> tuple[str, ...]:
    return (str(limit), node.address, *(("nests",) if node.nests else ()))


def ensure(
    engine: Engine, spec: SandboxSpec, images: dict[str, str], limit: int, operator: Path
) -> dict[str, str]:
    """Have every node running, and no node that the region no longer names."""
    present = engine.containers()
    wanted = {node.name for node in spec.nodes}
    engine.remove(found for name, found in present.items() if name not in {*wanted, "internet"})
    done = {}
    for node in spec.nodes:
        files = seed_files(node, spec.zone, engine.folder, operator)
        made = container(spec, node, images[node.release], limit, files)
        done[node.name] = engine.ensure(made, files, present.get(node.name))
    for node in spec.nodes:
        ports.wait(node.address, 22, f"the SSH server of {node.name}")
    return done


def forget_accounts(engine: Engine, found: Found, zone: str) -> None:
    """Let certbot register anew: the ACME server forgets every account when it restarts."""
    accounts = f"/etc/letsencrypt/accounts/acme.{zone}:14000"
    engine.execute(found.name, "rm", "-rf", accounts)
