"""A command's request, and everything that is known before the first connection."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chautari.account import account_name
from chautari.errors import BadInput
from chautari.files import temp_files_root, write_atomically
from chautari.language import _
from chautari.node.receipts import RoleInputs
from chautari.parallel import PARALLEL
from chautari.prepare.child_process import node_requirements_digest
from chautari.region.load import LoadedRegion
from chautari.render import role_inputs, variables
from chautari.render.endpoints import Endpoints
from chautari.render.provider import ensure_endpoints
from chautari.render.role_inputs import RECEIPT_KEY
from chautari.render.variables import NodeContext, NodeVariables
from chautari.secrets.completion import load_and_complete_secrets
from chautari.secrets.private_keys import private_keys_to_try
from chautari.secrets.store import SecretStore
from chautari.ssh.known_hosts import check_known_hosts_match_region, read_known_hosts_text
from chautari.suggestions import fix_for_unknown_word

Listener = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Request:
    """One command: its region, its nodes, and its options.

    Attributes:
        wait: wait for another operator's run to finish instead of being refused.
        detach: return as soon as the runs have started.
        full: run every role, even those that are up to date.
        checks: run the checks afterwards.
        canary: a node that goes first; the others follow only if it is well.
        parallel: the number of nodes that are handled at the same time.
        run: the run to read; the newest one when it is empty.
        purge: delete the data of services that are removed from a node.
        download_only: download what a deploy needs, and run no role.
        interrupt_meetings: deploy even if people are in a meeting on a node.
    """

    loaded_region: LoadedRegion
    command: str
    nodes: tuple[str, ...] = ()
    identities: tuple[Path, ...] = ()
    wait: bool = False
    detach: bool = False
    full: bool = False
    checks: bool = True
    canary: str = ""
    parallel: int = PARALLEL
    run: str = ""
    purge: bool = False
    interrupt_meetings: bool = False
    download_only: bool = False

    def node_names(self) -> tuple[str, ...]:
        """Return the names of the nodes of this command, the canary first.

        Raises:
            BadInput: when one of them is not in the region.
        """
        known = self.loaded_region.region.nodes
        for name in (*self.nodes, *filter(None, [self.canary])):
            if name not in known:
                raise BadInput(
                    _("this region has no node {name!r}", name=name),
                    fix=fix_for_unknown_word(name, list(known)),
                )
        names = self.nodes or tuple(known)
        return tuple(dict.fromkeys([*filter(None, [self.canary]), *names]))

    def canary_batches(self) -> list[tuple[str, ...]]:
        """Return the nodes that are deployed at the same time: a canary first, on its own."""
        names = self.node_names()
        if not self.canary:
            return [names]
        rest = tuple(name for name in names if name != self.canary)
        return [(self.canary,), rest] if rest else [(self.canary,)]


@dataclass(frozen=True)
class DeployContext:
    """Everything that is known before the first connection.

    Attributes:
        known_hosts: the file that pins host keys, if it is not the region's own.
    """

    request: Request
    endpoints: Endpoints
    secrets: SecretStore = field(repr=False)
    nodes: tuple[NodeVariables, ...] = field(repr=False)
    known_hosts: Path | None = None

    def inputs_of_all_roles_on_node(self, node: NodeVariables) -> list[RoleInputs]:
        """Return the inputs of the node's roles, to compare with its receipts."""
        return role_inputs.role_inputs_of_node(
            node, self.secrets[RECEIPT_KEY], node_requirements_digest()
        )

    @property
    def loaded_region(self) -> LoadedRegion:
        """Return the region that was loaded, with its folder and its pinned releases."""
        return self.request.loaded_region


def ensure_context(
    request: Request, say: Callable[[str], None], *, save_secrets: bool = True
) -> DeployContext:
    """Find the endpoints and secrets, and compute every node's variables.

    Without `save_secrets` no file of the region is written; secrets that are missing are other
    ones the next time.

    Raises:
        BadInput: when a node is not known, or a secret is missing or cannot be opened.
    """
    names = request.node_names()
    check_known_hosts_match_region(request.loaded_region)
    endpoints = ensure_endpoints(request.loaded_region, say)
    secrets = open_and_complete_secrets(request, endpoints, save=save_secrets)
    for notice in secrets.notices:
        say(notice)
    loaded_region = load_region_letters(
        request.loaded_region, secrets, endpoints, save=save_secrets
    )
    request = replace(request, loaded_region=loaded_region)
    nodes = tuple(
        variables.variables_of_node(NodeContext(loaded_region, endpoints, name), secrets)
        for name in names
    )
    return DeployContext(request, endpoints, secrets, nodes)


def load_region_letters(
    loaded_region: LoadedRegion, secrets: SecretStore | None, endpoints: Endpoints, *, save: bool
) -> LoadedRegion:
    """Return the region with the letters to its peers and from them; see `letter_exchange`."""
    if not loaded_region.peers:
        return loaded_region
    from chautari.federation import letter_exchange  # a region without peers does not pay for it

    return letter_exchange.load_and_update_letters(loaded_region, secrets, endpoints, save=save)


@contextmanager
def pin_new_host_keys_temporarily(context: DeployContext) -> Iterator[DeployContext]:
    """Pin the host keys of nodes that are reached for the first time only until the end."""
    pinned = context.loaded_region.known_hosts_file
    with tempfile.TemporaryDirectory(prefix="chautari-", dir=temp_files_root()) as folder:
        known_hosts = Path(folder) / pinned.name
        write_atomically(known_hosts, read_known_hosts_text(pinned), durable=False)
        yield replace(context, known_hosts=known_hosts)


def open_and_complete_secrets(
    request: Request, endpoints: Endpoints, *, save: bool = True
) -> SecretStore:
    """Return the region's secrets, complete; missing ones are generated and saved with `save`."""
    extra = [key for keys in endpoints.operators.values() for key in keys]
    return load_and_complete_secrets(
        request.loaded_region,
        private_keys_to_try(request.identities, endpoints.ssh_key),
        endpoints.secrets,
        extra,
        save=save,
    )


def run_initiator(run: str, region: str, node: str) -> dict[str, Any]:
    """Return who starts a run and from where; the node shows it to the next operator."""
    return {
        "run": run,
        "region": region,
        "node": node,
        "operator": account_name(),
        "origin": platform.node(),
    }
