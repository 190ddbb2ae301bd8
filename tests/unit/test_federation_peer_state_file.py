"""A node's file about the peers is hostile input: limits, types, and entries on their own."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from hostile_files import payloads

from chautari.federation.peer_state_file import (
    MAX_BYTES,
    PeerEntry,
    PeerStateFileInvalid,
    parse_peer_state_file,
)

NOW = 1796000000
ENTRY = {"state": "green", "code": "trusted", "since": NOW, "data": {"seconds": 3, "own": "a b"}}


def file(**changes: Any) -> dict[str, Any]:
    return {"format": 1, "checked": NOW, "peers": {"himalaya": ENTRY}} | changes


def content(data: object) -> bytes:
    return json.dumps(data).encode()


def test_good_file_is_read() -> None:
    found = parse_peer_state_file(content(file(added_later="x")))
    assert (found.checked, found.names()) == (NOW, ["himalaya"])
    entry = found.entry_of("himalaya")
    assert entry is not None and entry == PeerEntry.model_validate(ENTRY)
    assert found.entry_of("karakoram") is None


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not valid JSON"),
        (b"\xff", "not valid UTF-8"),
        (b"[]", "its content"),
        (b"null", "its content"),
        (b"[" * 60_000, "nested too deep"),
        (b'{"a":' * 10_000, "nested too deep"),
        (b" " * (MAX_BYTES + 1), "larger than 64 kB"),
        (b'{"format": 1, "checked": NaN, "peers": {}}', "checked"),
        (b'{"format": 1, "checked": 1e999, "peers": {}}', "checked"),
        (b'{"format": 1, "checked": ' + b"9" * 5000 + b', "peers": {}}', "not valid JSON"),
        (content(file(format=2)), "format"),
        (content(file(format="1")), "format"),
        (content(file(checked="1796000000")), "checked"),
        (content(file(checked=-1)), "checked"),
        (content(file(checked=True)), "checked"),
        (content(file(checked=2**60)), "checked"),
        (content(file(peers=[])), "peers"),
        (content(file(peers={f"p{number}": {} for number in range(201)})), "peers"),
        (content({"format": 1, "checked": NOW}), "peers"),
    ],
)
def test_file_of_another_form_is_refused(raw: bytes, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises(PeerStateFileInvalid, match=reason):
        parse_peer_state_file(raw)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "red"}, {"state": None}, {"state": ["green"]}, {"code": ""}, {"code": "x" * 41},
        {"code": "Trusted"}, {"code": "a b"}, {"code": "trusted\n"}, {"code": 5}, {"since": "now"},
        {"since": 1.5}, {"since": -1}, {"since": 2**60}, {"since": True}, {"data": []},
        {"data": {"a": None}}, {"data": {"a": True}}, {"data": {"a": {}}}, {"data": {"a": ["x"]}},
        {"data": {"a": "x" * 301}}, {"data": {"a": 2**60}}, {"data": {"a": 1e300}},
        {"data": {"A b": 1}}, {"data": {"\x1b[2J": 1}}, {"data": dict.fromkeys("abcdefghijk", 1)},
    ],
)  # fmt: skip
def test_bad_entry_is_refused_and_hides_no_other(changes: dict[str, Any]) -> None:
    found = parse_peer_state_file(content(file(peers={"bad": ENTRY | changes, "himalaya": ENTRY})))
    with pytest.raises(PeerStateFileInvalid):
        found.entry_of("bad")
    assert found.entry_of("himalaya") is not None


@pytest.mark.parametrize("entry", [None, 1, "green", [], [[]], {}, {"state": "green"}])
def test_entry_of_another_type_is_refused(entry: object) -> None:
    with pytest.raises(PeerStateFileInvalid):
        parse_peer_state_file(content(file(peers={"bad": entry}))).entry_of("bad")


def test_only_names_of_regions_are_names() -> None:
    names = ["himalaya", "../x", "A", "", "\x1b[2J", "{{ x }}", "x" * 32, "<b>"]
    found = parse_peer_state_file(content(file(peers=dict.fromkeys(names, ENTRY))))
    assert found.names() == ["himalaya"]


def test_random_changes_are_refused_or_read(tmp_path: Any) -> None:
    choose, good = random.Random(20261130), content(file())
    texts = [json.dumps(text).encode() for text in payloads(tmp_path)]
    for _ in range(2000):
        raw = bytearray(good)
        for _ in range(choose.randint(1, 4)):
            place = choose.randrange(len(raw))
            raw[place : place + choose.randrange(4)] = choose.choice(
                [b"", b"{", b"]", b"NaN", b"\x00", bytes([choose.randrange(256)]), *texts]
            )
        try:
            found = parse_peer_state_file(bytes(raw))
            for name in found.entries:
                found.entry_of(name)
        except PeerStateFileInvalid as error:
            assert len(str(error)) < 400
