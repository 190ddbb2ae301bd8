"""Log in to a node once more, so that it keeps new settings of SSH.

Without such a login, the node removes the settings by itself. So an error here, or the end of this
process, leaves the node reachable with its old settings.
"""

from __future__ import annotations

import time

from chautari.language import _
from chautari.process import OutputLimits, RunningCommand
from chautari.ssh.account_fallback import accounts_of_node, current_login
from chautari.ssh.target import SSHTarget, command_as_root, ssh_argv

CONFIRM = "/usr/local/sbin/chautari-ssh confirm"
PROVE = "/usr/local/sbin/chautari-login-keys confirm"
# No settings wait for a login: the events are those of a run that has ended, or they were removed,
# which the role itself reports.
NOTHING_TO_KEEP = 3
# The node waits for two minutes. A connection that broke may be back by then.
TRY_SECONDS = 100.0
PAUSE_SECONDS = 3.0
# Temporary errors: the next connection may succeed.
_PASSING_ERRORS = (
    "timed out", "connection refused", "no route to host", "network is unreachable",
    "connection closed", "connection reset", "broken pipe", "not responding",
)  # fmt: skip
_LIMITS = OutputLimits(line_bytes=1 << 16, total_bytes=1 << 18)


def try_own_login_and_return_error(target: SSHTarget) -> str:
    """Log in with the operator's own account, to show that the node needs no other keys.

    Return why that failed; empty if it did not.
    """
    own = [login for login in accounts_of_node(target) if login.user != login.configured_user]
    error = _("no operator in region.yml has the key in use")
    for login in own:
        if not (error := _try_login(login, PROVE)):
            return ""
    return error


def try_new_login_and_return_error(target: SSHTarget) -> str:
    """Log in and let the node keep its new settings; return why that failed, or nothing."""
    return _try_login(current_login(target), CONFIRM)


def _try_login(target: SSHTarget, confirm: str) -> str:
    """Log in and run a command; a login that the server rejects is not repeated.

    A server may block an address that fails often.
    """
    deadline = time.monotonic() + TRY_SECONDS
    while True:
        # At its usual level, ssh keeps silent about algorithms that do not match.
        argv = ssh_argv(target, command_as_root(target, confirm), log_level="INFO")
        command = RunningCommand(argv, limits=_LIMITS)
        for __ in command:
            pass
        if command.code in (0, NOTHING_TO_KEEP):
            return ""
        error = _("exit code {code}", code=command.code)
        if command.stderr:
            error = command.stderr.splitlines()[-1]
        passing = any(words in error.lower() for words in _PASSING_ERRORS)
        if not passing or time.monotonic() > deadline:
            return error
        time.sleep(PAUSE_SECONDS)
