"""What a service is: one object that answers every question the toolkit asks about it.

Types of other stages appear here in annotations only, so that `region.model` can import the
registry of services.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from chautari.region.base import StrictModel
from chautari.region.operating_systems import DEBIAN
from chautari.services.artifact_sources import ArtifactSource, MissingPins
from chautari.services.artifacts import Artifact, Image, PackageRepository
from chautari.services.capacity_figures import CapacityLimit, MachineSize
from chautari.services.languages import Translations
from chautari.services.logs_and_commands import LogsAndCommands
from chautari.services.release_tags import ReleaseTags
from chautari.services.secret_spec import SecretSpec
from chautari.services.state import State

if TYPE_CHECKING:
    from pydantic import BaseModel

    from chautari.preflight.facts import Facts
    from chautari.preflight.requirements import NodeRequirements
    from chautari.preflight.rules import Rule as PreflightRule
    from chautari.region.load import LoadedRegion
    from chautari.region.model import Region
    from chautari.region.rule import Finding, Rule
    from chautari.render.context import NodeContext
    from chautari.report.model import Notice

Variables = dict[str, Any]
RoleVariables = Callable[["NodeContext"], Variables]
Secrets = Mapping[str, str]


class Port(NamedTuple):
    """A port or range that the firewall opens, to everyone or to `sources` only."""

    port: str
    protocol: str
    comment: str
    sources: tuple[str, ...] = ()

    def firewall_variables(self) -> Variables:
        """Return the port as the role `firewall` takes it."""
        found: Variables = {"port": self.port, "protocol": self.protocol, "comment": self.comment}
        return found | ({"sources": list(self.sources)} if self.sources else {})


class Role(NamedTuple):
    """An Ansible role: the title of its play, and the roles it runs after on the same node."""

    name: str
    title: str
    after: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()


class AccessDetails(NamedTuple):
    """How people open a deployed service: its release, a login and a note."""

    version: str
    login: str = ""
    note: str = ""


class PackageSource(NamedTuple):
    """The package repository that a service is installed from.

    Attributes:
        name: of the repository; a sandbox may replace it.
        key_url: where upstream serves the key.
        version: returns the release to install.
        sources: returns the repositories that a node needs.
    """

    name: str
    key_url: str
    version: Callable[[NodeContext], str]
    sources: Callable[[NodeContext], Sequence[PackageRepository]]


class Requirements(NamedTuple):
    """What a service needs of its node.

    Attributes:
        os: operating systems that its roles support.
        arch: processors that upstream builds for.
        memory_mb: memory below which a deploy is refused; 0 where the service's own preflight
            decides.
        disk_mb: free space that the first deploy needs; 0 for what every node needs.
        installed: a file that exists on the node once the service's own role has installed it;
            then `disk_mb` no longer counts.
    """

    os: tuple[str, ...] = DEBIAN
    arch: tuple[str, ...] = ("amd64", "arm64")
    memory_mb: int = 400
    disk_mb: int = 0
    installed: str = ""


class FrontPageEntry(NamedTuple):
    """How people use a service from the region's front page, and how its state is checked.

    Attributes:
        check_path: path of a small answer that the service gives only while it works.
        expected_text: text that this answer contains.
        account_for: returns what people need an account for: nothing ("none"), to open a meeting
            that others join without one ("host"), or everything ("all").
        opened_in: services in whose pages people open this one, the best first; without any of
            them, people open its own address.
    """

    check_path: str
    expected_text: str
    account_for: Callable[[Region], Literal["none", "host", "all"]]
    opened_in: tuple[str, ...] = ()


class NewRegionFacts(NamedTuple):
    """What is known of a region whose first `region.yml` is written.

    Attributes:
        operator: name of its first operator.
        os: operating system of the node that runs the service.
        services: all services that the region wants.
    """

    operator: str
    os: str
    services: tuple[str, ...]


class PeerStateMeaning(NamedTuple):
    """What a code in a service's file about its peers means.

    Attributes:
        state: of the service between this region and the peer.
        cause: what is so, as a template of the code's data; `peer`, `domain` (of the peer) and
            `region` (this one) are always there, and `{key:time}` shows seconds since 1970.
        next_step: what an operator does, as such a template; nothing while all is well.
    """

    state: Literal["green", "pending", "broken"]
    cause: str
    next_step: str = ""


class PeerStateFileSpec(NamedTuple):
    """Where a service with peers reports the state of each of them.

    Attributes:
        state_file: JSON file on the node, written by the service's role: for each peer a state, a
            code and its data (`docs/federation.md` describes it).
        codes: all codes that the file may contain.
    """

    state_file: str
    codes: Mapping[str, PeerStateMeaning]


class LendingHooks(NamedTuple):
    """How regions lend something to each other: the nodes of a service, or space for backups.

    Each region writes a letter to the other one. What arrives in it is hostile input: the models
    `offer` and `request` limit every field.

    Attributes:
        used_by: the service of the borrower that uses the nodes; empty if no service does.
        offer: form of what the lender writes to the borrower.
        request: form of what the borrower writes to the lender.
        write_offer: returns what the lender writes, of the region, the peer's name and the region's
            secrets; None as long as something is not known that belongs in it.
        write_request: returns what the borrower writes, of the same.
    """

    used_by: str
    offer: type[BaseModel]
    request: type[BaseModel]
    write_offer: Callable[[LoadedRegion, str, Secrets], BaseModel | None]
    write_request: Callable[[LoadedRegion, str, Secrets], BaseModel | None]


class MoveStep(NamedTuple):
    """One step of moving a service: why it is done, and the commands or lines to write.

    Attributes:
        actions: the same as `commands`, for `--run`: arguments of `deploy`, or `ssh`, a node and a
            command of root there, or `check-region` and the old and the new node.
        by_person: whether a person does something before the actions.
        later: whether it is done weeks later, so that `--run` ends before it.
    """

    title: str
    why: str
    commands: tuple[str, ...] = ()
    actions: tuple[tuple[str, ...], ...] = ()
    by_person: bool = False
    later: bool = False

    def as_object(self) -> Mapping[str, object]:
        """Return the step as JSON takes it."""
        return {"title": self.title, "why": self.why, "commands": list(self.commands)}


class MoveProcedure(NamedTuple):
    """How a service moves to another node: release lines to choose from, newest last, and steps.

    `steps` takes the region, the new node, the release line and the region's file of host keys.
    """

    releases: tuple[str, ...]
    steps: Callable[[Region, str, str, Path], list[MoveStep]]


@dataclass(frozen=True)
class Service:
    """Everything the toolkit knows of one service.

    Attributes:
        name: its key in `region.yml`; its package is named the same, with underscores.
        title: its name for people.
        summary: one line for the reference and the list of services.
        page: its page in `docs/services/`, without `.md`.
        roles: all roles that a node running it gets, in any order.
        own_roles: those of them that no other service defines.
        settings: the model of `services.NAME`; None for an auxiliary service, which has neither
            settings nor a public name and may run on any number of nodes.
        example: settings shown in the reference.
        capacity: returns what each resource of a machine allows; None if no figure is known.
        first_settings: returns the settings without which a new region would not be valid.
        app: the name of its role and its artifact; its own name where nothing else is set.
        databases: names of databases by the role that creates them; owners are named the same.
        state: what a backup stores of it, besides its databases; every service answers this.
        releases: archives whose checksums are known.
        archives: names under which a region may pin archives in `artifacts.lock`.
        sources: where the releases of its archives come from.
        missing_pins: returns the releases that a region still has to pin.
        image: the container image that it runs in.
        packages: the package repository that it is installed from.
        artifacts: returns the archives that a node downloads.
        older_artifacts: returns the releases that an upgrade of a node may pass through.
        secrets: the secrets that it owns or shares.
        secret_variables: returns the secret variables of its roles on a node; without it each
            secret of its own is a variable of the same name.
        ports: ports that it needs open, besides those of its roles.
        local_ports: ports that it listens on for the node only, although on a public address.
        sends_mail: whether it needs the region's mail relay.
        check_mailbox: local part of the address that its checks use as their own.
        owns_https: whether it answers on port 443 in place of nginx.
        host_of: the service whose `host` setting is its label; its own where nothing is set.
        per_node: whether it runs on several nodes, each with the node's name in its label.
        per_node_fix: how a region lets it run on several nodes.
        needs_dns: whether its DNS records must be right before a deploy begins.
        requires: what it needs of its node.
        variables: returns the variables of its own roles, and its part of shared ones, by role.
        rules: rules across the fields of a region that has the service.
        rules_for_installed_release: rules of a region that has the service, given a node and the
            release in use there.
        preflight: refusals of a machine, beyond `requires`.
        advice: returns what a machine has less of than upstream recommends.
        access_details_for_report: returns how it is opened.
        front_page: its entry on the region's front page; None if people do not open it.
        release_tags: where upstream names the releases of the service and of its archives.
        translations: returns the languages of the release that a node installs.
        move: how it moves to another node, if not by backup and restore.
        publishes_descriptor: whether it publishes the region's descriptor for other regions.
        federation: where it reports the state of the region's peers; None if it has none.
        site_file: name of its site in `sites-enabled` of nginx, if this is not the name of its role
            and `.conf`; `{name}` stands for its public name.
        lending: how regions lend its nodes to each other; None if they cannot.
        peer_ports: returns ports that it needs open for peers only.
        peer_secret_variables: returns the secret variables that follow from letters of peers.
        failed_logins: the log of failed logins, as the role fail2ban names it; empty for none.
        logs_and_commands: its units, log files and commands on a node.
        service_for_region: returns this service with what follows from a region's settings.
    """

    name: str
    title: str
    summary: str
    page: str
    roles: tuple[str, ...]
    own_roles: tuple[Role, ...] = ()
    settings: type[StrictModel] | None = None
    example: Mapping[str, object] = field(default_factory=dict)
    capacity: Callable[[Region, str, MachineSize], Iterable[CapacityLimit]] | None = None
    first_settings: Callable[[NewRegionFacts], Mapping[str, object]] | None = None
    app: str = ""
    databases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    state: State | None = None
    releases: tuple[Artifact, ...] = ()
    archives: tuple[str, ...] = ()
    sources: tuple[ArtifactSource, ...] = ()
    missing_pins: MissingPins | None = None
    image: Image | None = None
    packages: PackageSource | None = None
    artifacts: Callable[[NodeContext], Sequence[Artifact]] | None = None
    older_artifacts: Callable[[NodeContext], Sequence[Artifact]] | None = None
    secrets: tuple[SecretSpec, ...] = ()
    secret_variables: Callable[[Region, str, Secrets], Variables] | None = None
    ports: tuple[Port, ...] = ()
    local_ports: tuple[Port, ...] = ()
    sends_mail: bool = False
    check_mailbox: str = ""
    owns_https: bool = False
    host_of: str = ""
    per_node: bool = False
    per_node_fix: str = ""
    needs_dns: bool = False
    requires: Requirements = field(default_factory=Requirements)
    variables: Mapping[str, RoleVariables] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    rules_for_installed_release: Callable[[NodeContext, str], Iterable[Finding]] | None = None
    preflight: tuple[PreflightRule, ...] = ()
    advice: Callable[[Facts, NodeRequirements], list[Notice]] | None = None
    access_details_for_report: Callable[[NodeContext], AccessDetails] | None = None
    front_page: FrontPageEntry | None = None
    release_tags: tuple[ReleaseTags, ...] = ()
    translations: Callable[[NodeContext], Translations] | None = None
    move: MoveProcedure | None = None
    site_file: str = ""
    publishes_descriptor: bool = False
    federation: PeerStateFileSpec | None = None
    lending: LendingHooks | None = None
    peer_ports: Callable[[NodeContext], Sequence[Port]] | None = None
    peer_secret_variables: Callable[[NodeContext, Secrets], Variables] | None = None
    failed_logins: str = ""
    logs_and_commands: LogsAndCommands = field(default_factory=LogsAndCommands)
    service_for_region: Callable[[Region], Service] | None = None

    @property
    def is_auxiliary(self) -> bool:
        """Whether it serves another service, without settings and a public name."""
        return self.settings is None

    @property
    def role_and_artifact_name(self) -> str:
        """The name of its role and its artifact."""
        return self.app or self.name

    def with_region_settings(self, region: Region) -> Service:
        """Return the service with the values that follow from the settings of `region`."""
        return self.service_for_region(region) if self.service_for_region else self
