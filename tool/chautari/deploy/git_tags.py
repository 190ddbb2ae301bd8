"""Ask a public git server for tags, with one small request of git's protocol, version 2.

`git ls-remote` would fetch all tags of a repository, some thousands, and needs git on this machine.
What the server sends is limited and parsed strictly: it may be anything, such as a login page.
Protocol: https://git-scm.com/docs/gitprotocol-v2 (ls-refs) and gitprotocol-common (pkt-line).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import requests

from chautari.parallel import call_within

MAX_BYTES = 256 << 10
MAX_TAGS = 3000
SECONDS = 6.0
NO_ANSWER, NOT_A_LIST, TOO_LONG = REASONS = ("no_answer", "not_a_list", "list_too_long")
_PART = 16 << 10
_REQUEST_TYPE = "application/x-git-upload-pack-request"
_ANSWER_TYPE = "application/x-git-upload-pack-result"
_REF = re.compile(rb"[0-9a-f]{40,64} refs/tags/([A-Za-z0-9][A-Za-z0-9._/+-]{0,99})\n?")


class NoTagList(Exception):
    """The server did not answer in time, or not with a list of tags."""


def fetch_tags(repository: str, prefixes: Iterable[str]) -> list[str]:
    """Return the tags of `repository` that begin with one of `prefixes`.

    Raises:
        NoTagList: with one of `REASONS`.
    """
    url, body = f"{repository}.git/git-upload-pack", tags_request_body(prefixes)
    try:
        # A name server or a slow server can take longer than the limits of sockets.
        return list(parse_tags(call_within(SECONDS, lambda: _ask_git_server(url, body))))
    except TimeoutError:
        raise NoTagList(NO_ANSWER) from None


def tags_request_body(prefixes: Iterable[str]) -> bytes:
    """Return the request for the tags that begin with one of `prefixes`."""
    lines = [_encode_pkt_line(f"ref-prefix refs/tags/{prefix}\n") for prefix in prefixes]
    return b"".join([_encode_pkt_line("command=ls-refs\n"), b"0001", *lines, b"0000"])


def parse_tags(body: bytes) -> Iterator[str]:
    """Yield each tag in the server's answer; tags with unusual characters are left out.

    Raises:
        NoTagList: when `body` is not a list of refs.
    """
    position = count = 0
    while (header := body[position : position + 4]) != b"0000":
        if not re.fullmatch(rb"[0-9a-f]{4}", header):
            raise NoTagList(NOT_A_LIST)
        length = int(header, 16)
        line = body[position + 4 : position + length]
        if length < 5 or len(line) != length - 4 or line.startswith(b"ERR "):
            raise NoTagList(NOT_A_LIST)
        if found := _REF.fullmatch(line):
            yield found[1].decode("ascii")
        position += length
        count += 1
        if count > MAX_TAGS:
            raise NoTagList(TOO_LONG)


def _encode_pkt_line(line: str) -> bytes:
    return f"{len(line) + 4:04x}{line}".encode("ascii")


def _ask_git_server(url: str, body: bytes) -> bytes:
    headers = {
        "Git-Protocol": "version=2",
        "Content-Type": _REQUEST_TYPE,
        "Accept": _ANSWER_TYPE,
        "Accept-Encoding": "identity",
        "User-Agent": "git/chautari",  # servers look for the first word
    }
    try:
        # Without `auth`, a password for the server in ~/.netrc would be sent.
        with requests.post(
            url, body, headers=headers, timeout=SECONDS, stream=True, allow_redirects=False,
            auth=lambda request: request,
        ) as answer:  # fmt: skip
            if answer.status_code != 200 or not _is_uncompressed_tag_list(answer.headers):
                raise NoTagList(NOT_A_LIST)
            return _read_limited_body(answer)
    except (OSError, ValueError):  # ValueError: what urllib3 says of a garbled answer
        raise NoTagList(NO_ANSWER) from None


def _is_uncompressed_tag_list(headers: Mapping[str, str]) -> bool:
    """Return whether the body is a list, and not compressed: it could unpack to any size."""
    encoding = headers.get("Content-Encoding", "identity")
    return (headers.get("Content-Type"), encoding) == (_ANSWER_TYPE, "identity")


def _read_limited_body(answer: requests.Response) -> bytes:
    parts, size = [], 0
    for part in answer.iter_content(_PART):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise NoTagList(TOO_LONG)
    return b"".join(parts)
