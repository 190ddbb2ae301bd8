"""Descriptors of two regions for the tests, signed by the real `ssh-keygen`, and their server."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from region_samples import REGION

from chautari.federation import signing_key
from chautari.federation.descriptor import Descriptor
from chautari.federation.peers import PinnedPeer
from chautari.federation.transfer import NAMESPACE, DescriptorAddress, UnverifiedSignedDescriptor
from chautari.federation.validity import utc_text

# The region `andes`, with the service that publishes its descriptor.
FEDERATED = REGION.replace("services: [nextcloud]", "services: [nextcloud, portal]")
NOW = int(time.time())
DAY = 24 * 3600
DOMAIN = "himalaya.example.org"
ADDRESS = DescriptorAddress(DOMAIN, 443)
KEY = signing_key.generate_signing_key()
OTHER_KEY = signing_key.generate_signing_key()


def body(issued: int = NOW, key: str = KEY, **changes: Any) -> dict[str, Any]:
    """Return a descriptor that was issued at a time, with `changes` made to its fields."""
    return {
        "format": 1,
        "region": "himalaya",
        "domain": DOMAIN,
        "contact": f"ops@{DOMAIN}",
        "languages": ["ne", "en"],
        "services": [
            {
                "service": "nextcloud",
                "title": "Nextcloud",
                "address": f"https://cloud.{DOMAIN}/",
                "version": "33.0.3",
            }
        ],
        "peers": ["andes.example.org"],
        "key": signing_key.public_key_of(key),
        "serial": issued,
        "issued": utc_text(issued),
        "expires": utc_text(issued + 30 * DAY),
    } | changes


def sign(content: bytes, key: str = KEY, namespace: str = NAMESPACE, kind: str = "sha512") -> bytes:
    """Return what `ssh-keygen -Y sign` makes of `content`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key"
        file.touch(0o600)
        file.write_text(key)
        return subprocess.run(
            ["ssh-keygen", "-Y", "sign", "-f", str(file), "-n", namespace, "-O", f"hashalg={kind}"],
            input=content, capture_output=True, check=True,
        ).stdout  # fmt: skip


def ssh_keygen_accepts(signed: UnverifiedSignedDescriptor, key: str = KEY) -> bool:
    """Return whether `ssh-keygen -Y verify` accepts the signature as one by `key`."""
    with tempfile.TemporaryDirectory() as folder:
        signature, signers = Path(folder) / "sig", Path(folder) / "signers"
        signature.write_bytes(signed.signature)
        signers.write_text(f"peer {signing_key.public_key_of(key)}\n")
        done = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "peer", "-n", NAMESPACE,
             "-s", str(signature)],
            input=signed.content, capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode == 0


def signed(content: bytes | dict[str, Any] | None = None, **how: Any) -> UnverifiedSignedDescriptor:
    """Return a descriptor with its signature; `how` is passed to `sign`."""
    if not isinstance(content, bytes):
        content = json.dumps(body() if content is None else content, indent=1).encode()
    return UnverifiedSignedDescriptor(content, sign(content, **how))


def peer(issued: int = NOW - DAY, **changes: Any) -> PinnedPeer:
    """Return a peer whose last accepted descriptor was issued at a time."""
    return PinnedPeer(
        domain=DOMAIN,
        url=ADDRESS.url,
        key=signing_key.public_key_of(KEY),
        pinned=utc_text(issued),
        descriptor=Descriptor.model_validate(body(issued, **changes)),
    )
