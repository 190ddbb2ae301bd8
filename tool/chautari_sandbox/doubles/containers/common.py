"""What both doubles need: PostgreSQL through psycopg2, Redis and web pages with Python alone."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import signal
import socket
import sys
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, cast

Answer = tuple[int, str, str, Mapping[str, str]]  # status, kind, body, further headers
Request = BaseHTTPRequestHandler
# The first process of a container is told to stop in vain unless it listens.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
NOTICE = "This is a double, for the sandbox only"


def connect_to_database_with_autocommit() -> Any:
    """Return a connection that keeps each statement at once."""
    connection = importlib.import_module("psycopg2").connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    return connection


def run_sql(text: str, *values: object) -> list[tuple[Any, ...]]:
    """Do one statement, and return its rows."""
    with connect_to_database_with_autocommit() as connection, connection.cursor() as cursor:
        cursor.execute(text, values)
        return list(cursor.fetchall()) if cursor.description else []


def run_redis_command(*words: object) -> Any:
    """Do one command of Redis."""
    url = urllib.parse.urlsplit(os.environ["REDIS_URL"])
    with socket.create_connection((url.hostname, url.port or 6379), 10) as link:
        stream = cast("BinaryIO", link.makefile("rwb"))
        if url.password:
            send_redis_command(stream, "AUTH", url.password)
        return send_redis_command(stream, *words)


def send_redis_command(stream: BinaryIO, *words: object) -> Any:
    """Write one command and read its answer."""
    data = [str(word).encode() for word in words]
    stream.write(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in data))
    stream.flush()
    return read_redis_reply(stream)


def read_redis_reply(stream: BinaryIO) -> Any:
    """Read one answer."""
    line = stream.readline()[:-2].decode()
    kind, rest = line[:1], line[1:]
    if kind == "-":
        raise RuntimeError(f"Redis: {rest}")
    if kind == "$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == "*":
        return [read_redis_reply(stream) for _ in range(int(rest))]
    return rest


def call_with_checksum(
    call: str, query: Mapping[str, str], secret: str, algorithm: str = "sha256"
) -> str:
    """Return a call with its checksum."""
    text = urllib.parse.urlencode(query)
    checksum = hashlib.new(algorithm, f"{call}{text}{secret}".encode()).hexdigest()
    return f"{call}?{text}&checksum={checksum}"


def fetch_url(url: str) -> bytes:
    """Return what lies at an address."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


def call_meeting_server(
    url: str, secret: str, call: str, algorithm: str = "sha256", /, **query: str
) -> ET.Element:
    """Ask a meeting server."""
    return ET.fromstring(
        fetch_url(f"{url.rstrip('/')}/{call_with_checksum(call, query, secret, algorithm)}")
    )


def split_rake_task(argument: str) -> tuple[str, list[str]]:
    """Split `servers:cordon[cal1]` as rake reads it."""
    found = re.fullmatch(r"([a-zA-Z_:]+)(?:\[(.*)\])?", argument)
    if not found:
        sys.exit(f"rake aborted!\nDon't know how to build task '{argument}'")
    return found[1], [part.strip() for part in (found[2] or "").split(",") if part.strip()]


def read_body(request: Request) -> bytes:
    """Return what a request carries."""
    return request.rfile.read(int(request.headers.get("Content-Length") or 0))


def serve_http(handle: Callable[[Request], Answer], host: str, port: int) -> None:
    """Answer requests for ever."""

    class Handler(BaseHTTPRequestHandler):
        """Hands each request to `handle`."""

        def do_GET(self) -> None:
            """Answer one request."""
            status, kind, body, headers = handle(self)
            data = body.encode()
            self.send_response(status)
            for name, value in {"Content-Type": kind, **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing of each request."""

    print(NOTICE, flush=True)
    ThreadingHTTPServer((host, port), Handler).serve_forever()
