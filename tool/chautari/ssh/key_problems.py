"""Find out why a node rejects a login: the cause may be the key on this machine."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path

from chautari.report.model import Refusal
from chautari.secrets.private_keys import default_private_keys, needs_passphrase
from chautari.ssh.account_choice import agent_keys
from chautari.ssh.known_hosts import may_contain_host_key
from chautari.ssh.target import SSHTarget


def rejected_key_refusal(target: SSHTarget) -> Refusal:
    """Return why a node rejected the login, with the command that helps."""
    data: dict[str, str] = {"address": target.address}
    files = [target.key] if target.key else default_private_keys()
    in_agent = agent_keys()
    if not files and not in_agent:
        return Refusal("no_key", data | {"command": "ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519"})
    for file in files:
        if _is_readable_by_others(file):
            return Refusal(
                "key_not_private",
                data | {"file": str(file), "command": shlex.join(("chmod", "600", str(file)))},
            )
        if not in_agent and needs_passphrase(file):
            agent = "" if os.environ.get("SSH_AUTH_SOCK") else 'eval "$(ssh-agent)" && '
            return Refusal(
                "key_has_passphrase",
                data | {"file": str(file), "command": agent + shlex.join(("ssh-add", str(file)))},
            )
    public = f"{files[0]}.pub" if files else ""
    words = ["ssh-copy-id", *(["-i", public] if public else []), "-p", str(target.port)]
    if may_contain_host_key(target.known_hosts, target.address, target.port):
        words += ["-o", f"UserKnownHostsFile={target.known_hosts}"]
    account = target.configured_user or target.user
    return Refusal(
        "key_rejected", data | {"command": shlex.join((*words, f"{account}@{target.address}"))}
    )


def _is_readable_by_others(file: Path) -> bool:
    """Return whether SSH refuses a key's permissions; those of other accounts it does not check."""
    with suppress(OSError):
        found = file.stat()
        return found.st_uid == os.getuid() and bool(found.st_mode & 0o077)
    return False
