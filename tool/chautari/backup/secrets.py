"""The secrets of backups: each node has its own, so a stolen node cannot read another's backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.backup.scope import nodes_with_backup
from chautari.federation import signing_key
from chautari.language import _
from chautari.services.secret_spec import Rotation, SecretSpec

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.services.base import Secrets, Variables

PREFIX = "backup_"  # of every secret of backups
PASSPHRASE = "backup_passphrase"
LOGIN_KEY = "backup_login_key"
STORED_KEY = "backup_borg_key_"
# What `borg key export` prints.
STORED_KEY_PATTERN = r"BORG_KEY [0-9a-f]{64}\n([A-Za-z0-9+/=]{1,80}\n){0,60}[A-Za-z0-9+/=]{1,80}\n?"


def passphrase_name(node: str) -> str:
    """Return the name of the secret that encrypts the backups of `node`."""
    return f"{PASSPHRASE}_{node}"


def login_key_name(node: str) -> str:
    """Return the name of the secret with which `node` logs in where its backups are stored."""
    return f"{LOGIN_KEY}_{node}"


def borg_key_name(node: str, target: str) -> str:
    """Return the name of the secret that keeps the exported key of a repository."""
    return f"{STORED_KEY}{node}_{target}"


def stored_key_spec(name: str) -> SecretSpec | None:
    """Return the form of a stored key of a repository, if `name` is the name of one."""
    if not name.startswith(STORED_KEY):
        return None
    return SecretSpec(
        name,
        None,
        "stored key of a backup repository",
        pattern=STORED_KEY_PATTERN,
        form="a key that borg exported",
        rotation=Rotation.NEVER,
        rotation_note="Only this value opens the repository of the backups.",
    )


def secret_specs(region: Region) -> tuple[SecretSpec, ...]:
    """Return the secrets of the region's backups."""
    return tuple(
        spec for node in nodes_with_backup(region) for spec in _backup_secret_specs_of_node(node)
    )


def _backup_secret_specs_of_node(node: str) -> tuple[SecretSpec, SecretSpec]:
    return (
        SecretSpec(
            passphrase_name(node),
            None,
            _(
                "passphrase of the backups of `{node}`; without this passphrase, the backups "
                "cannot be read",
                node=node,
            ),
            node=node,
            rotation=Rotation.NEVER,
            rotation_note="The repository keeps the old passphrase, so the backups could not be "
            "read with a new one. The passphrase is not enough to read the backups: a person also "
            "needs the login key or the disk. To use another passphrase, back up to a new target, "
            "then delete the old repository.",
        ),
        SecretSpec(
            login_key_name(node),
            None,
            _("key with which `{node}` logs in to the servers that store its backups", node=node),
            make=signing_key.generate_signing_key,
            pattern=signing_key.PATTERN,
            form="an ed25519 private key in OpenSSH format, without a passphrase",
            generator="ssh-keygen -t ed25519 -N '' -f KEY && cat KEY",
            node=node,
            rotation_note="Each peer accepts the new key after its next deploy. On your own SSH "
            "server, replace the old key with the one that this command prints: deploy backup "
            "keys NAME",
        ),
    )


def secret_variables(region: Region, node: str, secrets: Secrets) -> Variables:
    """Return the secret variables of the role `backup` on `node`."""
    if node not in nodes_with_backup(region):
        return {}
    return {
        PASSPHRASE: secrets[passphrase_name(node)],
        LOGIN_KEY: secrets[login_key_name(node)],
    }


def public_login_key(node: str, secrets: Secrets) -> str:
    """Return the public half of the key with which `node` logs in: `ssh-ed25519 AAAA…`."""
    return signing_key.public_key_of(secrets[login_key_name(node)])
