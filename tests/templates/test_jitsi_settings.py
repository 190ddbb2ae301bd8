"""Settings of Jicofo and of the bridge compared with the keys that upstream's programs know."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from region_samples import ROOT
from templates import render, variables

from chautari.toolkit_yaml import read_toolkit_yaml

KEYS = read_toolkit_yaml(ROOT / "tests/fixtures/jitsi/settings.yml")
SHARED = ROOT / "tool/chautari_sandbox/doubles/jitsi/shared"
CONNECTIONS = "videobridge.apis.xmpp-client.configs."
SERVERS = "videobridge.http-servers."


def paths_of(settings: dict[str, Any], above: str = "") -> Iterator[str]:
    """Return the paths of all values."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from paths_of(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def is_known(path: str) -> bool:
    if path.startswith(CONNECTIONS):
        return path.removeprefix(CONNECTIONS).partition(".")[2] in KEYS["connection"]
    if path.startswith(SERVERS):
        return path.removeprefix(SERVERS).partition(".")[2] in KEYS["server"]
    part, _, key = path.partition(".")
    return key in KEYS[part]


@pytest.mark.parametrize("relays", [True, False])
@pytest.mark.parametrize(
    ("role", "template"), [("jitsi", "jicofo.conf.j2"), ("videobridge", "jvb.conf.j2")]
)
def test_every_key_is_known_upstream(
    role: str, template: str, relays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SHARED))
    read = importlib.import_module("double_xmpp").read_hocon
    given = variables(tmp_path, role, "13", **{f"{role}_relays": relays})
    # Behind a router: then all parts of the templates are written.
    given["ansible_facts"] |= {
        "all_ipv4_addresses": ["192.168.1.5"], "default_ipv4": {"address": "192.168.1.5"},
    }  # fmt: skip
    paths = list(paths_of(read(render(role, template, given))))
    assert len(paths) > 10
    assert [path for path in paths if not is_known(path)] == []
