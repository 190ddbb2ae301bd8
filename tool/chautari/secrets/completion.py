"""Complete a region's secrets before any node is connected to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from chautari.errors import BadInput, NotARecipient
from chautari.files import is_present, read_regular_file
from chautari.region.load import LoadedRegion
from chautari.secrets import required_secrets, store
from chautari.secrets.store import SecretStore

MAX_KNOWN_HOSTS_BYTES = 1_000_000


def load_and_complete_secrets(
    loaded_region: LoadedRegion,
    identities: Sequence[Path],
    supplied: Mapping[str, str],
    extra_recipients: Sequence[str] = (),
    *,
    save: bool = True,
    replace_lost: bool = False,
) -> SecretStore:
    """Return the region's secrets, generating what is missing and encrypting to all operators.

    `supplied` are secrets that come from elsewhere (a sandbox's relay password). The file is
    written only when something changed, and never without `save`. With `replace_lost`, a missing
    file is no error even if nodes were reached before, and what an operator must set is left out.

    Raises:
        BadInput: when the file is lost or cannot be opened, or a secret that an operator must set
            is missing.
    """
    file = loaded_region.secrets_file
    recipients = recipients_of(loaded_region, extra_recipients)
    there = is_present(file)
    if not there and not replace_lost:
        refuse_lost_secrets(loaded_region)
    opened = open_secrets(loaded_region, identities) if there else SecretStore({}, ())
    new = dict(supplied)
    for spec in required_secrets.required_secrets(loaded_region.region):
        if spec.name in opened or spec.name in new:
            value = new[spec.name] if spec.name in new else opened[spec.name]
            spec.check(value, loaded_region.region.region)
            continue
        if spec.user_supplied:
            if replace_lost:
                continue
            raise BadInput(
                f"the secret {spec.name} ({spec.meaning}) is missing",
                fix=spec.set_command(loaded_region.region.region),
            )
        new[spec.name] = spec.make()
    changed = any(name not in opened or opened[name] != value for name, value in new.items())
    complete = opened.with_values(new)
    if save and (changed or opened.recipients != recipients):
        save_encrypted(complete, file, recipients, identities)
    return complete


def open_secrets(loaded_region: LoadedRegion, identities: Sequence[Path]) -> SecretStore:
    """Return the region's secrets.

    Raises:
        BadInput: when the file cannot be opened. Secrets of a sandbox whose keys were deleted
            cannot be opened by anyone, so the next step is another one for a sandbox.
    """
    file = loaded_region.secrets_file
    try:
        return store.open_secrets_file(file, identities)
    except NotARecipient as error:
        if loaded_region.region.sandbox is None:
            raise
        raise NotARecipient(
            error.message,
            fix=f"if the keys of this sandbox were deleted, delete {file} too. The next deploy "
            f"generates new secrets. Otherwise, {error.fix}",
        ) from None


def refuse_lost_secrets(loaded_region: LoadedRegion) -> None:
    """Refuse to replace the secrets of nodes that were deployed with others.

    A node's host key is pinned at first contact, and secrets exist before it. In a sandbox all
    data can be made again.

    Raises:
        BadInput: when host keys are pinned. All passwords would be new, and no old data opens.
    """
    pinned = loaded_region.known_hosts_file
    if (
        loaded_region.region.sandbox is None
        and is_present(pinned)
        and read_regular_file(pinned, MAX_KNOWN_HOSTS_BYTES).strip()
    ):
        name = loaded_region.region.region
        raise BadInput(
            f"{loaded_region.secrets_file} is missing, but {pinned} contains host keys of "
            f"nodes in {name}. New secrets would replace every password on nodes that have "
            "already been deployed",
            fix="restore secrets.age from git or from another operator's copy. If no node has been "
            f"deployed yet, or to replace all secrets, run: deploy secrets init {name}",
        )


def save_encrypted(
    secrets: SecretStore, file: Path, recipients: Sequence[str], identities: Sequence[Path]
) -> None:
    """Encrypt `secrets` into `file`, after one of `identities` opened them again.

    Raises:
        BadInput: when none of `identities` is among the recipients.
    """
    sealed = secrets.encrypt(file, recipients)
    keys, unusable = store.read_private_keys_and_problems(identities)
    try:
        store.decrypt_secrets(file, sealed, keys, unusable)
    except BadInput:
        raise BadInput(
            "; ".join(
                [
                    "none of your SSH keys is listed under operators, so you would not be able to "
                    "decrypt the secrets",
                    *unusable,
                ]
            ),
            fix="add the line from ~/.ssh/id_ed25519.pub under operators in region.yml, or specify "
            "your private key: --identity FILE",
        ) from None
    store.replace_secrets_file(file, sealed)


def recipients_of(loaded_region: LoadedRegion, extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the public keys the region's secrets are encrypted to."""
    keys = [key for person in loaded_region.region.operators.values() for key in person]
    return tuple(dict.fromkeys([*keys, *extra]))
