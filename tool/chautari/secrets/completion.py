"""Complete a region's secrets before any node is connected to."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from chautari.errors import BadInput, NotARecipient
from chautari.files import exists_or_is_dangling_link, read_regular_file
from chautari.git_versions import restore_step
from chautari.language import TextTemplate, _
from chautari.region.load import LoadedRegion
from chautari.region.ssh_key_types import key_without_comment
from chautari.secrets import authorship, required_secrets, store
from chautari.secrets.file_lock import hold_secrets_lock
from chautari.secrets.merge import merge_secrets
from chautari.secrets.merge_driver import Versions
from chautari.secrets.private_keys import PrivateKey, read_private_keys_and_problems
from chautari.secrets.store import SecretStore
from chautari.secrets.value_checks import check_values

MAX_KNOWN_HOSTS_BYTES = 1_000_000
REMOVED_KEYS: TextTemplate = (
    "An operator's key was removed. The person who has this key knows all secrets. To replace "
    "the secrets: deploy secrets rotate {region} --all"
)


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

    def complete(opened: SecretStore) -> SecretStore:
        return opened.with_values(
            _missing_values(loaded_region, opened, supplied, skip_unset=replace_lost)
        )

    if not save:
        return complete(_open_or_empty(loaded_region, identities, replace_lost=replace_lost))
    return update_secrets(
        loaded_region, identities, extra_recipients, complete, replace_lost=replace_lost
    )


def _missing_values(
    loaded_region: LoadedRegion,
    opened: SecretStore,
    supplied: Mapping[str, str],
    *,
    skip_unset: bool,
) -> dict[str, str]:
    """Return the values that the region needs in addition: supplied or newly generated."""
    new = dict(supplied)
    name = loaded_region.region.region
    for spec in required_secrets.required_secrets(loaded_region.region):
        if spec.name in new:
            spec.check(new[spec.name], name, loaded_region.secrets_file)
        elif spec.name not in opened and not spec.user_supplied:
            new[spec.name] = spec.make()
        elif spec.name not in opened and not skip_unset:
            raise BadInput(
                _(
                    "the secret {name} ({meaning}) is missing",
                    name=spec.name,
                    meaning=_(spec.meaning),
                ),
                fix=spec.set_command(name),
            )
    return new


def update_secrets(
    loaded_region: LoadedRegion,
    identities: Sequence[Path],
    extra_recipients: Sequence[str],
    change: Callable[[SecretStore], SecretStore],
    *,
    replace_lost: bool = False,
    check: bool = True,
    says_removed: bool = True,
) -> SecretStore:
    """Change the region's secrets in one step, and return them; other commands wait meanwhile.

    `change` gets what the file contains now. The file is written only when something changed, the
    people to whom it is encrypted included. Without `check`, other secrets may have a wrong form.
    With `says_removed`, a notice says that people whose keys were removed have read the secrets.

    Raises:
        BadInput: when the file is lost, or cannot be opened or written.
    """
    recipients = recipients_of(loaded_region, extra_recipients)
    with hold_secrets_lock(loaded_region.secrets_file):
        opened = _open_or_empty(loaded_region, identities, replace_lost=replace_lost, check=check)
        changed = change(opened)
        changed.notices = list(opened.notices)
        if says_removed:
            changed.notices += _notices_of_removed_keys(loaded_region, opened, recipients)
        if (
            changed.has_same_content(opened)
            and opened.recipients == recipients
            and exists_or_is_dangling_link(loaded_region.secrets_file)
        ):
            authorship.remember_last_used_file(loaded_region, opened)
            return changed
        saved = _save_encrypted(loaded_region, changed, recipients, identities)
    saved.notices = changed.notices
    return saved


def _notices_of_removed_keys(
    loaded_region: LoadedRegion, secrets: SecretStore, recipients: Sequence[str]
) -> list[str]:
    """Return that people whose keys were removed have read the secrets."""
    region = loaded_region.region
    if region.sandbox is None and removed_keys(secrets, recipients):
        return [_(REMOVED_KEYS).format(region=region.region)]
    return []


def removed_keys(secrets: SecretStore, recipients: Sequence[str]) -> set[str]:
    """Return the keys, without comments, that open the file of `secrets` but not a new one."""
    before, after = (
        set(map(key_without_comment, keys)) for keys in (secrets.recipients, recipients)
    )
    return before - after


def sign_secrets_of_any_author(
    loaded_region: LoadedRegion, identities: Sequence[Path], extra_recipients: Sequence[str]
) -> SecretStore:
    """Sign the secrets as they are, even if no operator wrote them.

    Raises:
        BadInput: when the file cannot be opened or written, or a value has a wrong form.
    """
    file = loaded_region.secrets_file
    with hold_secrets_lock(file):
        opened = store.open_secrets_file(file, identities)
        check_values(loaded_region, opened)
        recipients = recipients_of(loaded_region, extra_recipients)
        return _save_encrypted(loaded_region, opened, recipients, identities)


def _open_or_empty(
    loaded_region: LoadedRegion,
    identities: Sequence[Path],
    *,
    replace_lost: bool = False,
    check: bool = True,
) -> SecretStore:
    if exists_or_is_dangling_link(loaded_region.secrets_file):
        return open_secrets(loaded_region, identities, check=check)
    if not replace_lost:
        refuse_lost_secrets(loaded_region)
    return SecretStore({}, ())


def open_secrets(
    loaded_region: LoadedRegion, identities: Sequence[Path], *, check: bool = True
) -> SecretStore:
    """Return the region's secrets, after their author and, with `check`, each form is checked.

    Raises:
        BadInput: when the file cannot be opened, was written by a person who is no operator, or a
            value has a wrong form. Secrets of a sandbox whose keys were deleted cannot be opened by
            anyone, so the next step is another one for a sandbox.
    """
    file = loaded_region.secrets_file
    try:
        opened = store.open_secrets_file(file, identities)
    except NotARecipient as error:
        if loaded_region.region.sandbox is None:
            raise
        raise NotARecipient(
            error.message,
            fix=_(
                "if the keys of this sandbox were deleted, delete {file} too. The next "
                "deploy generates new secrets. Otherwise, {fix}",
                file=file,
                fix=error.fix,
            ),
        ) from None
    authorship.check_author(loaded_region, opened)
    if check:
        check_values(loaded_region, opened)
    return opened


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
        and exists_or_is_dangling_link(pinned)
        and read_regular_file(pinned, MAX_KNOWN_HOSTS_BYTES).strip()
    ):
        name = loaded_region.region.region
        raise BadInput(
            _(
                "{secrets_file} is missing, but {pinned} contains host keys of nodes in "
                "{name}. New secrets would replace every password on nodes that have already "
                "been deployed",
                secrets_file=loaded_region.secrets_file,
                pinned=pinned,
                name=name,
            ),
            fix=_(
                "{restore}. If no node has been deployed yet, or to replace all secrets, run: "
                "deploy secrets init {name}",
                restore=restore_step(loaded_region.secrets_file),
                name=name,
            ),
        )


def _save_encrypted(
    loaded_region: LoadedRegion,
    secrets: SecretStore,
    recipients: Sequence[str],
    identities: Sequence[Path],
) -> SecretStore:
    file = loaded_region.secrets_file
    new, sealed = sign_and_encrypt(loaded_region, secrets, recipients, identities)
    store.replace_secrets_file(file, sealed)
    authorship.remember_last_used_file(loaded_region, new)
    return new


def sign_and_encrypt(
    loaded_region: LoadedRegion,
    secrets: SecretStore,
    recipients: Sequence[str],
    identities: Sequence[Path],
) -> tuple[SecretStore, bytes]:
    """Return `secrets` as they are written now, and their file's content.

    Raises:
        BadInput: when none of `identities` opens the result, or none belongs to an operator.
    """
    file = loaded_region.secrets_file
    keys, unusable = read_private_keys_and_problems(identities)
    written = min(max(int(time.time()), secrets.written + 1), store.MAX_TIME)
    new = secrets.with_recipients(recipients, written)
    _refuse_unreadable(file, new.encrypt(file, recipients), keys, unusable)
    new = authorship.add_signature(loaded_region, new, keys.values())
    sealed = new.encrypt(file, recipients)
    new.digest = hashlib.sha256(sealed).hexdigest()
    return new, sealed


def _refuse_unreadable(
    file: Path, sealed: bytes, keys: Mapping[Path, PrivateKey], unusable: Sequence[str]
) -> None:
    try:
        store.decrypt_secrets(file, sealed, keys, unusable)
    except BadInput:
        raise BadInput(
            "; ".join(
                [
                    _(
                        "none of your SSH keys is listed under operators, so you would not "
                        "be able to decrypt the secrets"
                    ),
                    *unusable,
                ]
            ),
            fix=_(
                "add the line from ~/.ssh/id_ed25519.pub under operators in region.yml, or "
                "specify your private key: --identity FILE"
            ),
        ) from None


def recipients_of(loaded_region: LoadedRegion, extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the public keys the region's secrets are encrypted to, the recovery keys included."""
    keys = [key for person in loaded_region.region.operators.values() for key in person]
    return tuple(dict.fromkeys([*keys, *loaded_region.region.recovery.values(), *extra]))


