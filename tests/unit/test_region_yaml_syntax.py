"""Mistakes that are no YAML: each is reported on its own line, and the fix text is valid YAML."""

import re
from pathlib import Path

import pytest
import yaml

from chautari.errors import InvalidRegion, ProblemInFile
from chautari.region.yaml_reader import read_yaml

SAMPLE = """\
region: andes
domain: andes.example.org
contact: ops@example.org
nodes:
  bog1: {address: 203.0.113.10, services: [nextcloud]}
  med1:
    address: 203.0.113.11
    services:
      - jitsi
services:
  nextcloud:
    host: cloud
    welcome: Hola
  jitsi: {host: meet}
"""


def problem_of(tmp_path: Path, text: str | bytes) -> ProblemInFile:
    file = tmp_path / "region.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidRegion) as refused:
        read_yaml(file)
    return refused.value.problems[0]


def spoilt(old: str, new: str) -> tuple[str, int]:
    """Return the sample with one mistake, and its line."""
    assert SAMPLE.count(old) == 1
    return SAMPLE.replace(old, new), SAMPLE[: SAMPLE.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("domain: andes.", "domain:andes."), ("host: cloud", "host:cloud"),
        ("welcome: Hola", "welcome:Hola"), ("contact: ops", "contact = ops"),
        ("contact: ops", "contact; ops"), ("region: andes", "region andes"),
        ("domain: andes.", "domain andes."), ("  nextcloud:", "  nextcloud"),
        ("  med1:", "  med1"), ("nodes:", "nodes"), ("    services:", "    services"),
        ("host: cloud", "host: *"), ("domain: andes", "domain: *.andes"),
        ("contact: ops", "contact: @ops"), ("contact: ops", "contact: `ops"),
        ("contact: ops", "contact: %CO # x"), ("welcome: Hola", 'welcome: "Hola" a todos'),
        ("welcome: Hola", "welcome: Hola: x"), ("welcome: Hola", "welcome: Hola:"),
        ("welcome: Hola", "welcome: it's: x"), ("welcome: Hola", "welcome: 'L'association'"),
        ("welcome: Hola", "welcome: [Hola] a todos"), ("welcome: Hola", "welcome: {Hola} x"),
        ("welcome: Hola", "welcome: |Hola"), ("welcome: Hola", "welcome: > Hola"),
        ("welcome: Hola", "welcome: ]Hola"), ("welcome: Hola", "welcome: , Hola"),
        ("welcome: Hola", "welcome: - Hola"), ("welcome: Hola", "welcome: ? Hola"),
        ("welcome: Hola", 'welcome: "a\\d"'), ("- jitsi", "- @jitsi"),
    ],
)  # fmt: skip
def test_mistake_is_reported_where_it_is_with_what_to_write(
    old: str, new: str, tmp_path: Path
) -> None:
    text, number = spoilt(old, new)
    problem = problem_of(tmp_path, text)
    assert problem.line == number
    fix = problem.message.rpartition("; write ")[2].partition(", or [")[0]
    lines = text.splitlines()
    lines[number - 1] = lines[number - 1][: problem.column - 1] + fix
    data = yaml.safe_load("\n".join(lines))
    assert list(data) == ["region", "domain", "contact", "nodes", "services"]
    assert list(data["services"]["nextcloud"]) == ["host", "welcome"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("address: 203.0.113.10", "address: ::1", "needs quotes; write '::1'"),
        ("host: meet", "host: *", "needs quotes; write '*'"),
        ("host: meet", "host:meet", "contains :; write a colon and a space"),
        ("host: meet", "host：meet", "contains ：; write a colon and a space"),
        ("region: ", "region：", "： is full-width punctuation; write : instead"),
        ("contact: ", "contact：", "： is full-width punctuation; write : instead"),
        (".10, ", ".10， ", "， is full-width punctuation; write , instead"),
        ("{host: meet}", "｛host: meet｝", "｛ is full-width punctuation; write { instead"),
        ("host: cloud", "host: {{ x }}", "is not evaluated in this file"),
        ("host: cloud", "host: {{ x }}.org", "is not evaluated in this file"),
        ("contact: ops", "contact: 'ops", "the quote that begins here is not closed"),
        ("welcome: Hola", 'welcome: "Hola', "the quote that begins here is not closed"),
        ("[nextcloud]}", "[nextcloud}", "this [ is not closed; write ]"),
        ("[nextcloud]}", "[nextcloud]", "this { is not closed, or a comma is missing before"),
        ("jitsi: {host: meet}", "jitsi: [", "this [ is not closed; write ]"),
        ("[nextcloud]}", "[nextcloud]}}", "this } has no matching opening bracket; delete it"),
        (".10, services", ".10 services", "a comma before it; otherwise put the whole value"),
        ("host: meet", "host: Hola: x", "a comma before it; otherwise put the whole value"),
        ("host: meet", "host: [a] b", "a comma before it; otherwise put the whole value"),
        ("    services:", "    - services:", "is not allowed here; delete the -"),
        ("- jitsi", "- jitsi\n      polls: x", "before every item of this list, or before no item"),
        ("contact", "...\ncontact", "this line ends the YAML document"),
        ("      - jitsi", "      - jitsi\n      polls", "a dash and a space before an item"),
        ("    host: cloud", "\thost: cloud", "indent with spaces, not with tabs"),
        ("domain: a", " domain: a", "check the indentation of this line and of the line above"),
    ],
)  # fmt: skip
def test_mistake_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    text, number = spoilt(old, new)
    problem = problem_of(tmp_path, text)
    assert message in problem.message
    assert problem.line == number + ("polls" in new)


def test_quote_that_closes_in_another_line_is_reported_where_it_opens(tmp_path: Path) -> None:
    text, number = spoilt("contact: ops", "contact: 'ops")
    problem = problem_of(tmp_path, text.replace("Hola", "it's"))
    assert (problem.line, problem.column) == (number, 10)
    assert "is not closed until line 13" in problem.message


@pytest.mark.parametrize(
    "marker",
    ["<<<<<<< HEAD", "<<<<<<<", "||||||| base", "|||||||", "=======", "=======\r", ">>>>>>> a"],
)
def test_each_merge_marker_is_found(marker: str, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, SAMPLE.replace("contact", f"{marker}\ncontact"))
    assert problem.line == 3 and "git could not merge two versions here" in problem.message


@pytest.mark.parametrize("code", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_text_in_another_encoding_is_named(code: str, tmp_path: Path) -> None:
    assert "save it as UTF-8" in problem_of(tmp_path, SAMPLE.encode(code)).message


def test_block_of_text_may_hold_what_else_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "region.yml"
    block = "welcome: |\n      =======\n      a：b\n      nodes\n      x = 'y\n"
    file.write_text(SAMPLE.replace("welcome: Hola\n", block))
    assert "x = 'y" in read_yaml(file).data["services"]["nextcloud"]["welcome"]


@pytest.mark.parametrize("part", [" " * 300_000, ": " * 150_000, "'" * 300_001, "x\t" * 150_000])
def test_long_line_takes_no_time(part: str, tmp_path: Path) -> None:
    assert re.search("; ", problem_of(tmp_path, f"a: @{part}b\n").message)
