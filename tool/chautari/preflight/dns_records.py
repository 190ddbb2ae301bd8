"""DNS records of public names, asked from the control machine as the world sees them."""

from __future__ import annotations

from collections.abc import Iterable

SECONDS = 6.0
Answers = dict[tuple[str, str], tuple[str, ...] | None]


def lookup(names: Iterable[str], server: str = "") -> Answers:
    """Return the A and AAAA records of `names`; None where no name server answered in time.

    `server` is the IP address of the name server to ask; the system's are asked without one.
    """
    # Imported here: most deploys ask nothing.
    import dns.exception
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=not server)
    if server:
        resolver.nameservers = [server]
    found: Answers = {}
    for name in names:
        for kind in ("A", "AAAA"):
            try:
                answer = resolver.resolve(f"{name}.", kind, lifetime=SECONDS)
                found[kind, name] = tuple(sorted(item.to_text() for item in answer))
            except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
                found[kind, name] = ()
            except dns.exception.DNSException:
                found[kind, name] = None
    return found
