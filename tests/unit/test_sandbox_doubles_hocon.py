"""The HOCON reader of the doubles reads the files of roles."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from region_samples import ROOT

Reader = Callable[[str], Any]
SHARED = ROOT / "tool/chautari_sandbox/doubles/jitsi/shared"


@pytest.fixture
def read_hocon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.syspath_prepend(str(SHARED))
    yield __import__("double_xmpp").read_hocon
    sys.modules.pop("double_xmpp", None)


def test_hocon_reads_objects_lists_and_paths(read_hocon: Reader) -> None:
    found = read_hocon(
        '# a comment\na {\n  b = "x # y"\n  c { d: 1 }\n  e = [ "one", "two" ]\n}\na.c.f = true\n'
        'g = [ { h = "i" } ]\nempty = []\n'
    )
    assert found == {
        "a": {"b": "x # y", "c": {"d": "1", "f": "true"}, "e": ["one", "two"]},
        "g": [{"h": "i"}],
        "empty": [],
    }
