"""`deploy federation`: trust other regions, and be trusted by them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.cells import cell_len

from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, region_argument
from chautari.cli.output import echo
from chautari.deploy import peer_status
from chautari.errors import BadInput
from chautari.federation import (
    key_words,
    peer_management,
    peers,
    shared_resources,
    signing_key,
)
from chautari.federation.peer_management import PeerCandidate
from chautari.federation.peer_status import data_for_descriptor_texts
from chautari.federation.trust import PeerState
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import find_region_file
from chautari.region.yaml_reader import find_hidden_character
from chautari.render.endpoints import Endpoints
from chautari.render.provider import known_endpoints
from chautari.report import terminal
from chautari.report.jsonreport import peer_object
from chautari.report.messages import peer_state_and_next_step_texts
from chautari.report.model import PeerStatus
from chautari.secrets import store
from chautari.secrets.completion import open_secrets
from chautari.secrets.private_keys import private_keys_to_try


@click.group("federation")
def command() -> None:
    """Manage the other regions that a region trusts. Each group decides this for its own region."""


@command.command("invite")
@region_argument
@identity_option
@json_option
def invite(name: str, identities: tuple[Path, ...], as_json: bool) -> None:
    """Print what another group needs to trust this region. Nothing changes.

    Send the printed address by email. Read out the printed words in a phone or video call, because
    someone can forge an email.
    """
    loaded_region = _load_region_with_unpinned_peers(name)
    endpoints = known_endpoints(loaded_region)
    opened = _open_secrets(loaded_region, endpoints, identities)
    own = peer_management.require_own_identity(loaded_region, opened)
    languages = key_words.languages_with_word_list(loaded_region.region.languages)
    words = {language: key_words.key_words_text(own.key, language) for language in languages}
    fingerprint = key_words.fingerprint_of_key(own.key)
    refusal = peer_management.refusal_if_not_published(own, endpoints, time.time())
    if as_json:
        problem = refusal.as_object() if refusal else None
        print_json(
            {"url": own.url, "key": own.key, "fingerprint": fingerprint, "words": words,
             "problem": problem}
        )  # fmt: skip
        return
    if refusal is not None:
        echo(_("Other groups cannot use your address yet:"), err=True)
        echo(f"  {refusal.message}", err=True)
        echo(_("  Fix: deploy region {name}; then run this command again\n", name=name), err=True)
    echo(_("Send this to the other group. They replace THEIR-REGION with their region's name:\n"))
    echo(f"  deploy federation join THEIR-REGION {own.url}\n")
    echo(
        _(
            "Then call the other group, and read out the fingerprint of your key in one of "
            "these forms:\n"
            ""
        )
    )
    for language, text in words.items():
        echo(f"  {language}: {text}")
    echo(f"  {fingerprint}\n")
    echo(_("When they have joined, run: deploy federation accept {name} THEIR-ADDRESS", name=name))


def _make_join_or_accept_command(
    verb: str, **attributes: str
) -> Callable[[Callable[..., None]], click.Command]:
    """Return the decorator of a command that pins a peer: both sides do the same."""

    def decorate(function: Callable[..., None]) -> click.Command:
        for option in reversed(_TRUST_OPTIONS):
            function = option(function)
        return command.command(verb, **attributes)(function)

    return decorate


_TRUST_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    region_argument,
    click.argument("url", metavar="URL"),
    click.option(
        "--as", "peer", metavar="PEER",
        help="Use this name for the peer. Default: the name in its descriptor.",
    ),
    click.option(
        "--fingerprint", metavar="TEXT",
        help="Pin the peer's key without asking, if it has this fingerprint: SHA256:… or the "
        "twelve words, in quotes.",
    ),
    click.option(
        "--agreement", default="", metavar="TEXT",
        help="Store this text in the peer's file. In the text, describe what both groups agreed.",
    ),
    json_option,
)  # fmt: skip


@_make_join_or_accept_command(
    "join",
    help="Show what another region publishes, and pin its key after you have confirmed it.\n\nYour "
    "region trusts the other region only after you add it to region.yml. The command prints the "
    "line to add.",
)
def join(**arguments: Any) -> None:
    """Pin a peer, and print the command that shows this region to the peer."""
    loaded_region = _pin_peer(**arguments)
    if loaded_region is not None:
        name = loaded_region.region.region
        echo(
            _("After the deploy, print the address and the key of your region for the other group:")
        )
        echo(f"  deploy federation invite {name}")


@_make_join_or_accept_command(
    "accept",
    help="Show what a region that joined yours publishes, and pin its key after you have confirmed "
    "it.\n\nThis is the last step of an invitation. Your region trusts the other region only after "
    "you add it to region.yml. The command prints the line to add.",
)
def accept(**arguments: Any) -> None:
    """Pin a peer that has joined this region."""
    _pin_peer(**arguments)


def _pin_peer(
    name: str, url: str, peer: str | None, fingerprint: str | None, agreement: str, as_json: bool
) -> LoadedRegion | None:
    """Pin the peer at `url` once its key is confirmed; return the region if people read on."""
    _check_agreement_text(agreement)
    loaded_region = _load_region_with_unpinned_peers(name)
    now = time.time()
    found = peer_management.fetch_peer_candidate(
        loaded_region, url, peer, known_endpoints(loaded_region), now
    )
    _print_peer_candidate(found, key_words.languages_with_word_list(loaded_region.region.languages))
    _confirm_peer_key(found, fingerprint)
    peer_management.write_pin(loaded_region, found, agreement, now)
    file = peers.peer_file(loaded_region.folder, found.name)
    names = [*loaded_region.region.federation.peers, found.name]
    place, line = peer_management.peers_line_and_its_place(
        loaded_region, list(dict.fromkeys(names))
    )
    if as_json:
        print_json({"ok": True, "peer": found.name, "file": str(file), "add": line, "to": place})
        return None
    echo(_("\n{name} is pinned in {file}.", name=found.name, file=file))
    if found.name not in loaded_region.region.federation.peers:
        echo(_("Write this in {place}:\n  {line}", place=place, line=line))
    echo(
        _(
            "Then commit both files, and run: deploy region {region}",
            region=loaded_region.region.region,
        )
    )
    return loaded_region


def _check_agreement_text(text: str) -> None:
    """Refuse a text that the file of the peer cannot hold.

    Raises:
        BadInput: when it is too long, or contains a character that people do not see.
    """
    if len(text) > peers.MAX_AGREEMENT:
        raise BadInput(
            _(
                "--agreement is longer than {max_agreement} characters",
                max_agreement=peers.MAX_AGREEMENT,
            ),
            fix=_("shorten the text, and store the full text where both groups can read it"),
        )
    if hidden := find_hidden_character(text):
        raise BadInput(
            _("--agreement contains the hidden character U+{code:04X}", code=ord(hidden[1])),
            fix=_("delete it, or type the text again"),
        )


def _print_peer_candidate(candidate: PeerCandidate, languages: list[str]) -> None:
    """Print what will be trusted. All of it comes from the other side, so `echo` escapes it."""
    shown = candidate.descriptor
    echo(_("Region {region} at {url}", region=shown.region, url=candidate.address.url), err=True)
    services = (f"{item.title} {item.version}  {item.address}" for item in shown.services)
    fields = [
        (_("Domain"), shown.domain),
        (_("Contact"), shown.contact),
        (_("Languages"), ", ".join(shown.languages)),
        *((_("Service"), text) for text in services),
        (_("Peers"), ", ".join(shown.peers) or _("none")),
        (_("Expires"), shown.expires),
        (_("Key"), ""),
    ]
    width = max(cell_len(label) for label, __ in fields)
    for label, value in fields:
        padding = " " * (width - cell_len(label) + 2)
        echo(f"  {label}{padding}{value}".rstrip(), err=True)
    echo(f"    {key_words.fingerprint_of_key(shown.key)}", err=True)
    for language in languages:
        echo(f"    {language}: {key_words.key_words_text(shown.key, language)}", err=True)


def _confirm_peer_key(candidate: PeerCandidate, fingerprint: str | None) -> None:
    """Let a person confirm the key, or compare it with what they were told.

    Raises:
        BadInput: when the key is another one, or there is no person to ask.
    """
    if fingerprint is not None:
        if not key_words.is_fingerprint_or_words_of_key(fingerprint, candidate.descriptor.key):
            raise BadInput(
                _(
                    "the key of {domain} does not have the fingerprint that you gave; "
                    "nothing was pinned",
                    domain=candidate.descriptor.domain,
                ),
                fix=_(
                    "compare both fingerprints in a call with the other group, on a number "
                    "that you already know; if they differ, do not trust this region"
                ),
            )
        return
    if not sys.stdin.isatty():
        raise BadInput(
            _("without a terminal, no one can confirm the key; nothing was pinned"),
            fix=_(
                "add the fingerprint or the words that the other group read out: --fingerprint TEXT"
            ),
        )
    echo(_("\nCall the other group, and ask them to read out the words of their key."), err=True)
    if not click.confirm(
        _("Are these words the same as the words above?"), default=False, err=True
    ):
        raise BadInput(
            _("the key was not confirmed; nothing was pinned"),
            fix=_("if the words differ, do not trust this region, and tell the other group"),
        )


@command.command("list")
@region_argument
@json_option
def list_(name: str, as_json: bool) -> None:
    """List the pinned peers of a region, without connecting to them."""
    loaded_region = _load_region_with_unpinned_peers(name)
    states = peer_management.peer_states_from_pins(loaded_region, time.time())
    named = loaded_region.region.federation.peers
    missing = [peer for peer in named if peer not in states]
    if as_json:
        _print_states_as_json(loaded_region, states)
        return
    for peer, state in states.items():
        note = "" if peer in named else _(" (not listed in region.yml)")
        text, __ = peer_state_and_next_step_texts(state.code, data_for_descriptor_texts(state))
        echo(f"{peer:<16} {state.code}: {text}{note}")
    for peer in missing:
        echo(_("{peer:<16} listed in region.yml but not pinned", peer=peer))
    if not states and not missing:
        echo(_("No region is pinned."), err=True)


@command.command("status")
@region_argument
@identity_option
@json_option
def status(name: str, identities: tuple[Path, ...], as_json: bool) -> int:
    """Show the state of each peer (green, pending or broken), and the next step.

    The command fetches the newest descriptor of each peer, and asks each node how its services work
    with the peers. A valid descriptor with new content replaces the pinned one. A refused
    descriptor changes nothing. The command also fetches letters from the peers with which the
    region shares nodes or disk space.
    """
    loaded_region = _load_region_with_unpinned_peers(name)
    region, endpoints = loaded_region.region, known_endpoints(loaded_region)
    secrets = None
    if any(
        shared_resources.lends_to_or_borrows_from(region, peer) for peer in region.federation.peers
    ):
        opened = _open_secrets(loaded_region, endpoints, identities)
        secrets = opened if signing_key.NAME in opened else None
    states, statuses = peer_status.refresh_peer_statuses(
        loaded_region, endpoints, identities, secrets
    )
    if as_json:
        _print_states_as_json(loaded_region, states, {peer.name: peer for peer in statuses})
    else:
        _print_statuses(states, statuses)
    return 1 if any(peer.state == "broken" for peer in statuses) else 0


def _print_statuses(states: dict[str, PeerState], statuses: list[PeerStatus]) -> None:
    terminal.print_peers(statuses)
    for name, state in states.items():
        if state.replaces_pin:
            echo(_("{name}: a newer descriptor was stored; commit peers/{name}.json", name=name))
    if not statuses:
        echo(_("No region is pinned."), err=True)


def _print_states_as_json(
    loaded_region: LoadedRegion,
    states: dict[str, PeerState],
    statuses: dict[str, PeerStatus] | None = None,
) -> None:
    """Print the state of each peer's descriptor and, with `statuses`, of its services.

    A peer that is not pinned has no descriptor; its services follow from `statuses` only.
    """
    named = loaded_region.region.federation.peers
    objects = {name: _peer_state_object(name in named, state) for name, state in states.items()}
    for name, status_of_peer in (statuses or {}).items():
        objects[name] = {**objects.get(name, {}), **peer_object(status_of_peer)}
    missing = [name for name in named if name not in states]
    broken = any(status.state == "broken" for status in (statuses or {}).values())
    region = loaded_region.region.region
    print_json({"region": region, "peers": objects, "not_pinned": missing}, ok=not broken)


def _peer_state_object(is_named: bool, state: PeerState) -> dict[str, object]:
    last = state.peer.descriptor
    return {
        "state": state.code,
        "domain": state.peer.domain,
        "serial": last.serial,
        "expires": last.expires,
        "reason": state.refusal.message if state.refusal else "",
        "named": is_named,
        "updated": state.replaces_pin,
        "refusal": state.refusal.as_object() if state.refusal else None,
        "fingerprint": key_words.fingerprint_of_key(state.peer.key),
        "pinned": state.peer.pinned,
        "agreement": state.peer.agreement,
    }


@command.command("leave")
@region_argument
@click.argument("peer", metavar="PEER")
@json_option
def leave(name: str, peer: str, as_json: bool) -> None:
    """Unpin a peer, and print the remaining steps for both groups."""
    loaded_region = _load_region_with_unpinned_peers(name)
    region = loaded_region.region.region
    peer_management.delete_pin(loaded_region, peer)
    rest = [item for item in loaded_region.region.federation.peers if item != peer]
    place, line = peer_management.peers_line_and_its_place(loaded_region, rest)
    if as_json:
        print_json({"ok": True, "peer": peer, "write": line, "to": place})
        return
    echo(_("{peer} is no longer pinned.", peer=peer))
    if peer in loaded_region.region.federation.peers:
        echo(_("Write this in {place}:\n  {line}", place=place, line=line))
        for node in (x for x, y in loaded_region.region.nodes.items() if y.lend_to == peer):
            echo(_("Remove lend_to from the node {node}.", node=node))
        for key in shared_resources.backup_settings_that_name_peer(loaded_region.region, peer):
            echo(_("Remove {peer} from {key}.", peer=peer, key=key))
        echo(
            _(
                "Then run: deploy region {region}. After the deploy, the peer no longer has "
                "access.",
                region=region,
            )
        )
    echo(_("Ask the other group to do the same for your region:"))
    echo(f"  deploy federation leave THEIR-REGION {region}")


def _open_secrets(
    loaded_region: LoadedRegion, endpoints: Endpoints, identities: tuple[Path, ...]
) -> store.SecretStore:
    """Return the region's secrets; none if it has no file of them yet."""
    file = loaded_region.secrets_file
    if not file.exists():
        return store.SecretStore({}, ())
    return open_secrets(loaded_region, private_keys_to_try(identities, endpoints.ssh_key))


def _load_region_with_unpinned_peers(name: str) -> LoadedRegion:
    """Return a region, even if it names a peer that is not pinned yet."""
    return load_region(find_region_file(name, regions_root()), with_peers=False)
