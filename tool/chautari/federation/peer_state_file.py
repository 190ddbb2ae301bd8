"""What a service's file on a node says of the region's peers.

A node is believed about itself only, and its file is hostile input: it has limits, each entry is
checked on its own so that one bad entry hides no other, and what is shown is escaped where it is
shown. `docs/federation.md` describes the format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from chautari.federation.descriptor import MAX_PEERS, field_problem_text
from chautari.language import _
from chautari.region.names import validate_name
from chautari.report.model import PairState
from chautari.untrusted_node_file import MAX_BYTES, MAX_NUMBER, NodeModel, Seconds

_Number = Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
_Decimal = Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
_Text = Annotated[str, Field(max_length=300)]
_Word = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,39}$")]


class PeerStateFileInvalid(ValueError):
    """A file, or an entry of it, that does not have the form of its format."""


class PeerEntry(NodeModel):
    """The state of one peer, as a service reports it."""

    state: PairState
    code: _Word
    since: Seconds | None = None
    data: dict[_Word, _Number | _Decimal | _Text] = Field(default_factory=dict, max_length=10)


class _StateFileModel(NodeModel):
    format: Literal[1]
    checked: Seconds
    peers: dict[str, Any] = Field(max_length=MAX_PEERS)


class PeerStateFile(NamedTuple):
    """A file whose own form is right; its entries are still unread."""

    checked: int
    entries: Mapping[str, Any]

    def entry_of(self, peer: str) -> PeerEntry | None:
        """Return the entry of a peer; None if there is none.

        Raises:
            PeerStateFileInvalid: when it does not have the form of an entry.
        """
        if peer not in self.entries:
            return None
        try:
            return PeerEntry.model_validate(self.entries[peer])
        except ValidationError as error:
            raise PeerStateFileInvalid(_first_problem_text(error)) from None

    def names(self) -> list[str]:
        """Return the names of its peers; what cannot be the name of a region is left out."""
        return sorted(name for name in self.entries if _is_valid_name(name))


def parse_peer_state_file(content: bytes) -> PeerStateFile:
    """Return the file with this content.

    Raises:
        PeerStateFileInvalid: with the first thing that is wrong.
    """
    if len(content) > MAX_BYTES:
        raise PeerStateFileInvalid(_("it is larger than {max_bytes} kB", max_bytes=MAX_BYTES >> 10))
    try:
        data = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise PeerStateFileInvalid(_("it is not valid UTF-8")) from None
    except RecursionError:
        raise PeerStateFileInvalid(_("it is nested too deeply")) from None
    except ValueError:
        raise PeerStateFileInvalid(_("it is not valid JSON")) from None
    try:
        found = _StateFileModel.model_validate(data)
    except ValidationError as error:
        raise PeerStateFileInvalid(_first_problem_text(error)) from None
    return PeerStateFile(found.checked, found.peers)


def _first_problem_text(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"][:2]))[:80]
    if place.startswith("data."):
        # Pydantic names each kind of value that it is not.
        return _("{place}: it is neither a number nor a short text", place=place)
    return f"{place or _('its content')}: {field_problem_text(first)}"


def _is_valid_name(text: str) -> bool:
    try:
        validate_name(text)
    except ValueError:
        return False
    return True
