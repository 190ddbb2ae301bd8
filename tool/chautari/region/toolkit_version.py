"""The version of Chautari for which a `region.yml` was written."""

from __future__ import annotations

import re
import shlex

from chautari import __version__
from chautari.language import _
from chautari.paths import content_root, is_checkout

_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
CODE = "toolkit_too_old"
Version = tuple[int, ...]


def parse_version(value: object) -> Version | None:
    """Return the numbers of a version, to compare it; None if it is not one."""
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        return None
    return tuple(map(int, value.split(".")))


def current_version() -> Version:
    """Return the version of this toolkit."""
    version = parse_version(__version__)
    assert version is not None
    return version


def message_if_toolkit_too_old(required_version: object) -> str:
    """Return what to do if a file was written for a newer toolkit than this one, or nothing.

    What is not a version is left to the validation of the key.
    """
    version = parse_version(required_version)
    if version is None or version <= current_version():
        return ""
    return _(
        "this file was written for Chautari {required_version}, but this is Chautari "
        "{version}; {update_step}",
        required_version=required_version,
        version=__version__,
        update_step=_update_step(str(required_version)),
    )


def _update_step(required_version: str) -> str:
    if is_checkout():
        root = shlex.quote(str(content_root()))
        return _("update Chautari: git -C {root} pull && make -C {root} setup", root=root)
    return _(
        "install Chautari {required_version} or newer, in the same way as this version",
        required_version=required_version,
    )
