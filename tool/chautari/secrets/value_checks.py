"""Check each secret against its form, before any of them is used."""

from __future__ import annotations

from chautari.backup.secrets import stored_key_spec
from chautari.errors import BadInput
from chautari.language import _
from chautari.region.load import LoadedRegion
from chautari.secrets.required_secrets import required_secrets
from chautari.secrets.store import SecretStore
from chautari.services.secret_spec import first_invisible_character


def check_values(loaded_region: LoadedRegion, secrets: SecretStore) -> None:
    """Refuse secrets that a settings file or a terminal would read as something else.

    Others can encrypt to the operators' public keys, so the file may contain anything.

    Raises:
        BadInput: names the file, the secret and what to do; the value is not shown.
    """
    region, file = loaded_region.region.region, loaded_region.secrets_file
    known = {spec.name: spec for spec in required_secrets(loaded_region.region)}
    for name in secrets.names:
        if spec := known.get(name) or stored_key_spec(name):
            spec.check(secrets[name], region, file)
        elif hidden := first_invisible_character(secrets[name]):  # of a service that was removed
            raise BadInput(
                _(
                    "{file}: the secret {name} contains the hidden character U+{code:04X}",
                    file=file,
                    name=name,
                    code=ord(hidden),
                ),
                fix=_("restore secrets.age from git"),
            )
