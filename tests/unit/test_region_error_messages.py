"""What to write instead of a wrong value: each hint is followed, and must be accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from region_samples import KEY

from chautari.errors import InvalidRegion, ProblemInFile
from chautari.region.error_messages import as_flow_yaml
from chautari.region.load import load_region
from chautari.region.yaml_reader import read_yaml
from chautari.suggestions import nearest_word

ANA = f"ana: {KEY} ana@laptop"
REGION = f"""\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
timezone: America/Bogota
country: CO
languages: [es]
operators:
  {ANA}
nodes:
  bog1: {{address: 192.88.99.7, services: [nextcloud]}}
  med1: {{address: 192.88.99.9, services: [jitsi]}}
  cal1:
    address: 192.88.99.8
    os: ubuntu-22.04
    services: [bigbluebutton]
services:
  nextcloud:
    host: cloud
    version: 34.0.4
    quota: 5 GB
  bigbluebutton:
    release: '3.0'
    rooms: nextcloud
    recordings: true
    welcome: hello
  jitsi:
    members: [ana]
mail:
  relay: smtp.example.org
  user: cloud
  from: cloud@andes.example.org
"""
HINT = re.compile(r"(?:write,?|in quotes:) (.+?)(?: without quotes|, or delete this key)?$")


def problems(folder: Path, text: str) -> list[ProblemInFile]:
    """Return what is wrong with the region `andes` that has this text."""
    file = folder / "andes" / "region.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    try:
        load_region(file)
    except InvalidRegion as error:
        return list(error.problems)
    return []


def replaced(old: str, new: str) -> str:
    """Return the region with one line of it replaced."""
    assert REGION.count(f"{old}\n") == 1
    return REGION.replace(f"{old}\n", f"{new}\n")


def test_region_is_valid(tmp_path: Path) -> None:
    assert problems(tmp_path, REGION) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("release: '3.0'", "release: 3.0", "3.0 is not a valid value; put it in quotes: '3.0'"),
        ("recordings: true", "recordings: 'true'", "is not true or false; write true without quo"),
        ("recordings: true", 'recordings: "No"', "is not true or false; write false without quo"),
        ("recordings: true", "recordings: on", "'on' is not true or false; write recordings: true"),
        ("quota: 5 GB", "quota: [5 GB]", "[5 GB] is not text; write quota: 5 GB"),
        ("host: cloud", "host: ~", "~ is not text; write, for example, host: cloud, or delete"),
        ("host: cloud", "host: 12", "12 is not text; put it in quotes: '12'"),
        ("host: cloud", "host: 0", "0 is not text; put it in quotes: '0'"),
        ("host: cloud", "host: true", "true is not text; put it in quotes: 'true'"),
        ("host: cloud", "host: 1.50", "1.50 is not text; write, for example, host: cloud"),
        ("members: [ana]", "members: ana", "is not a list such as [a, b]; write members: [ana]"),
        ("languages: [es]", "languages: es", "write languages: [es]"),
        ("country: CO", "acme:", "an empty value is not a mapping (lines such as key: value); wr"),
        ("country: CO", "country: no", "'no' is not an ISO 3166-1 country code; write NO"),
        ("country: CO", "country: UK", "'UK' is not an ISO 3166-1 country code; write GB"),
        ("  user: cloud", "  user: null", "null is not text; write, for example, user: cloud@an"),
        ("contact: ops@andes.example.org", "contact:", "an empty value is not text; write, for e"),
    ],
)
def test_hint_is_accepted_in_place_of_the_value(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    [problem] = problems(tmp_path, replaced(old, new))
    assert message in problem.message
    found = HINT.search(problem.message.replace("for example, ", ""))
    assert found
    key, _, _ = new.partition(":")
    advice = found[1] if found[1].startswith(f"{key.strip()}:") else f"{key.strip()}: {found[1]}"
    blanks = " " * (len(key) - len(key.lstrip()))
    assert problems(tmp_path, replaced(old, blanks + advice)) == []


@pytest.mark.parametrize("value", ["3", "3.1", "", "null", "[3.0]", "true"])
def test_choice_is_shown_as_it_must_be_written(value: str, tmp_path: Path) -> None:
    [problem] = problems(tmp_path, replaced("release: '3.0'", f"release: {value}"))
    assert problem.message.startswith(f"{value or 'an empty value'} is not a valid value; ")
    assert problem.message.endswith("choose one of: '3.0', '4.0'")


@pytest.mark.parametrize("value", ["", "null", "~"])
def test_empty_choice_is_no_word(value: str, tmp_path: Path) -> None:
    """Python's None resembles the choice `none`."""
    [problem] = problems(tmp_path, replaced("rooms: nextcloud", f"rooms: {value}"))
    assert problem.message.endswith("choose one of: nextcloud, greenlight, none")


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        (ANA, "ana:", ["an empty value is not an SSH public key or a list of them; paste"]),
        (ANA, "ana: {a: 1}", ["{a: 1} is not an SSH public key or a list of them; paste"]),
        (ANA, "ana: [5]", ["5 is not text; write, for example, ssh-ed25519 AAAA"]),
        ("members: [ana]", "members: [ana, 1.50]", ["1.50 is not text; write, for example, ana"]),
        (
            "  bog1: {address: 192.88.99.7, services: [nextcloud]}", "  bog1: 203.0.113.10",
            ["'203.0.113.10' is not a mapping (lines such as key: value); write, for example, "
             "bog1: {address: 203.0.113.10, services: [nextcloud]}"],
        ),
        ("contact: ops@andes.example.org", "e-mail: ops@andes.example.org",
         ["is missing", "unknown key; did you mean contact?"]),
        ("region: andes", "name: andes", ["is missing", "unknown key; did you mean region?"]),
        ("country: CO", "COUNTRY: CO", ["unknown key; did you mean country?"]),
        ("country: CO", "languges: [es]", ["unknown key; delete it, because languages is alread"]),
        ("domain: andes.example.org", "d\u043emain: andes.example.org",
         ["is missing", "did you mean domain? It contains \u043e (U+043E, cyrillic"]),
        ("country: CO", "country: \u0421\u041e", ["; it contains \u0421 (U+0421, cyrillic"]),
        ("host: cloud", "host: ''", ["write only the part before the domain"]),
        ("    os: ubuntu-22.04", "    os: ubuntu-22.04\n    port: 0",
         ["0 is out of range; write a number from 1 to 65535"]),
        ("welcome: hello", "welcome: >\n      hello\n", ["the text contains a line break"]),
        ("quota: 5 GB", "quota: 0 GB", ["whole number from 1 to 999999 and a unit (MB, GB or TB)"]),
        ("    version: 34.0.4", "    version: 35.0.1",
         ["for a new Nextcloud, write services: {nextcloud: {version: 34.0.4}}"]),
    ],
)  # fmt: skip
def test_message_names_what_to_write(
    old: str, new: str, messages: list[str], tmp_path: Path
) -> None:
    found = sorted(problem.message for problem in problems(tmp_path, replaced(old, new)))
    assert len(found) == len(messages)
    assert all(part in text for part, text in zip(messages, found, strict=True))


