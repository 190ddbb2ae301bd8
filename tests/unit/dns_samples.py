"""A name server for the tests of `deploy dns`: it answers from a table, over UDP."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.resolver
import dns.rrset

# Lines of a zone file: name, kind and value of each record.
ZONE = """\
example.org SOA ns1.example.org. ops.example.org. 1 2 3 4 5
example.org NS ns1.example.org.
ns1.example.org A 127.0.0.1
"""


class NameServerDouble:
    """Answers questions about one zone; names outside are refused. `silent` drops questions."""

    def __init__(self, zone: str, origin: str = "example.org") -> None:
        self.origin = dns.name.from_text(origin)
        self.records = [line.split(" ", 2) for line in zone.splitlines()]
        self.raw: bytes | None = None
        self.silent = False
        self.authoritative = True
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def serve(self) -> None:
        while True:
            try:
                data, sender = self.socket.recvfrom(65535)
            except OSError:
                return
            if not self.silent and data:
                self.socket.sendto(self.raw or self.answer(data), sender)

    def answer(self, data: bytes) -> bytes:
        request = dns.message.from_wire(data)
        reply = dns.message.make_response(request, recursion_available=True)
        question = request.question[0]
        if not question.name.is_subdomain(self.origin):
            reply.set_rcode(dns.rcode.REFUSED)
            return reply.to_wire()
        if self.authoritative:
            reply.flags |= dns.flags.AA
        kind = dns.rdatatype.to_text(question.rdtype)
        named = [r for r in self.records if dns.name.from_text(r[0]) == question.name]
        found = [r for r in named if r[1] in (kind, "CNAME")]
        for name, its_kind, value in found:
            reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", its_kind, value))
        if not found:
            reply.set_rcode(dns.rcode.NOERROR if named else dns.rcode.NXDOMAIN)
        return reply.to_wire(max_size=65535)


@contextmanager
def name_server(zone: str, origin: str = "example.org") -> Iterator[NameServerDouble]:
    server = NameServerDouble(zone, origin)
    Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.socket.close()


def resolver_of(server: NameServerDouble) -> dns.resolver.Resolver:
    """Return a client that asks the double as if it were the system's resolver."""
    client = dns.resolver.Resolver(configure=False)
    client.nameservers = ["127.0.0.1"]
    client.port = server.port
    return client
