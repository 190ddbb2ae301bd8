"""The status of each peer of a region: green, pending or broken; the worst one counts.

Two sources are combined: the descriptor that each peer publishes, and what the region's own
services report from their nodes. A peer that is down makes its pair broken, never the region.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from chautari.federation.letters import ReceivedLetter
from chautari.federation.peer_state_file import (
    PeerStateFile,
    PeerStateFileInvalid,
    parse_peer_state_file,
)
from chautari.federation.shared_capacity import shared_capacity_links
from chautari.federation.trust import PeerState
from chautari.language import _
from chautari.region.model import Region
from chautari.report import messages
from chautari.report.message_templates import fill_template
from chautari.report.model import PairState, PeerLink, PeerStatus
from chautari.services.base import PeerStateFileSpec, Service

MAX_AGE = 3 * 3600  # seconds; timers look at the peers at least every hour
MAX_LEFT = 10  # peers that are shown although region.yml does not name them
_DESCRIPTOR_STATES: dict[str, PairState] = {
    "current": "green", "pending": "pending", "expired": "broken", "unreachable": "broken",
    "refused": "broken", "not_named": "pending", "not_pinned": "pending",
}  # fmt: skip
_SERVICE_STATES: dict[str, PairState] = {
    "not_deployed": "pending", "node_unreachable": "pending", "file_missing": "pending",
    "file_unreadable": "broken", "file_old": "broken", "not_in_file": "pending",
    "entry_invalid": "broken", "code_unknown": "broken", "left": "pending",
}  # fmt: skip
Data = Mapping[str, Any]


class StateFileAnswer(NamedTuple):
    """The file of a service on a node about its peers.

    Attributes:
        content: what is in it; None if there is no such file.
        problem: code and data of why it could not be read; None if it could.
    """

    node: str
    service: Service
    content: bytes | None = None
    problem: tuple[str, Data] | None = None


class _ParsedStateFile(NamedTuple):
    """A file that was parsed; without a `state_file`, a code with data says why."""

    node: str
    service: Service
    hooks: PeerStateFileSpec
    state_file: PeerStateFile | None
    code: str = ""
    data: Data = MappingProxyType({})


def peer_statuses_from_states_and_files(
    region: Region,
    states: Mapping[str, PeerState],
    files: Sequence[StateFileAnswer],
    now: float,
    received: Mapping[str, ReceivedLetter] = MappingProxyType({}),
) -> list[PeerStatus]:
    """Return the status of each peer that the region names or has pinned.

    Args:
        states: the state of each pinned peer's descriptor.
        files: what the services on the region's nodes report.
        received: what the peers wrote to the region.
    """
    readings = [reading for file in files if (reading := _parse_state_file(file, now))]
    named = region.federation.peers
    names = list(dict.fromkeys([*named, *states]))
    reported = {name for item in readings if item.state_file for name in item.state_file.names()}
    left = sorted(reported - {*names, region.region})[:MAX_LEFT]
    found = []
    for name in [*names, *left]:
        state = states.get(name)
        context = {"peer": name, "domain": state.peer.domain if state else "",
                   "region": region.region}  # fmt: skip
        links = [_descriptor_link(state, name in named, context)] if name not in left else []
        for reading in readings:
            if name in named:
                link = _service_link(reading, name, state, context)
            else:
                link = _link_of_former_peer(reading, name, context)
            links += [link] if link else []
        if state and name in named:
            links += shared_capacity_links(region, name, received)
        found.append(PeerStatus(name, context["domain"], tuple(links)))
    return found


def _parse_state_file(file: StateFileAnswer, now: float) -> _ParsedStateFile | None:
    hooks = file.service.federation
    if hooks is None:
        return None
    reading = _ParsedStateFile(file.node, file.service, hooks, None)
    if file.problem:
        return reading._replace(code=file.problem[0], data=file.problem[1])
    if file.content is None:
        return reading._replace(code="file_missing")
    try:
        found = parse_peer_state_file(file.content)
    except PeerStateFileInvalid as error:
        return reading._replace(code="file_unreadable", data={"detail": str(error)})
    if abs(now - found.checked) > MAX_AGE:
        old = {"checked": found.checked}
        return reading._replace(state_file=found, code="file_old", data=old)
    return reading._replace(state_file=found)


def data_for_descriptor_texts(state: PeerState) -> Data:
    """Return the data that the texts about a peer's descriptor show."""
    last, refusal = state.peer.descriptor, state.refusal
    return {
        "domain": state.peer.domain,
        "serial": last.serial,
        "expires": last.expires,
        "reason": refusal.message if refusal else "",
        "fix": refusal.fix if refusal else "",
    }


def _descriptor_link(state: PeerState | None, is_named: bool, context: Data) -> PeerLink:
    if state is None:
        code, data = "not_pinned", dict(context)
    else:
        code, data = state.code, {**data_for_descriptor_texts(state), **context}
        if not is_named and _DESCRIPTOR_STATES[code] != "broken":
            code = "not_named"
    cause, next_step = messages.peer_state_and_next_step_texts(code, data)
    return PeerLink(_DESCRIPTOR_STATES[code], code, cause, next_step)


def _service_link(
    reading: _ParsedStateFile, name: str, state: PeerState | None, context: Data
) -> PeerLink | None:
    """Return what a service reports of a peer that region.yml names; None if it has no part."""
    services = state.peer.descriptor.services if state else ()
    is_expected = any(item.service == reading.service.name for item in services)
    if reading.state_file is None:
        return (
            _link_with_own_code(reading, reading.code, context, reading.data)
            if is_expected
            else None
        )
    try:
        entry = reading.state_file.entry_of(name)
    except PeerStateFileInvalid as error:
        return _link_with_own_code(reading, "entry_invalid", context, {"detail": str(error)})
    if entry is None:
        return _link_with_own_code(reading, "not_in_file", context) if is_expected else None
    if reading.code:
        return _link_with_own_code(reading, reading.code, context, reading.data)
    known = reading.hooks.codes.get(entry.code)
    if known is None:
        return _link_with_own_code(reading, "code_unknown", context, {"code": entry.code})
    if known.state != entry.state:
        detail = _(
            "the state {state} does not match the code {code}", state=entry.state, code=entry.code
        )
        return _link_with_own_code(reading, "entry_invalid", context, {"detail": detail})
    # A reason is some words of a table, or text of unknown origin, which is shown as it is.
    reason = entry.data.get("reason")
    words = {"reason": _(reason)} if isinstance(reason, str) else {}
    data = {**entry.data, **words, **context}
    return PeerLink(
        known.state,
        entry.code,
        fill_template(known.cause, entry.code, data),
        fill_template(known.next_step, entry.code, data),
        reading.service.name,
        reading.service.title,
        reading.node,
        entry.since,
        dict(entry.data),
    )


def _link_of_former_peer(reading: _ParsedStateFile, name: str, context: Data) -> PeerLink | None:
    """Return that a service still works with a peer that region.yml does not name."""
    if reading.state_file is None or name not in reading.state_file.entries:
        return None
    return _link_with_own_code(reading, "left", context)


def _link_with_own_code(
    reading: _ParsedStateFile, code: str, context: Data, data: Data | None = None
) -> PeerLink:
    """Return a link whose code is this side's own, not one of the service."""
    service, node = reading.service, reading.node
    place = {"title": service.title, "node": node, "file": reading.hooks.state_file}
    cause, next_step = messages.peer_service_texts(code, {**(data or {}), **place, **context})
    return PeerLink(
        _SERVICE_STATES[code], code, cause, next_step, service.name, service.title, node,
        data=dict(data or {}),
    )  # fmt: skip
