"""Variables of the roles that make up Jitsi Meet: turn, videobridge and jitsi."""

from __future__ import annotations

import datetime
import hashlib

from chautari.region.model import Region
from chautari.render.context import NodeContext, Variables
from chautari.secrets.specs import JITSI_MEMBER

_FROM = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_UNTIL = datetime.datetime(2046, 1, 1, tzinfo=datetime.UTC)


def domain(region: Region) -> str:
    """Return the name that people open."""
    return region.fqdn(region.services.of_jitsi().host)


def turn(context: NodeContext) -> Variables:
    """Return the TURN server's name, and the addresses it may relay to although they are odd."""
    region = context.region
    nodes_running = {
        context.node,
        *region.nodes_running("jitsi"),
        *region.nodes_running("jitsi-bridge"),
    }
    peers = [address for name in sorted(nodes_running) for address in region.nodes[name].addresses]
    return {
        "turn_domain": domain(region),
        "turn_address": region.nodes[context.node].address,
        "turn_allowed_peers": peers,
    }


def videobridge(context: NodeContext) -> Variables:
    """Return how the node's bridge joins the meeting node, and what it offers to browsers."""
    region = context.region
    node = region.nodes[context.node]
    return {
        "videobridge_domain": domain(region),
        "videobridge_xmpp_host": "127.0.0.1" if "jitsi" in node.services else domain(region),
        "videobridge_nickname": context.node,
        "videobridge_address": node.address,
        "videobridge_relays": region.services.of_jitsi().relays,
        "videobridge_region": region.region,
    }


def jitsi(context: NodeContext) -> Variables:
    """Return the meeting node's settings."""
    region = context.region
    settings = region.services.of_jitsi()
    return {
        "jitsi_domain": domain(region),
        "jitsi_access": settings.access,
        "jitsi_member_names": list(settings.members),
        "jitsi_language": region.languages[0].split("_")[0],
        "jitsi_low_bandwidth": region.bandwidth == "low",
        "jitsi_remote_bridges": list(region.nodes_running("jitsi-bridge")),
        "jitsi_relays": settings.relays,
        "jitsi_region": region.region,
    }


def shaped_secrets(region: Region, node: str, secrets: Variables) -> Variables:
    """Return the node's secrets of Jitsi as its roles take them, and take the others out.

    A bridge on another node gets its account's password and the server's certificate, no key.
    """
    key = secrets.pop("jitsi_key", None)
    if key is None:
        return {}
    public = certificate(key, domain(region))
    bridge = {
        "videobridge_password": secrets["jitsi_bridge_password"],
        "videobridge_authority": public,
    }
    if "jitsi" not in region.nodes[node].services:
        del secrets["jitsi_bridge_password"]
        return bridge
    members = [name for name in list(secrets) if name.startswith(JITSI_MEMBER)]
    people = [
        {"name": name.removeprefix(JITSI_MEMBER), "password": secrets.pop(name)} for name in members
    ]
    people.append({"name": "chautari-check", "password": secrets["jitsi_check_password"]})
    if region.services.of_jitsi().access == "open":
        people = []
    return bridge | {
        "jitsi_members": people,
        "jitsi_key": key,
        "jitsi_certificate": public,
        "turn_secret": secrets["jitsi_turn_secret"],
    }


def certificate(key: str, name: str) -> str:
    """Return the certificate of the XMPP server, which only Jitsi's own parts talk to.

    It is made anew each time and always the same: RSA signs without chance.
    """
    # Imported here, since a region without Jitsi need not wait for it.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    private = serialization.load_pem_private_key(key.encode(), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"auth.{name}"[:64])])
    names = [x509.DNSName(item) for item in (f"auth.{name}", name, f"guest.{name}")]
    serial = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return (
        x509.CertificateBuilder(subject, subject, private.public_key(), serial, _FROM, _UNTIL)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
