"""The account that runs the command; in a container, its number may have no entry in passwd."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from chautari.errors import BadInput
from chautari.language import _


def account_name() -> str:
    """Return the account's name, or `uid-12345` for one that has only a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def home_dir() -> Path:
    """Return the account's home folder.

    Raises:
        BadInput: when neither HOME nor passwd has one.
    """
    try:
        return Path.home()
    except (KeyError, RuntimeError):
        raise BadInput(
            _("the account {account_name} has no home folder", account_name=account_name()),
            fix=_('export HOME="$PWD", or set HOME to another folder that your account owns'),
        ) from None
