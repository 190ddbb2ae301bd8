"""Read the facts of a machine over one SSH connection, without changing anything on it."""

from __future__ import annotations

import shlex
import time
from typing import NamedTuple

from chautari.preflight import facts
from chautari.process import ProcessError, run
from chautari.ssh.target import SSHTarget, ssh_argv

SECONDS = 90.0  # to connect, over a link with 300 ms and losses, and to run the script
MAX_BYTES = 200_000
MAX_SAID = 2000


class MachineAnswer(NamedTuple):
    """What a machine answered.

    Attributes:
        facts: its facts; None if it did not run the script.
        said: what SSH or the machine said in place of them.
    """

    facts: facts.Facts | None
    said: str = ""


def read_machine_facts(target: SSHTarget, *, first_contact: bool = False) -> MachineAnswer:
    """Return the facts of a machine.

    At `first_contact`, a host key that is not known is accepted and written to the target's file.
    """
    argv = ssh_argv(target, f"sh -c {shlex.quote(facts.facts_script({}))}")
    if first_contact:
        # SSH uses the first value of an option.
        new = ("-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=no")
        argv = (argv[0], *new, *argv[1:])
    sent_at = time.time()
    try:
        done = run(argv, timeout=SECONDS, check=False)
    except ProcessError as error:
        return MachineAnswer(None, error.message[:MAX_SAID])
    lines = done.stdout[:MAX_BYTES].decode(errors="replace").splitlines()
    found = facts.parse_facts_output(lines, sent_at, time.time())
    if found is not None:
        return MachineAnswer(found)
    errors = done.stderr[-MAX_SAID:].decode(errors="replace").strip()
    return MachineAnswer(None, f"{errors}\n{done.text[:MAX_SAID]}".strip())
