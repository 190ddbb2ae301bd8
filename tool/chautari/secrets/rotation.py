"""New values for secrets, for example after an operator has left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from chautari.backup.secrets import PREFIX as BACKUP_PREFIX
from chautari.errors import BadInput
from chautari.language import _
from chautari.region.model import Region
from chautari.secrets.required_secrets import required_secrets, secret_names_of_node
from chautari.secrets.store import SecretStore
from chautari.services.secret_spec import Rotation, SecretSpec


class Rotated(NamedTuple):
    """The secrets after a rotation.

    Attributes:
        changed: those with a new value.
        due: those that people must change.
        kept: those that keep their value, since another one would make data unreadable.
        dropped: those that were deleted, since no service uses them.
        nodes: the nodes that must get new values.
    """

    secrets: SecretStore
    changed: tuple[SecretSpec, ...]
    due: tuple[SecretSpec, ...] = ()
    kept: tuple[SecretSpec, ...] = ()
    dropped: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()


def rotate_named(region: Region, secrets: SecretStore, names: Sequence[str], why: str) -> Rotated:
    """Return `secrets` with new values for those called `names`.

    Raises:
        BadInput: when a deploy cannot apply a new value of one of them.
    """
    known = {spec.name: spec for spec in required_secrets(region)}
    specs = [known[name] for name in names]
    for spec in specs:
        if spec.rotation in (Rotation.PERSON, Rotation.NEVER):
            set_it = _(" Then: {set_command}", set_command=spec.set_command(region.region))
            raise BadInput(
                _(
                    "{name} ({meaning}) cannot be replaced by a generated value",
                    name=spec.name,
                    meaning=_(spec.meaning),
                ),
                fix=_(spec.rotation_note) + (set_it if spec.rotation is Rotation.PERSON else ""),
            )
    return _replace_values(region, secrets, specs, why)


def rotate_all_deployable(region: Region, secrets: SecretStore, why: str) -> Rotated:
    """Return `secrets` with new values for all that a deploy can apply.

    What people must change themselves is due afterwards.
    """
    specs = [spec for spec in required_secrets(region) if spec.name in secrets]
    known = {spec.name for spec in specs}
    unused = [
        name for name in secrets.names if name not in known and not name.startswith(BACKUP_PREFIX)
    ]
    rotated = _replace_values(
        region, secrets.without(unused), _specs_with_rotation(specs, Rotation.DEPLOY), why
    )
    due = _specs_with_rotation(specs, Rotation.NAMED, Rotation.PERSON)
    return rotated._replace(
        secrets=rotated.secrets.with_secrets_due_for_change(
            rotated.secrets.due | {spec.name: why for spec in due}
        ),
        due=due,
        kept=_specs_with_rotation(specs, Rotation.NEVER),
        dropped=tuple(unused),
    )


def _specs_with_rotation(specs: Iterable[SecretSpec], *kinds: Rotation) -> tuple[SecretSpec, ...]:
    return tuple(spec for spec in specs if spec.rotation in kinds)


def _replace_values(
    region: Region, secrets: SecretStore, specs: Sequence[SecretSpec], why: str
) -> Rotated:
    new = secrets.with_values({spec.name: spec.make() for spec in specs})
    nodes = nodes_with_secrets(region, {spec.name for spec in specs})
    new = new.with_undeployed(new.undeployed | dict.fromkeys(nodes, why))
    return Rotated(new, tuple(specs), nodes=nodes)


def nodes_with_secrets(region: Region, names: Collection[str]) -> tuple[str, ...]:
    """Return the nodes that get one of the secrets called `names`."""
    return tuple(
        node
        for node in region.nodes
        if any(name in names for name in secret_names_of_node(region, node))
    )
