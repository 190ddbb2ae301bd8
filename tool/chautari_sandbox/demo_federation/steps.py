"""The steps of the demo, each with the public `deploy` commands, a person's browser or WebDAV."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import dns.resolver

from chautari.cli.output import echo
from chautari.errors import BadInput, RunFailed
from chautari.region.locate import REGION_FILE
from chautari_sandbox import paths, podman_commands, state
from chautari_sandbox.demo_federation import nextcloud_client
from chautari_sandbox.demo_federation.deploy_command import read_secret, run_deploy_and_parse_json
from chautari_sandbox.demo_federation.nextcloud_client import Account
from chautari_sandbox.demo_federation.regions import (
    DemoRegion,
    ensure_federation_peers,
    ensure_password_of_person,
    peers_of,
    write_missing_region_files,
)
from chautari_sandbox.podman_client import PodmanClient
from chautari_sandbox.state import SandboxState

Pair = tuple[DemoRegion, DemoRegion]
LONGEST_WAIT_FOR_TRUST = 300
LONGEST_WAIT_FOR_A_SHARE = 60


class FinishedStep(NamedTuple):
    """One step that is done, and how long it took."""

    title: str
    seconds: float


class DemoRun:
    """What the demo did so far."""

    def __init__(self, mirror: tuple[str, ...]) -> None:
        """Start; `mirror` are the arguments of `deploy sandbox up` for real artifacts."""
        self.steps: list[FinishedStep] = []
        self._mirror = mirror

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print what begins, and how long it took."""
        echo(f"\n== {title}", err=True)
        start = time.monotonic()
        yield
        self.steps.append(FinishedStep(title, round(time.monotonic() - start, 1)))
        echo(f"   done in {self.steps[-1].seconds:.0f} s", err=True)

    def start_sandboxes(self, regions: tuple[DemoRegion, ...]) -> None:
        """Write the regions' files, and start their sandboxes; nothing is installed yet."""
        for region in regions:
            write_missing_region_files(region)
            with self.step(f"start the containers of {region.name}"):
                run_deploy_and_parse_json("sandbox", "up", region.name, *self._mirror)

    def deploy(self, regions: tuple[DemoRegion, ...]) -> None:
        """Deploy each region."""
        for region in regions:
            with self.step(f"deploy {region.name}"):
                run_deploy_and_parse_json("region", region.name)

    def federate(self, pairs: tuple[Pair, ...]) -> None:
        """Let the regions of each pair trust each other, and wait until they do."""
        with self.step("pin each other's keys, and add one line to each region.yml"):
            changed = [
                one
                for pair in pairs
                for one in pair
                if pin_peer_if_new(one, _other_of_pair(pair, one))
            ]
            for pair in pairs:
                for one in pair:
                    names = list(dict.fromkeys([*peers_of(one), _other_of_pair(pair, one).name]))
                    if line := ensure_federation_peers(one, names):
                        echo(f"   {one.file}: {line}", err=True)
                        changed.append(one)
        self.deploy(tuple(dict.fromkeys(changed)))
        with self.step("wait until both regions trust each other"):
            for one, other in pairs:
                wait_for_trust(one, other)
                wait_for_trust(other, one)

    def share_read_and_unshare_file(self, pair: Pair) -> None:
        """Share a file from one region to the other, read it there, and take it back."""
        owner, reader = map(ensure_account_of_person, pair)
        file, text = f"greeting-{secrets.token_hex(3)}.txt", f"Greetings from {pair[0].name}.\n"
        number = ""
        try:
            with self.step(f"{owner.name}@{owner.host} shares {file}"):
                owner.write(file, text)
                number = owner.share(file, f"{reader.name}@{reader.host}")
            with self.step(f"{reader.name}@{reader.host} reads {file}"):
                place = wait_for_path_of_shared_file(reader, file)
                if (found := reader.read(place)) != text:
                    raise RunFailed(f"{reader.name} read {found!r} instead of {text!r}")
            with self.step(f"{owner.name} stops sharing the file, and the file disappears"):
                owner.unshare(number)
                number = ""
                wait_until_gone(reader, place)
        finally:
            if number:
                owner.unshare(number)
            owner.delete(file)

    def check_front_pages_name_each_other(
        self, pairs: tuple[Pair, ...], *, named: bool = True
    ) -> None:
        """Read the front pages: each names the other region, or no longer does."""
        with self.step("read the front pages"):
            for one, other in (pair for given in pairs for pair in (given, given[::-1])):
                page = nextcloud_client.fetch_page(f"https://{one.domain}/", ca_file_of(one))
                if (other.domain in page) is not named:
                    raise RunFailed(
                        f"the front page of {one.name} "
                        f"{'does not name' if named else 'still names'} {other.domain}"
                    )

    def leave(self, pair: Pair) -> None:
        """Let the regions leave each other, and check that nothing of the trust is left."""
        for one in pair:
            other = _other_of_pair(pair, one)
            with self.step(f"{one.name} leaves {other.name}"):
                run_deploy_and_parse_json("federation", "leave", one.name, other.name)
                ensure_federation_peers(one, [name for name in peers_of(one) if name != other.name])
                run_deploy_and_parse_json("region", one.name)
                check_trust_is_gone(one, other)
        self.check_front_pages_name_each_other((pair,), named=False)


