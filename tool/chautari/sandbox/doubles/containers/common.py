"""What both doubles need: PostgreSQL through psycopg2, Redis and web pages with Python alone."""

import hashlib
import os
import re
import socket
import sys
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOTICE = "This is the sandbox's double, for the sandbox only"


def database():
    import psycopg2

    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    return connection


def sql(text, *values):
    with database() as connection, connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description else []


def redis(*words):
    url = urllib.parse.urlsplit(os.environ["REDIS_URL"])
    with socket.create_connection((url.hostname, url.port or 6379), 10) as link:
        stream = link.makefile("rwb")
        if url.password:
            send(stream, "AUTH", url.password)
        return send(stream, *words)


def send(stream, *words):
    data = [str(word).encode() for word in words]
    stream.write(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in data))
    stream.flush()
    return reply(stream)


def reply(stream):
    line = stream.readline()[:-2].decode()
    kind, rest = line[:1], line[1:]
    if kind == "-":
        raise RuntimeError(f"Redis: {rest}")
    if kind == "$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == "*":
        return [reply(stream) for _ in range(int(rest))]
    return rest


def signed(call, query, secret, algorithm="sha256"):
    text = urllib.parse.urlencode(query)
    checksum = hashlib.new(algorithm, f"{call}{text}{secret}".encode()).hexdigest()
    return f"{call}?{text}&checksum={checksum}"


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def ask(url, secret, call, algorithm="sha256", **query):
    return ET.fromstring(fetch(f"{url.rstrip('/')}/{signed(call, query, secret, algorithm)}"))


def task(argument):
    """Split `servers:cordon[cal1]` as rake reads it."""
    found = re.fullmatch(r"([a-zA-Z_:]+)(?:\[(.*)\])?", argument)
    if not found:
        sys.exit(f"rake aborted!\nDon't know how to build task '{argument}'")
    return found[1], [part.strip() for part in (found[2] or "").split(",") if part.strip()]


def serve(handle, host, port):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, kind, body, headers = handle(self)
            data = body.encode()
            self.send_response(status)
            for name, value in {"Content-Type": kind, **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    print(NOTICE, flush=True)
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
