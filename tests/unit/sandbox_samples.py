"""The saved state of a sandbox for the tests."""

import socket
from pathlib import Path

from chautari_sandbox.state import MailRelay, MirroredArtifact, SandboxState, UnavailableArtifact

STATE = SandboxState(
    name="demo",
    zone="example.org",
    network="198.51.100.0/24",
    internet_address="198.51.100.2",
    resolver="198.51.100.2",
    acme_directory="https://acme.example.org:14000/dir",
    ca_file=Path("/state/ca.pem"),
    ssh_key=Path("/state/keys/operator"),
    operator_public_key="ssh-ed25519 AAAA operator@demo",
    mirror_url="http://mirror.example.org/",
    mail_relay=MailRelay("smtp.example.org", 587, "region", "canary-password"),
    mail_api="http://198.51.100.2:8025",
    artifacts=(MirroredArtifact("nextcloud", "35.0.2", "f", "http://m/f", "00", True, "no route"),),
    missing=(UnavailableArtifact("calendar", "6.1.0", "no route"),),
)


def free_port() -> int:
    """Return a port of this machine that no program uses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
