"""Pinned peers: `peers/NAME.json` beside a region's `region.yml`, kept in git."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError

from chautari.errors import InvalidRegion, ProblemInFile
from chautari.federation.descriptor import (
    FORMAT,
    Descriptor,
    Ed25519Key,
    PeerDomain,
    StrictDescriptorModel,
    Time,
    field_problem_text,
    is_within_domain,
)
from chautari.files import unusable_file_error, write_atomically
from chautari.language import _
from chautari.region import yaml_reader
from chautari.region.names import validate_name

FOLDER = "peers"
MAX_AGREEMENT = 4000  # characters


def _check_url_port(url: str) -> str:
    """Return `url` when its port is one.

    Raises:
        ValueError: when it is not.
    """
    if urlsplit(url).port == 0:
        raise ValueError(_("port 0 cannot be used"))
    return url


class PinnedPeer(StrictDescriptorModel):
    """A region that this region trusts, as it was when an operator confirmed its key."""

    format: Literal[1] = Field(default=FORMAT, description="Version of this format.", examples=[1])
    domain: PeerDomain = Field(description="Domain of the peer.", examples=["himalaya.example.org"])
    url: Annotated[str, AfterValidator(_check_url_port)] = Field(
        pattern=r"^https://[a-z0-9.-]{1,253}(:[0-9]{1,5})?/[a-z./-]+$",
        description="Address of the peer's descriptor.",
        examples=["https://himalaya.example.org/.well-known/chautari/region.json"],
    )
    key: Ed25519Key = Field(
        description="Public key that must sign every descriptor of the peer.",
        examples=["ssh-ed25519 AAAA…"],
    )
    pinned: Time = Field(
        description="Time when an operator confirmed the key, in UTC.",
        examples=["2026-11-30T00:00:00Z"],
    )
    agreement: str = Field(
        default="",
        max_length=MAX_AGREEMENT,
        description="What both groups agreed, in their own words.",
        examples=["Either group may end this with a month's notice."],
    )
    descriptor: Descriptor = Field(
        description="The last descriptor that was accepted.", examples=[{"region": "himalaya"}]
    )


def peer_file(folder: Path, name: str) -> Path:
    """Return the file of the peer called `name` of the region in `folder`."""
    return folder / FOLDER / f"{validate_name(name)}.json"


def peer_names(folder: Path) -> list[str]:
    """Return the names of all pinned peers of the region in `folder`."""
    return sorted(file.stem for file in (folder / FOLDER).glob("[a-z]*.json"))


def read_peer(folder: Path, name: str) -> PinnedPeer:
    """Return the pinned peer called `name`.

    Raises:
        InvalidRegion: with the place of each error in its file.
    """
    document = yaml_reader.read_yaml(peer_file(folder, name))
    try:
        peer = PinnedPeer.model_validate(document.data)
    except ValidationError as error:
        raise InvalidRegion(
            [
                *document.problems,
                *(
                    _invalid_peer_problem(document, item["loc"], field_problem_text(item))
                    for item in error.errors()
                ),
            ]
        ) from None
    if peer.domain != peer.descriptor.domain:
        document.problems.append(
            _invalid_peer_problem(
                document,
                ("domain",),
                _("the descriptor belongs to {domain}", domain=peer.descriptor.domain),
            )
        )
    if not is_within_domain(urlsplit(peer.url).hostname or "", peer.domain):
        document.problems.append(
            _invalid_peer_problem(
                document,
                ("url",),
                _("the address is outside the domain {domain}", domain=peer.domain),
            )
        )
    if peer.key != peer.descriptor.key:
        document.problems.append(
            _invalid_peer_problem(
                document, ("key",), _("this key differs from the key in the descriptor")
            )
        )
    if document.problems:
        raise InvalidRegion(document.problems)
    return peer


def _invalid_peer_problem(
    document: yaml_reader.Document, path: tuple[str | int, ...], message: str
) -> ProblemInFile:
    return document.problem_at(
        path, _("{message}; restore the file from git", message=message), "invalid_peer"
    )


def read_peers(folder: Path, names: list[str]) -> dict[str, PinnedPeer]:
    """Return the pinned peers called `names`; errors of all files are raised together."""
    found: dict[str, PinnedPeer] = {}
    problems: list[ProblemInFile] = []
    for name in names:
        try:
            found[name] = read_peer(folder, name)
        except InvalidRegion as error:
            problems += error.problems
    if problems:
        raise InvalidRegion(problems)
    return found


def write_pin_file(folder: Path, name: str, peer: PinnedPeer) -> Path:
    """Write the pin of a peer, and return its file."""
    file = peer_file(folder, name)
    content = json.dumps(peer.model_dump(), indent=2, ensure_ascii=False)
    try:
        write_atomically(file, content + "\n")
    except OSError as error:
        raise unusable_file_error(file, error) from None
    return file


def domains_of_peers(peers: Mapping[str, PinnedPeer]) -> list[str]:
    """Return the domains of `peers`."""
    return [peer.domain for peer in peers.values()]