@pytest.mark.parametrize(
    ("label", "message"),
    [("a" * 63, ""), ("cloud." + "a" * 63, "is not a valid host name")],
)
def test_label_of_a_service_fits_into_dns(label: str, message: str, tmp_path: Path) -> None:
    found = problems(tmp_path, replaced("host: cloud", f"host: {label}"))
    assert [message in problem.message for problem in found] == ([True] if message else [])


def test_whole_name_fits_into_dns(tmp_path: Path) -> None:
    """A domain may be valid by itself, and too long for the names in it."""
    domain = ".".join(["d" * 61] * 4)
    assert len(domain) == 247
    text = REGION.replace("domain: andes.example.org", f"domain: {domain}")
    # meet.… and rooms.… fit with at most five letters and a dot.
    assert problems(tmp_path, text) == []
    [problem] = problems(tmp_path, text.replace("host: cloud", "host: clouds"))
    assert "the DNS name would have 254 characters, but at most 253 are allowed" in problem.message
    assert problem.where == "nodes.bog1.services.0"


def test_name_of_each_server_of_a_pool_fits_into_dns(tmp_path: Path) -> None:
    text = REGION.replace("services: [jitsi]", "services: [jitsi, scalelite]").replace(
        "    release: '3.0'", f"    release: '3.0'\n    host: {'r' * 60}"
    )
    found = [problem for problem in problems(tmp_path, text) if "label" in problem.message]
    assert [problem.where for problem in found] == ["nodes.cal1.services.0"]
    expected = "has 65 characters, but at most 63 are allowed; shorten the node's name"
    assert expected in found[0].message


@pytest.mark.parametrize(
    "value",
    ["3.0", "true", "", "null", "a b", "a: b", "a #b", "#a", "[a]", "it's", "- a", "a:", " a", 5,
     True, None, ["a", "1"], {"a": ["b", {"c": "2"}]}, "https://example.org/x", "2001:db8::1",
     "@a"],
)  # fmt: skip
def test_value_in_a_message_reads_as_itself(value: object, tmp_path: Path) -> None:
    file = tmp_path / "value.yml"
    file.write_text(f"key: {as_flow_yaml(value)}\nlist: [{as_flow_yaml(value)}]\n")
    assert read_yaml(file).data == {"key": value, "list": [value]}


def test_word_is_near_in_any_case() -> None:
    assert nearest_word("URL", ["url", "image"]) == "url"
    assert nearest_word("xyz", ["url", "image"]) is None
