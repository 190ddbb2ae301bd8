"""Complete an installation that a power cut or a kill interrupted.

Until then dpkg and apt refuse all work. Settings that an administrator changed are kept, and no
question is asked.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from chautari.node import lock
from chautari.node.events import DpkgRepairFinished

# Prints a line for each package that is not fully installed, and for pending notes of dpkg.
FIND_INTERRUPTED = (
    r"dpkg-query --show --showformat '${db:Status-Eflag}/${db:Status-Status} ${Package}\n'"
    " | grep -vE '^ok/(installed|config-files|not-installed) '"
    "; find /var/lib/dpkg/updates -name '[0-9]*' -printf 'pending changes in %h\\n' | head -n 1"
)
_KEEP_SETTINGS = ("--force-confdef", "--force-confold")
_APT = " ".join(
    [
        "apt-get --quiet --yes --no-remove --no-install-recommends -o DPkg::Lock::Timeout=600",
        *(f"-o Dpkg::Options::={option}" for option in _KEEP_SETTINGS),
        "--fix-broken install",
    ]
)
# The script that completes it, for `sh -c`; the preparation runs it, too. Packages whose
# dependencies are missing are completed by apt, which then fetches only those.
REPAIR = "; ".join(
    (
        "export DEBIAN_FRONTEND=noninteractive",
        f"look() {{ {FIND_INTERRUPTED}; }}",
        '[ -n "$(look)" ] || exit 0',
        f"timeout -k 10 1800 dpkg {' '.join(_KEEP_SETTINGS)} --configure --pending || true",
        f'[ -z "$(look)" ] || timeout -k 10 3600 {_APT}',
        '[ -z "$(look)" ]',
    )
)


def list_unfinished_dpkg_work() -> list[str]:
    """Return the packages that are not fully installed, and the folder of dpkg's pending notes."""
    argv = ["sh", "-c", FIND_INTERRUPTED]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    # The last word of a line is a package, or the notes' folder.
    return [line.split()[-1] for line in done.stdout.splitlines() if line.strip()]


def packages_to_repair() -> list[str]:
    """Return the packages that a run would complete before it begins.

    While another program holds apt's lock, unfinished packages are its own work.
    """
    return [] if lock.apt_lock_holder() else list_unfinished_dpkg_work()


def repair_dpkg(
    run: Callable[[list[str]], int], emit: Callable[[DpkgRepairFinished], None]
) -> None:
    """Complete an interrupted installation; where that fails, the roles' own tasks report it.

    `run` starts a command and returns its exit code, `emit` writes an event.
    """
    if found := packages_to_repair():
        code = run(["sh", "-c", REPAIR])
        emit({"event": "dpkg_repaired", "packages": found, "ok": code == 0})
