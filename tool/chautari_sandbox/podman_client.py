"""Containers and networks of one sandbox: list, create, update, remove."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chautari.errors import RunFailed
from chautari.files import write_atomically
from chautari.language import N_, _
from chautari.process import ProcessError, run
from chautari_sandbox import boot_archive, podman_commands, subnet_conflicts


@dataclass(frozen=True)
class ExistingContainer:
    """A container that podman has."""

    id: str
    name: str
    state: str
    labels: dict[str, str]

    @property
    def running(self) -> bool:
        """Return whether it runs now."""
        return self.state == "running"

    def matches_spec(self, spec: podman_commands.ContainerSpec) -> bool:
        """Return whether it can stay; one that was never started may lack its files."""
        same = all(self.labels.get(key) == value for key, value in spec.labels.items())
        return same and self.state != "created"


@dataclass(frozen=True)
class ExistingNetwork:
    """A network that podman has."""

    name: str
    subnet: str
    interface: str


@dataclass(frozen=True)
class PodmanClient:
    """Runs podman for one sandbox."""

    base: podman_commands.Argv
    sandbox: str
    folder: Path

    def containers_by_member(self) -> dict[str, ExistingContainer]:
        """Return the containers by member: a node, or the internet."""
        listed: list[Mapping[str, Any]] = json.loads(
            run(podman_commands.list_containers_command(self.base, self.sandbox)).text or "[]"
        )
        found = (
            ExistingContainer(item["Id"], item["Names"][0], item["State"], item["Labels"])
            for item in listed or []
        )
        return {item.labels[podman_commands.MEMBER]: item for item in found}

    def is_running(self, member: str) -> bool:
        """Return whether the container of a node, or of the internet, runs now."""
        found = self.containers_by_member().get(member)
        return found is not None and found.running

    def list_networks_with_any_subnet(self) -> tuple[ExistingNetwork, ...]:
        """Return every network that has a subnet."""
        listed = json.loads(run(podman_commands.list_networks_command(self.base)).text or "[]")
        return tuple(
            ExistingNetwork(item["name"], item["subnets"][0]["subnet"], item["network_interface"])
            for item in listed
            if item.get("subnets")
        )

    def find_sandbox_network(self) -> ExistingNetwork | None:
        """Return the sandbox's network; None when there is none."""
        wanted = podman_commands.network_name(self.sandbox)
        return next(
            (item for item in self.list_networks_with_any_subnet() if item.name == wanted), None
        )

    def ensure_network(self, subnet: str) -> bool:
        """Create the network and return whether it was absent; one with another subnet is replaced.

        Raises:
            RunFailed: when this machine needs addresses of the subnet.
        """
        present = self.find_sandbox_network()
        if present is not None and present.subnet == subnet:
            return False
        taken = subnet_conflicts.subnet_conflict(subnet, present.interface if present else "")
        if taken:
            free = subnet_conflicts.find_free_subnet_of_same_size(
                subnet, present.interface if present else ""
            )
            raise RunFailed(
                _("the sandbox cannot use its network: {taken}", taken=taken),
                fix=_(
                    "set sandbox: {{network: {free}}} in region.yml, and give the nodes "
                    "addresses in this network",
                    free=free,
                )
                if free
                else _("remove another sandbox: deploy sandbox down NAME"),
            )
        if present is not None:
            self.remove_containers(self.containers_by_member().values())
            run(podman_commands.remove_network_command(self.base, self.sandbox))
        run(podman_commands.create_network_command(self.base, self.sandbox, subnet))
        return True

    def remove_containers(self, containers: Iterable[ExistingContainer]) -> None:
        """Remove containers, running or not."""
        names = [item.name for item in containers]
        if names:
            self._run_with_retries(podman_commands.remove_command(self.base, names))

    def remove_volumes(self) -> None:
        """Remove what the containers kept outside of themselves: mail and packages."""
        own = podman_commands.volume_name(self.sandbox, "")
        listed = run(podman_commands.list_volumes_command(self.base)).text.split()
        names = [name for name in listed if name.startswith(own)]
        if names:
            run(podman_commands.remove_volumes_command(self.base, names))

    def ensure_container(
        self, spec: podman_commands.ContainerSpec, files: bytes, present: ExistingContainer | None
    ) -> str:
        """Start this container and return what was done: nothing, started, or created."""
        if present is not None and present.matches_spec(spec):
            if present.running:
                return ""
            run(podman_commands.start_command(self.base, present.name))
            return N_("started")
        if present is not None:
            self.remove_containers([present])
        run(podman_commands.create_command(self.base, spec))
        try:
            self._unpack_in_container(spec.name, files)
        except BaseException:
            # Without its trust and settings it must not be taken for a good one next time.
            run(podman_commands.remove_command(self.base, [spec.name]))
            raise
        run(podman_commands.start_command(self.base, spec.name))
        return N_("created")

    def _unpack_in_container(self, name: str, archive: bytes) -> None:
        """Unpack an archive at the root of a container; podman's copy holds keys and is deleted."""
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=self.folder) as folder:
            command = podman_commands.unpack_into_container_command(self.base, name, folder)
            self._run_with_retries(command, stdin=archive)

    def _run_with_retries(self, argv: podman_commands.Argv, stdin: bytes = b"") -> None:
        """Run a command that podman sometimes fails at until it is repeated.

        It breaks its own pipe while it unpacks, and cannot remove a container that stops just then.
        """
        for pause in (1, 2):
            with contextlib.suppress(ProcessError):
                run(argv, stdin=stdin)
                return
            time.sleep(pause)
        run(argv, stdin=stdin)

    def run_in_container(self, name: str, *command: str) -> str:
        """Run a command in a container and return what it printed."""
        return run(podman_commands.run_in_container_command(self.base, name, *command)).text

    def update_trust_and_proxies(self, container: ExistingContainer, settings: bytes) -> bool:
        """Update trust and proxy settings in a running container; return whether they changed."""
        memory = self.folder / "refreshed.json"
        known: dict[str, str] = json.loads(memory.read_text()) if memory.is_file() else {}
        wanted = boot_archive.short_digest(settings)
        if known.get(container.id) == wanted:
            return False
        self._unpack_in_container(container.name, settings)
        self.run_in_container(container.name, "update-ca-certificates")
        write_atomically(memory, json.dumps({**known, container.id: wanted}))
        return True
