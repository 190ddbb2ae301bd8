"""One practice fault at a time in a running sandbox: set it, remember it, and undo it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from chautari.errors import BadInput, RunFailed
from chautari.files import write_atomically
from chautari.language import _
from chautari.process import ProcessError
from chautari.region.load import LoadedRegion
from chautari.region.model import Region
from chautari_sandbox import dns, internet_container, paths, podman_commands, privileges, state
from chautari_sandbox.podman_client import ExistingContainer, PodmanClient
from chautari_sandbox.practice.faults import (
    FAULTS,
    WRONG_ADDRESS,
    Command,
    Fault,
    FaultPlace,
    firewall_rule_handle,
    place_of_fault,
)
from chautari_sandbox.spec import SandboxSpec
from chautari_sandbox.spec_for_region import sandbox_spec

MEMORY = "practice.json"
# What a step says if what it would undo was already repaired.
ALREADY_REPAIRED = ("not mounted", "No such file or directory")


@dataclass(frozen=True)
class ActiveFault:
    """The fault that a sandbox has now; `container` identifies the container that it is in."""

    fault: str
    node: str
    container: str

    def text(self, template: str, region: str) -> str:
        """Return a hint or an answer for this place."""
        return _(template, region=region, node=self.node)


@dataclass(frozen=True)
class Practice:
    """A running sandbox in which a volunteer practises."""

    region: Region
    spec: SandboxSpec
    client: PodmanClient
    containers: dict[str, ExistingContainer]

    def active(self) -> ActiveFault | None:
        """Return the active fault; None if its container was replaced since."""
        try:
            known = ActiveFault(**json.loads((self.client.folder / MEMORY).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        found = self.containers.get(known.node)
        same = found is not None and found.id == known.container
        return known if same and known.fault in FAULTS else None

    def require_active(self) -> ActiveFault:
        """Return the active fault.

        Raises:
            BadInput: when there is none.
        """
        found = self.active()
        if found is None:
            raise BadInput(
                _("the sandbox {name} has no practice fault", name=self.spec.name),
                fix=f"deploy sandbox break {self.spec.name}",
            )
        return found


def open_practice(loaded_region: LoadedRegion) -> Practice:
    """Return the running sandbox of a region.

    Raises:
        BadInput: when the region is a real one, or its sandbox does not run.
    """
    spec = sandbox_spec(loaded_region)
    fix = f"deploy region {spec.name}"
    if not state.is_sandbox_known(spec.name):
        raise BadInput(_("the sandbox {name} does not exist", name=spec.name), fix=fix)
    privileges.require_root_access()
    client = PodmanClient(
        podman_commands.podman_command_prefix(), spec.name, paths.state_dir(spec.name)
    )
    found = client.containers_by_member()
    wanted = {internet_container.MEMBER, *(node.name for node in spec.nodes)}
    if not all(name in found and found[name].running for name in wanted):
        raise BadInput(_("the sandbox {name} is not running", name=spec.name), fix=fix)
    return Practice(loaded_region.region, spec, client, found)


def set_fault(practice: Practice, name: str | None = None) -> ActiveFault:
    """Set a fault, by default a random one, and remember it.

    Raises:
        BadInput: when a fault is active, or when the region has nothing that this one breaks.
        RunFailed: when the fault could not be set; what was changed is undone.
    """
    sandbox = practice.spec.name
    if practice.active() is not None:
        raise BadInput(
            _("the sandbox {sandbox} already has a practice fault", sandbox=sandbox),
            fix=_(
                "find it, or end the exercise: deploy sandbox break {sandbox} --solve",
                sandbox=sandbox,
            ),
        )
    fault, node = random.choice(_possible_faults(practice, name))
    chosen = ActiveFault(fault.name, node, practice.containers[node].id)
    write_atomically(practice.client.folder / MEMORY, json.dumps(asdict(chosen)) + "\n", 0o600)
    try:
        _apply_fault(practice, fault, place_of_fault(practice.region, node))
    except RunFailed as error:
        # On a node without the service, the steps that undo the fault fail too.
        with suppress(ProcessError):
            _undo_fault(practice, chosen)
        _forget_active_fault(practice)
        raise RunFailed(
            _(
                "the practice fault {name} could not be set on {node}: {error}",
                name=fault.name,
                node=node,
                error=error,
            ),
            fix=f"deploy region {sandbox}",
        ) from None
    return chosen


def undo_active_fault(practice: Practice) -> ActiveFault:
    """Undo the active fault, forget it and return it.

    Raises:
        BadInput: when there is none.
    """
    found = practice.require_active()
    _undo_fault(practice, found)
    return found


def _possible_faults(practice: Practice, name: str | None) -> list[tuple[Fault, str]]:
    found = [
        (fault, node)
        for fault in FAULTS.values()
        for node in practice.region.nodes
        if name in (None, fault.name) and fault.fits_node(practice.region, node)
    ]
    if not found:
        raise BadInput(
            _(
                "no node of {sandbox} runs the service that {fault} breaks",
                sandbox=practice.spec.name,
                fault=name or _("a practice fault"),
            ),
            fix=_("choose another fault; or add a service to a node and deploy"),
        )
    return found


def _apply_fault(practice: Practice, fault: Fault, place: FaultPlace) -> None:
    container = practice.containers[place.node].name
    for step in fault.break_steps(place):
        practice.client.run_in_container(container, *step)
    if fault.closed_port:
        table = ("inet", "chautari")
        listing = practice.client.run_in_container(
            container, "nft", "--json", "--handle", "list", "table", *table
        )
        handle = firewall_rule_handle(listing, fault.closed_port)
        if not handle:
            raise RunFailed(_("no rule of the firewall opens port {port}", port=fault.closed_port))
        practice.client.run_in_container(
            container, "nft", "delete", "rule", *table, "input", "handle", handle
        )
    if fault.wrong_dns:
        _write_hosts_and_reload_dns(practice, _hosts_with_wrong_address(practice, place))


def _undo_fault(practice: Practice, active: ActiveFault) -> None:
    fault = FAULTS[active.fault]
    container = practice.containers[active.node].name
    for step in fault.undo_steps(place_of_fault(practice.region, active.node)):
        _run_undo_step(practice.client, container, step)
    if fault.wrong_dns:
        _write_hosts_and_reload_dns(practice, dns.hosts_file_text(practice.spec))
    _forget_active_fault(practice)


def _forget_active_fault(practice: Practice) -> None:
    (practice.client.folder / MEMORY).unlink(missing_ok=True)


def _run_undo_step(client: PodmanClient, container: str, step: Command) -> None:
    try:
        client.run_in_container(container, *step)
    except ProcessError as error:
        if not any(reason in error.stderr for reason in ALREADY_REPAIRED):
            raise


def _hosts_with_wrong_address(practice: Practice, place: FaultPlace) -> str:
    """Return the sandbox's names, of which one has an address that no machine has."""
    lines: Sequence[str] = dns.hosts_file_text(practice.spec).splitlines()
    kept = [" ".join(word for word in line.split() if word != place.domain_name) for line in lines]
    return "\n".join([*kept, f"{WRONG_ADDRESS} {place.domain_name}"]) + "\n"


def _write_hosts_and_reload_dns(practice: Practice, text: str) -> None:
    paths.write_if_changed(practice.client.folder / "dns" / "hosts", text)
    internet = practice.containers[internet_container.MEMBER].name
    internet_container.reload_name_server(practice.client, internet)
