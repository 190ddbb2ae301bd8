"""Which keys and servers of package repositories are refused, evaluated by Ansible's templar."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from templates import ROLES

VARS = yaml.safe_load((ROLES / "repository" / "vars" / "main.yml").read_text())
WHOLE = "0123456789ABCDEF01234567" + "FEDCBA9876543210"
FORGED = "F" * 24 + "FEDCBA9876543210"  # the same last 16 digits
API = "https://api.example.org/1.0/~a/+archive/ubuntu/b"


def shown(*fingerprints: str) -> dict[str, str]:
    """Return what gpg prints for a file with these keys, each with a subkey."""
    keys = [
        f"pub:-:4096:1:{key[-16:]}:1:::-:::scESC:\nfpr:::::::::{key}:\n"
        f"uid:-::::1::H::a <a@example.org>:\nsub:-:4096:1:{'A' * 16}:1:\nfpr:::::::::{'A' * 40}:\n"
        for key in fingerprints
    ]
    return {"stdout": "".join(keys)}


def keys(fetched: str, used: str = "") -> dict[str, Any]:
    """Return what the module `stat` reports of the fetched key and of the one that apt uses."""
    there = {"stat": {"exists": True, "checksum": used}} if used else {"stat": {"exists": False}}
    return {"results": [{"stat": {"exists": True, "checksum": fetched}}, there]}


def evaluate(name: str, **given: Any) -> Any:
    source = {
        "name": "coturn", "uri": "https://ppa.example.org:8443/a/b/ubuntu", "key_url": "https://k",
        "fingerprints": [WHOLE[-16:]], "fingerprint_url": API,
    }  # fmt: skip
    variables: dict[str, Any] = {key: trust_as_template(value) for key, value in VARS.items()
                                 if isinstance(value, str)}  # fmt: skip
    variables |= {
        "repository_source": source | given.pop("source", {}),
        "repository_sources": [{"name": "coturn"}, {"name": "jitsi"}],
        "__repository_keys": keys("one"),
        "__repository_shown": shown(WHOLE),
    }
    templar = Templar(loader=DataLoader(), variables=variables | given)
    return templar.template(variables[name])


def published(value: Any) -> dict[str, str]:
    return {"content": json.dumps({"name": "b", "signing_key_fingerprint": value})}


@pytest.mark.parametrize(
    ("keys", "value", "unconfirmed"),
    [
        ((WHOLE,), WHOLE, []),
        ((FORGED,), WHOLE, [FORGED]),
        ((WHOLE, FORGED), WHOLE, [FORGED]),
        ((WHOLE,), None, [WHOLE]),
        ((WHOLE,), WHOLE[-16:], [WHOLE]),
        ((WHOLE,), [WHOLE, "x"], [WHOLE]),
    ],
)
def test_key_known_by_16_digits_has_the_published_fingerprint(
    keys: tuple[str, ...], value: Any, unconfirmed: list[str]
) -> None:
    given = {"__repository_shown": shown(*keys), "__repository_published": published(value)}
    assert evaluate("__repository_unconfirmed", **given) == unconfirmed


def test_key_that_apt_uses_needs_no_server() -> None:
    same = keys("one", "one")
    assert evaluate("__repository_needs_confirmation", __repository_keys=same) is False
    assert evaluate("__repository_unconfirmed", __repository_keys=same) == []


@pytest.mark.parametrize("after", [keys("one"), keys("one", "two")])
def test_new_or_changed_key_needs_confirmation(after: dict[str, Any]) -> None:
    assert evaluate("__repository_needs_confirmation", __repository_keys=after) is True
    given = {"__repository_keys": after, "__repository_published": published(WHOLE)}
    assert evaluate("__repository_unconfirmed", **given) == []
    given |= {"__repository_shown": shown(FORGED)}
    assert evaluate("__repository_unconfirmed", **given) == [FORGED]


def test_key_known_by_its_whole_fingerprint_needs_no_other_server() -> None:
    source = {"fingerprints": [WHOLE], "fingerprint_url": ""}
    assert evaluate("__repository_unconfirmed", source=source) == []
    assert evaluate("__repository_strangers", source=source) == []
    found = evaluate("__repository_strangers", source=source, __repository_shown=shown(FORGED))
    assert found == [FORGED]


def test_server_of_the_distribution_is_known_from_its_own_sources() -> None:
    targets = (
        "http://deb.example.org/debian /etc/apt/sources.list.d/debian.sources:1\n"
        "https://security.example.org:8080/debian /etc/apt/sources.list:3\n"
        "https://ppa.example.org/a /etc/apt/sources.list.d/coturn.sources:1\n"
        "https://ppa.example.org/b /etc/apt/sources.list.d/jitsi.sources:1\n"
        "file:/srv/packages /etc/apt/sources.list.d/local.list:1\n"
    )
    found = evaluate("__repository_others", __repository_targets={"stdout": targets})
    assert sorted(found) == ["deb.example.org", "security.example.org"]
    assert evaluate("__repository_host") == "ppa.example.org"
