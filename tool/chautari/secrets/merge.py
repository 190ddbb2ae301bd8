"""Merge two versions of `secrets.age`, secret by secret, with the version they both come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from chautari.language import Text, translate
from chautari.secrets.store import SecretStore

READ_BY_REMOVED: Text = (
    "it was changed while a key that has been removed since could still decrypt it"
)


class MergedSecrets(NamedTuple):
    """The merged secrets, and the names of those that both sides changed to different values.

    For a conflict, the merged secrets contain the value of our side.
    """

    secrets: SecretStore
    conflicts: tuple[str, ...]


def merge_secrets(
    base: SecretStore, ours: SecretStore, theirs: SecretStore, take_theirs: Collection[str] = ()
) -> MergedSecrets:
    """Return what both sides changed since `base`; `take_theirs` settles conflicts for them."""
    values, conflicts = _merge_mappings(
        _values_by_name(base), _values_by_name(ours), _values_by_name(theirs)
    )
    for name in take_theirs:
        values.pop(name, None)
        if name in theirs:
            values[name] = theirs[name]
    recipients = _merge_recipients(base, ours, theirs)
    undeployed, _ = _merge_mappings(base.undeployed, ours.undeployed, theirs.undeployed)
    due, _ = _merge_mappings(base.due, ours.due, theirs.due)
    for name in _names_readable_by_removed(base, ours, theirs, recipients):
        due.setdefault(name, translate(READ_BY_REMOVED))
    merged = SecretStore(
        values,
        recipients,
        due={name: reason for name, reason in due.items() if name in values},
        undeployed=undeployed,
        written=max(ours.written, theirs.written),
    )
    return MergedSecrets(merged, tuple(name for name in conflicts if name not in take_theirs))


def _values_by_name(secrets: SecretStore) -> dict[str, str]:
    return secrets.values_of_names(secrets.names)


def _merge_mappings(
    base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return the merged mapping, with our value for a conflict, and the names of conflicts."""
    merged: dict[str, str] = {}
    conflicts = []
    for name in sorted({*base, *ours, *theirs}):
        before, mine, other = base.get(name), ours.get(name), theirs.get(name)
        if mine not in (before, other) and other != before:
            conflicts.append(name)
        value = other if mine == before else mine
        if value is not None:
            merged[name] = value
    return merged, conflicts


def _merge_recipients(base: SecretStore, ours: SecretStore, theirs: SecretStore) -> tuple[str, ...]:
    """Return the keys of both sides; a key that one side removed stays removed."""
    removed = {
        key for key in base.recipients if key not in ours.recipients or key not in theirs.recipients
    }
    both = dict.fromkeys([*ours.recipients, *theirs.recipients])
    return tuple(key for key in both if key not in removed)


def _names_readable_by_removed(
    base: SecretStore, ours: SecretStore, theirs: SecretStore, recipients: Collection[str]
) -> set[str]:
    """Return the secrets that a side changed while its file was encrypted to a removed key."""
    found: set[str] = set()
    for side in (ours, theirs):
        if any(key not in recipients for key in side.recipients):
            found |= {name for name in side.names if name not in base or base[name] != side[name]}
    return found
