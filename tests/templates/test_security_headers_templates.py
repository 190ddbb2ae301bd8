"""Security headers in nginx's settings: no location loses those of its server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from templates import ROLES, render, variables

SITES = sorted(file.parts[-3] for file in ROLES.glob("*/templates/site.conf.j2"))
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|#[^\n]*|[{};]|[^\s{};"\'#]+')
Block = dict[str, Any]


def read_nginx(text: str) -> Block:
    """Return nginx's settings as blocks, each with its directives and the blocks in it."""
    stack: list[Block] = [{"name": "", "lines": [], "blocks": []}]
    words: list[str] = []
    for token in TOKEN.findall(text):
        if token.startswith("#"):
            continue
        if token == "{":
            block: Block = {"name": " ".join(words), "lines": [], "blocks": []}
            stack[-1]["blocks"].append(block)
            stack.append(block)
            words = []
        elif token == "}":
            stack.pop()
        elif token == ";":
            stack[-1]["lines"].append(" ".join(words))
            words = []
        else:
            words.append(token)
    assert len(stack) == 1 and not words
    return stack[0]


def blocks(block: Block) -> list[Block]:
    return [block, *(inner for one in block["blocks"] for inner in blocks(one))]


def loses_headers(block: Block) -> bool:
    """Whether a block adds a header and does not include those of the site."""
    adds = any(line.startswith("add_header ") for line in block["lines"])
    return adds and not any(
        re.fullmatch(r"include snippets/\S+-headers\.conf", line) for line in block["lines"]
    )


def site(role: str, folder: Path) -> str:
    return render(role, "site.conf.j2", variables(folder, role, "12"))


@pytest.mark.parametrize("role", [role for role in SITES if role != "bigbluebutton"])
def test_every_block_that_adds_a_header_keeps_those_of_the_site(role: str, tmp_path: Path) -> None:
    [server] = [
        block for block in read_nginx(site(role, tmp_path))["blocks"] if block["name"] == "server"
    ]
    assert any(re.match(r"include snippets/\S+-headers\.conf", line) for line in server["lines"])
    assert [block["name"] for block in blocks(server) if loses_headers(block)] == []


def test_reader_finds_a_location_that_loses_its_headers() -> None:
    text = 'server { include snippets/x-headers.conf; location /a { add_header A "}"; } }'
    [server] = read_nginx(text)["blocks"]
    assert [block["name"] for block in blocks(server) if loses_headers(block)] == ["location /a"]


def test_headers_of_bigbluebutton_reach_locations_of_upstream(tmp_path: Path) -> None:
    text = site("bigbluebutton", tmp_path)
    for name in (
        "Strict-Transport-Security", "Content-Security-Policy", "Permissions-Policy",
        "Referrer-Policy", "X-Content-Type-Options",
    ):  # fmt: skip
        assert re.search(rf'more_set_headers [^;]*"{name}: ', text), name
    found = variables(tmp_path, "bigbluebutton", "12")["__bigbluebutton_ground"]
    assert "libnginx-mod-http-headers-more-filter" in found


@pytest.mark.parametrize("role", ["nextcloud", "framadate", "portal", "jitsi", "greenlight"])
def test_every_site_has_a_policy(role: str, tmp_path: Path) -> None:
    text = render(role, "headers.conf.j2", variables(tmp_path, role, "12"))
    for name in ("Strict-Transport-Security", "Permissions-Policy", "Referrer-Policy"):
        assert f"\nadd_header {name} " in text
    assert re.search(r'\nadd_header Content-Security-Policy "[^"]+" always;', text)
    assert "payment=()" in text


def test_meetings_may_use_cameras_and_be_shown_by_the_region(tmp_path: Path) -> None:
    text = render("jitsi", "headers.conf.j2", variables(tmp_path, "jitsi", "12"))
    assert "camera" not in text and "microphone" not in text
    assert "frame-ancestors 'self' https://andes.example.org https://*.andes.example.org;" in text
    assert "X-Frame-Options" not in text
