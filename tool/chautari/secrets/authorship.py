"""Who wrote `secrets.age`: only an operator of the region may have done it.

Everybody can encrypt to the operators' public keys. So the content is signed by the operator who
wrote it last, and the signature is inside of the encrypted file: both are replaced in one step.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from chautari.errors import BadInput
from chautari.language import Text, TextTemplate, _
from chautari.region.load import LoadedRegion
from chautari.region.ssh_key_types import key_without_comment
from chautari.secrets import signature
from chautari.secrets.last_seen import LastSeen, load_last_seen, store_last_seen
from chautari.secrets.private_keys import PrivateKey
from chautari.secrets.store import SecretStore

REPLACED: TextTemplate = (
    "secrets.age was changed by {author} at {time}, after this computer last used it."
)
OLDER: Text = (
    "secrets.age is older than the version that this computer last used. If you did not go back "
    "to it on purpose, get the newest version: git pull"
)
UNSIGNED: TextTemplate = (
    "secrets.age is not signed, so it is not known who wrote it. The next command that changes "
    "a secret will also sign the file; to sign it now: deploy secrets sign {region}"
)


def add_signature(
    loaded_region: LoadedRegion, secrets: SecretStore, keys: Iterable[PrivateKey]
) -> SecretStore:
    """Return `secrets` with a signature of one of `keys`, which must belong to an operator.

    Secrets of a sandbox are not signed: they are made for its containers, on this computer.

    Raises:
        BadInput: when none of the keys belongs to an operator.
    """
    region = loaded_region.region
    if region.sandbox is not None:
        return secrets
    allowed = [line for lines in region.operators.values() for line in lines]
    signed = signature.sign(secrets.signed_message(region.region), keys, allowed)
    if not signed:
        raise BadInput(
            _(
                "{secrets_file} cannot be signed: none of your SSH keys is listed under operators",
                secrets_file=loaded_region.secrets_file,
            ),
            fix=_(
                "add the line from ~/.ssh/id_ed25519.pub under operators in region.yml, or "
                "specify your private key: --identity FILE"
            ),
        )
    return secrets.signed(signed)


def check_author(loaded_region: LoadedRegion, secrets: SecretStore) -> None:
    """Refuse secrets that no operator wrote, and add the notices about those that one wrote.

    Raises:
        BadInput: when the signature is not one of an operator, or is missing though this computer
            has seen one.
    """
    if loaded_region.region.sandbox is not None:
        return
    file = loaded_region.secrets_file
    seen = load_last_seen(file)
    if seen.signed and seen.digest == secrets.digest:
        return
    if not secrets.signature:
        _refuse_unsigned(loaded_region, seen)
        secrets.notices.append(_(UNSIGNED).format(region=loaded_region.region.region))
        return
    author = author_of(loaded_region, secrets)
    if author is None:
        raise _no_operator_error(loaded_region)
    if seen.digest and secrets.written < seen.written:
        _refuse_replay(loaded_region, secrets)
        secrets.notices.append(_(OLDER))
    elif seen.digest:
        secrets.notices.append(_(REPLACED).format(author=author, time=_time_text(secrets.written)))
    store_last_seen(file, seen.model_copy(update={"signed": True}))


def author_of(loaded_region: LoadedRegion, secrets: SecretStore) -> str | None:
    """Return the operator who signed `secrets`; None if no operator of the region did."""
    blob = signature.unverified_public_key_in_signature(secrets.signature)
    for name, lines in loaded_region.region.operators.items():
        own = [line for line in lines if signature.public_key_bytes(line) == blob and blob]
        message = secrets.signed_message(loaded_region.region.region)
        if own and signature.is_signed_by(message, secrets.signature, own):
            return name
    return None


def check_author_of_merge_side(
    loaded_region: LoadedRegion, secrets: SecretStore, side: str, *, was_signed: bool
) -> None:
    """Refuse one side of a merge if no operator wrote it.

    Raises:
        BadInput: when the signature is not one of an operator, or is missing though an older
            version had one.
    """
    if loaded_region.region.sandbox is not None or (not secrets.signature and not was_signed):
        return
    if not secrets.signature or author_of(loaded_region, secrets) is None:
        file = loaded_region.secrets_file
        raise BadInput(
            _(
                "the version of {file} that git calls `{side}` is not signed with a key of "
                "an operator in region.yml",
                file=file,
                side=side,
            ),
            fix=_(
                "if a new operator wrote this version, resolve the conflict in region.yml first, "
                "then run: deploy secrets merge {region}. If a person who is not an operator "
                "wrote it, keep the other version: git checkout --{value} -- {name}",
                region=loaded_region.region.region,
                value="theirs" if side == "ours" else "ours",
                name=file.name,
            ),
        )


def was_seen_signed(file: Path) -> bool:
    """Return whether this computer has seen `file` with a signature."""
    return load_last_seen(file).signed


def remember_last_used_file(loaded_region: LoadedRegion, secrets: SecretStore) -> None:
    """Remember the file as the one that this computer used last."""
    if loaded_region.region.sandbox is not None:
        return
    file = loaded_region.secrets_file
    signed = bool(secrets.signature)
    store_last_seen(file, LastSeen(signed=signed, digest=secrets.digest, written=secrets.written))


def _refuse_unsigned(loaded_region: LoadedRegion, seen: LastSeen) -> None:
    if seen.signed:
        raise BadInput(
            _(
                "{secrets_file} is not signed, but it was signed when this computer last "
                "read it, so it may have been replaced by a person who is not an operator",
                secrets_file=loaded_region.secrets_file,
            ),
            fix=_sign_advice(loaded_region),
        )


def _refuse_replay(loaded_region: LoadedRegion, secrets: SecretStore) -> None:
    """Refuse an old version that a removed operator can read: it has the old passwords."""
    region = loaded_region.region
    listed = [*(key for keys in region.operators.values() for key in keys)]
    listed += region.recovery.values()
    if {key_without_comment(key) for key in secrets.recipients} - {
        key_without_comment(key) for key in listed
    }:
        raise BadInput(
            _(
                "{secrets_file} is older than the version that this computer last used, and is "
                "encrypted to a key that is no longer listed under operators",
                secrets_file=loaded_region.secrets_file,
            ),
            fix=_(
                "get the newest version: git pull. If you went back to this one on purpose, "
                "accept it: deploy secrets sign {region}",
                region=region.region,
            ),
        )


def _no_operator_error(loaded_region: LoadedRegion) -> BadInput:
    return BadInput(
        _(
            "{secrets_file} is not signed with a key of an operator in region.yml, so it may "
            "have been replaced by a person who is not an operator",
            secrets_file=loaded_region.secrets_file,
        ),
        fix=_sign_advice(loaded_region),
    )


def _sign_advice(loaded_region: LoadedRegion) -> str:
    name = loaded_region.region.region
    return _(
        "see who changed it: git log -- secrets.age; then restore the last version that an "
        "operator wrote. If the file was written by an operator who has left since, or with an "
        "older version of Chautari, accept it: deploy secrets sign {name}",
        name=name,
    )


def _time_text(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