def _other_of_pair(pair: Pair, one: DemoRegion) -> DemoRegion:
    return pair[1] if one == pair[0] else pair[0]


def refuse_same_names_from_other_folders(regions: tuple[DemoRegion, ...]) -> None:
    """Refuse containers of the same names that belong to regions in other folders.

    Raises:
        BadInput: with the folder, since a start of the demo would replace them.
    """
    base = podman_commands.podman_command_prefix()
    for region in regions:
        client = PodmanClient(base, region.name, paths.state_dir(region.name))
        for found in client.containers_by_member().values():
            owner = found.labels.get(podman_commands.OWNER, "")
            if owner != str(region.folder.resolve()):
                raise BadInput(
                    f"this machine runs the sandbox {region.name} of the region in {owner}",
                    fix=f"remove it first: deploy sandbox down {owner}/{REGION_FILE}",
                )


def use_sandbox_resolver_in_this_process(region: DemoRegion) -> None:
    """Resolve names like the nodes of a region do, whose name server knows its neighbours."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [sandbox_state_of(region).resolver]
    dns.resolver.override_system_resolver(resolver)


def sandbox_state_of(region: DemoRegion) -> SandboxState:
    """Return the state of a region's sandbox, which runs."""
    found = state.load_last_saved_state(region.name)
    if found is None:
        raise RunFailed(f"{region.name} has no sandbox", fix=f"deploy sandbox up {region.name}")
    return found


def ca_file_of(region: DemoRegion) -> str:
    """Return the file with the authorities of the region and its neighbours."""
    return str(sandbox_state_of(region).ca_file)


def pin_peer_if_new(one: DemoRegion, other: DemoRegion) -> bool:
    """Pin the key of another region, as both groups would in a call; return whether it was new."""
    invitation = run_deploy_and_parse_json("federation", "invite", other.name)
    if problem := invitation["problem"]:
        raise RunFailed(f"the descriptor of {other.name} cannot be used: {problem['message']}")
    known = run_deploy_and_parse_json("federation", "list", one.name)["peers"].get(other.name)
    if known and known["fingerprint"] == invitation["fingerprint"]:
        return False
    run_deploy_and_parse_json(
        "federation", "join", one.name, invitation["url"],
        "--fingerprint", invitation["fingerprint"],
    )  # fmt: skip
    echo(f"   {one.name} pinned {other.name}: {invitation['fingerprint']}", err=True)
    return True


def wait_for_trust(one: DemoRegion, other: DemoRegion) -> None:
    """Wait until `deploy federation status` shows that trust in the other region is green.

    Raises:
        RunFailed: with the cause that it shows, if that takes too long.
    """
    deadline = time.monotonic() + LONGEST_WAIT_FOR_TRUST
    while True:
        found = run_deploy_and_parse_json("federation", "status", one.name, good_codes=(0, 1))
        pair: dict[str, Any] = found["peers"].get(other.name, {})
        if pair.get("pair") == "green":
            return
        if time.monotonic() > deadline:
            raise RunFailed(
                f"{one.name} and {other.name}: not green after {LONGEST_WAIT_FOR_TRUST} s: "
                f"{pair.get('cause', 'no such peer')}",
                fix=pair.get("next_step") or f"deploy federation status {one.name}",
            )
        time.sleep(2)


def check_trust_is_gone(one: DemoRegion, other: DemoRegion) -> None:
    """Check that a region no longer trusts the other one's Nextcloud."""
    servers = admin_of(one).trusted_servers()
    if left := [url for url in servers if other.domain in url]:
        raise RunFailed(f"{one.cloud} still trusts {left[0]}", fix=f"deploy region {one.name}")
    if other.name in run_deploy_and_parse_json("federation", "list", one.name)["peers"]:
        raise RunFailed(f"{other.name} is still pinned in {one.folder}")


def admin_of(region: DemoRegion) -> Account:
    """Return the administrator's account of the region's Nextcloud."""
    password = read_secret(region.name, "nextcloud_admin_password")
    return Account(region.cloud, "admin", password, ca_file_of(region))


def ensure_account_of_person(region: DemoRegion) -> Account:
    """Return the account of the region's person; it is created once."""
    return nextcloud_client.ensure_account(
        admin_of(region), region.person, ensure_password_of_person(region)
    )


def wait_for_path_of_shared_file(reader: Account, file: str) -> str:
    """Wait until a shared file was accepted, and return where it lies."""
    deadline = time.monotonic() + LONGEST_WAIT_FOR_A_SHARE
    while (place := reader.find_path_of_received_file(file)) is None:
        if time.monotonic() > deadline:
            pending = reader.call_ocs("GET", f"{nextcloud_client.SHARES}/remote_shares/pending")
            raise RunFailed(
                f"{file} did not arrive at {reader.host} within {LONGEST_WAIT_FOR_A_SHARE} s"
                + (", since its people must accept it by hand" if pending else "")
            )
        time.sleep(1)
    return place


def wait_until_gone(reader: Account, place: str) -> None:
    """Wait until a file that was taken back is gone."""
    deadline = time.monotonic() + LONGEST_WAIT_FOR_A_SHARE
    while reader.read(place) is not None:
        if time.monotonic() > deadline:
            raise RunFailed(f"{place} is still at {reader.host}, although it is no longer shared")
        time.sleep(1)
