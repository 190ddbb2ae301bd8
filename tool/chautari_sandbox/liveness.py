"""Whether a sandbox runs as a region needs it, asked of its servers and not of podman.

Podman takes longer to answer than a whole deploy that finds nothing to do; the greeting of each
container's server takes milliseconds. An open connection alone proves nothing: once the containers
are gone, some gateways accept a connection to any address.
"""

from __future__ import annotations

from chautari.parallel import map_parallel
from chautari_sandbox import port_probes, state
from chautari_sandbox.spec import SandboxSpec
from chautari_sandbox.state import SandboxState

SMTP_GREETING = b"220"
SSH_GREETING = b"SSH-"
SSH_PORT = 22


def is_sandbox_running_as_specified(spec: SandboxSpec, sandbox_state: SandboxState) -> bool:
    """Return whether all containers of `spec` answer, and its mirror serves what `spec` needs."""
    return (
        state.is_start_finished(spec.name)
        and _state_has_nodes_of(spec, sandbox_state)
        and spec.neighbours == sandbox_state.neighbours
        and _last_start_looked_for_all_artifacts(spec, sandbox_state)
        and _ssh_and_smtp_servers_greet(spec, sandbox_state)
    )


def _ssh_and_smtp_servers_greet(spec: SandboxSpec, sandbox_state: SandboxState) -> bool:
    servers = [(node.address, SSH_PORT, SSH_GREETING) for node in spec.nodes]
    servers.append((sandbox_state.internet_address, sandbox_state.mail_relay.port, SMTP_GREETING))
    return all(map_parallel(lambda server: port_probes.server_greets_with(*server), servers))


def _state_has_nodes_of(spec: SandboxSpec, sandbox_state: SandboxState) -> bool:
    addresses = dict(sandbox_state.nodes)
    return all(addresses.get(node.name) == node.address for node in spec.nodes)


def _last_start_looked_for_all_artifacts(spec: SandboxSpec, sandbox_state: SandboxState) -> bool:
    """Return whether the last start looked for every release that `spec` needs."""
    served = {(item.name, item.version) for item in sandbox_state.artifacts}
    served |= {(item.name, item.version) for item in sandbox_state.missing}
    needed = {(item.name, item.version) for item in spec.wanted}
    needed |= {(item.name, item.version) for item in spec.images}
    packages = {(item.name, item.version) for item in spec.repositories}
    found = mirror_serves_folder(spec, served) if spec.mirror else needed <= served
    return found and packages <= set(sandbox_state.requested_packages)


def mirror_serves_folder(spec: SandboxSpec, served: set[tuple[str, str]]) -> bool:
    """Return whether each release that is in the folder under its own name is served."""
    return all(
        (item.name, item.version) in served
        for item in spec.wanted
        if spec.mirror and (spec.mirror / item.file).is_file()
    )
