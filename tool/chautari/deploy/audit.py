"""What a deploy brings to a node and the node's audit log records when it changes: names only."""

from __future__ import annotations

import hashlib
import hmac

from chautari.deploy.request import DeployContext
from chautari.region.ssh_key_types import compute_key_fingerprint
from chautari.render.role_inputs import RECEIPT_KEY
from chautari.secrets.required_secrets import secret_names_of_node

Brought = dict[str, dict[str, str]]


def brought_to_node(context: DeployContext, node: str) -> Brought:
    """Return the operators, the node's secrets and the peers, each name with a digest.

    The digests of secrets are keyed, so that they say nothing about the values.
    """
    region, secrets = context.loaded_region.region, context.secrets
    operators = {**region.operators, **context.endpoints.operators}
    names = [name for name in secret_names_of_node(region, node) if name in secrets]
    key = secrets[RECEIPT_KEY].encode()
    return {
        "operators": {
            name: " ".join(sorted(compute_key_fingerprint(line.split()[1]) for line in lines))
            for name, lines in operators.items()
        },
        "secrets": {
            name: hmac.new(key, f"{name} {secrets[name]}".encode(), hashlib.sha256).hexdigest()[:8]
            for name in names
            if name != RECEIPT_KEY
        },
        "peers": {
            name: compute_key_fingerprint(peer.key.split()[1])
            for name, peer in context.loaded_region.peers.items()
        },
    }
