"""Brings an installation to its end that a power cut or a kill cut short.

Until that is done dpkg and apt refuse all work, whichever role asks for it. Settings that somebody
changed are kept, and nobody is asked anything.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from chautari.node import lock

# Prints a line for each package that is not whole, and for what dpkg noted and did not take in yet.
LOOK = (
    r"dpkg-query --show --showformat '${db:Status-Eflag}/${db:Status-Status} ${Package}\n'"
    " | grep -vE '^ok/(installed|config-files|not-installed) '"
    "; find /var/lib/dpkg/updates -name '[0-9]*' -printf 'notes in %h\\n' | head -n 1"
)
_KEPT = ("--force-confdef", "--force-confold")
_APT = " ".join(
    [
        "apt-get --quiet --yes --no-remove --no-install-recommends -o DPkg::Lock::Timeout=600",
        *(f"-o Dpkg::Options::={option}" for option in _KEPT),
        "--fix-broken install",
    ]
)
# The script that puts it right, for `sh -c`, of this side and of the preparation. What is left
# unpacked without what it depends on is for apt; apt asks for nothing that is there already.
FINISH = "; ".join(
    (
        "export DEBIAN_FRONTEND=noninteractive",
        f"look() {{ {LOOK}; }}",
        '[ -n "$(look)" ] || exit 0',
        f"timeout -k 10 1800 dpkg {' '.join(_KEPT)} --configure --pending || true",
        f'[ -z "$(look)" ] || timeout -k 10 3600 {_APT}',
        '[ -z "$(look)" ]',
    )
)


def unfinished() -> list[str]:
    """Return the packages that are not whole, and where dpkg left notes: none if all is well."""
    argv = ["sh", "-c", LOOK]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    # A line is a package behind its state, or the notes' folder behind two words.
    return [line.split()[-1] for line in done.stdout.splitlines() if line.strip()]


def cut_short() -> list[str]:
    """Return what a run would finish before it begins.

    While another program is at work with dpkg, what is half done is that one's business.
    """
    return [] if lock.apt_holder() else unfinished()


def finish(run: Callable[[list[str]], int], tell: Callable[..., None]) -> None:
    """Bring a cut-off installation to its end; where that fails the roles' own tasks say so.

    `run` starts a command and returns its exit code, `tell` writes an event.
    """
    if left := cut_short():
        code = run(["sh", "-c", FINISH])
        tell("packages_finished", packages=left, ok=code == 0)
