"""The shell steps that make the environment which Ansible and the checks run in on a node."""

from __future__ import annotations

import shlex

RUNNER = "/opt/chautari"
PIP = "/usr/share/python-wheels/pip-*.whl"  # of python3-pip-whl, which python3-venv depends on
TURN_WAIT = 900  # seconds
SWITCH_WAIT = 10
BUSY = 75  # sysexits(3): try again later
RUN_LOCK = "/var/lib/chautari/lock"  # node/lock.py: held by a run for as long as it works


def script(marker: str, python: str, who: str) -> str:
    """Return the script that makes the environment of `marker`, the digest of what is installed.

    The list of what is installed comes on standard input: SFTP is not there on every machine. `who`
    asks for it; somebody who waits for that in vain is told.
    """
    lock = f"{RUNNER}/requirements.lock"
    return "; ".join(
        (
            "set -e",
            "list=$(cat)",
            f"mkdir -p {RUNNER}",
            _turn(who),
            steps(f"{RUNNER}/venv-{marker[:12]}", lock, marker, python),
        )
    )


def _turn(who: str) -> str:
    """Return the shell steps that wait until no other preparation is at work.

    While the lock is held its file says who holds it, and since when.
    """
    lock = f"{RUNNER}/prepare.lock"
    busy = (
        f'"another preparation is still at work here, of $(grep . {lock} || echo somebody): '
        'wait until it has ended, then deploy again"'
    )
    told = f"{{ code=$?; [ $code != {BUSY} ] || printf '%s\\n' {busy} >&2; exit $code; }}"
    return "; ".join(
        (
            f"exec 8>> {lock}",
            f"flock --wait {TURN_WAIT} --conflict-exit-code {BUSY} 8 || {told}",
            f"trap ': > {lock}' EXIT",
            f"printf '%s since %s UTC\\n' {shlex.quote(who)} \"$(date -u +%H:%M)\" > {lock}",
        )
    )


def steps(new: str, lock: str, marker: str, python: str = "python3") -> str:
    """Return the shell steps that make the environment `new`, unless another prepare just did.

    A prepare whose operator went away goes on here; the lock lets the next one wait for it.
    """
    # pip runs out of the wheel that Debian's python3-venv brings: installing pip first takes longer
    # than all that it installs. What is needed of Ansible is compiled when it is first used.
    pip = (
        f"PYTHONPATH=$(echo {PIP}) {new}/bin/python -m pip install --no-compile --quiet "
        "--disable-pip-version-check --retries 10 --timeout 60"
    )
    cut = "the list of what to install did not arrive whole: deploy again"
    return "; ".join(
        (
            f'if [ "$(cat {new}/chautari-lock 2>/dev/null)" != {marker} ]; '
            f"then printf '%s\\n' \"$list\" > {lock}",
            f"echo '{marker}  {lock}' | sha256sum --check --status "
            f"|| {{ echo {cut} >&2; exit 1; }}",
            f"{python} -m venv --clear --without-pip {new}",
            f"{pip} --only-binary :all: --require-hashes --requirement {lock}",
            f"echo {marker} > {new}/chautari-lock",
            "fi",
            _switch(new),
            _sweep(new),
        )
    )


def _switch(new: str) -> str:
    """Return the shell steps that put the environment `new` in place, never under a run.

    A run loads from it until it ends; none can begin meanwhile. Where there is no lock yet, none
    ever ran.
    """
    put = f"ln -sfn {new} {RUNNER}/venv"
    busy = "a run is at work on this node: wait until it has ended, then deploy again"
    held = f"flock --shared --wait {SWITCH_WAIT} 9 || {{ echo {busy} >&2; exit {BUSY}; }}"
    return "; ".join(
        (
            f'if [ "$(readlink {RUNNER}/venv)" != {new} ]',
            f"then if [ -e {RUN_LOCK} ]",
            f"then ( {held}; {put} ) 9< {RUN_LOCK}",
            f"else {put}",
            "fi",
            "fi",
        )
    )


def _sweep(new: str) -> str:
    """Return the shell steps that delete the environments of earlier locks, 60 MB each.

    A run may be at work in one of them: while one is, all stay for the next time. None can begin
    while they are put aside, and after that none finds them.
    """
    return "; ".join(
        (
            f"if [ -e {RUN_LOCK} ] && exec 9< {RUN_LOCK} && flock --shared --nonblock 9",
            f"then for old in {RUNNER}/venv-*",
            f'do [ "$old" = {new} ] || mv "$old" "{RUNNER}/old-${{old##*/}}"',
            "done",
            "exec 9<&-",
            f"rm -rf {RUNNER}/old-*",
            "fi",
        )
    )