def replace_merged(loaded_region: LoadedRegion, sealed: bytes) -> None:
    """Replace the secrets' file, which has a conflict of git, with its merged content."""
    with hold_secrets_lock(loaded_region.secrets_file):
        store.replace_secrets_file(loaded_region.secrets_file, sealed)


def merge_versions(
    loaded_region: LoadedRegion,
    identities: Sequence[Path],
    versions: Versions,
    take_theirs: Collection[str] = (),
) -> tuple[bytes, tuple[str, ...]]:
    """Return the merged content of the secrets' file, and the secrets that are in conflict.

    Raises:
        BadInput: when a version cannot be opened, or was not written by an operator.
    """
    file = loaded_region.secrets_file
    base, ours, theirs = (
        store.decrypt_with_identities(file, store.check_encrypted(file, content), identities)
        if content
        else SecretStore({}, ())
        for content in versions
    )
    was_signed = bool(base.signature) or authorship.was_seen_signed(file)
    authorship.check_author_of_merge_side(loaded_region, ours, "ours", was_signed=was_signed)
    authorship.check_author_of_merge_side(
        loaded_region, theirs, "theirs", was_signed=was_signed or bool(ours.signature)
    )
    merged, conflicts = merge_secrets(base, ours, theirs, take_theirs)
    check_values(loaded_region, merged)
    return sign_and_encrypt(loaded_region, merged, merged.recipients, identities)[1], conflicts
