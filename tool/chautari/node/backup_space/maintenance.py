"""Check, copy and compact the repositories of peers every night, and remember the results."""

from __future__ import annotations

import json
import os
import pwd
import smtplib
import subprocess
import time
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from chautari.node.backup_space import compaction_guard, copies, segments
from chautari.node.backup_space.settings import SpaceForPeerNode
from chautari.node.translation import _, fill, load_translations

HOME = Path("/var/lib/chautari/backup_space")
BORG = "/usr/bin/borg"
LOCK_SECONDS = 1800
CHECK_SECONDS = 12 * 3600
REPEAT_SECONDS = 24 * 3600
MAIL_SERVER = ("127.0.0.1", 25)
Templates = Mapping[str, str]
TEXTS: Templates = {
    "damaged": "{space}: the repository is damaged: {reason}. Fix: check the disk of this node, "
    "and tell the operators of {peer}: they need a new repository on a healthy disk.",
    "compaction_refused": "{space}: {share} % of the repository is marked as deleted, so it was "
    "not compacted. Fix: ask the operators of {peer} whether they deleted this data. If they "
    "did not, someone has stolen their key: see the README of the role backup_space.",
    "unfinished": "{space}: the nightly check did not finish: {reason}. Fix: check whether the "
    "repository is in use all the time.",
}


def run_as_and_return_error(account: str, command: Sequence[str], limit: float) -> str:
    """Run borg as the account of a peer, and return why it failed; empty if it did not."""
    entry = pwd.getpwnam(account)
    base = HOME / account
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chown(base, entry.pw_uid, entry.pw_gid)
    try:
        done = subprocess.run(
            [BORG, "--lock-wait", str(LOCK_SECONDS), *command],
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=[],
            env={
                "PATH": "/usr/bin:/bin",
                "LC_ALL": "C.UTF-8",
                "BORG_BASE_DIR": str(base),
                # Repositories are only looked at, never decrypted.
                "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
                "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            },
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "it takes too long"
    if done.returncode == 0:
        return ""
    return (done.stderr or done.stdout).strip()[-300:] or f"exit {done.returncode}"


def maintain_repository(space: SpaceForPeerNode, now: float) -> dict[str, Any]:
    """Check one repository, copy it and compact it, and return what to remember."""
    found: dict[str, Any] = {"checked": int(now), "check_ok": None, "error": None}
    reason = run_as_and_return_error(
        space.account, ["check", "--repository-only", str(space.repository)], CHECK_SECONDS
    )
    if "lock" in reason.lower() or reason == "it takes too long":
        return found | {"error": {"code": "unfinished", "data": {"reason": reason}}}
    if reason:
        # The copy stays as it is: it may be the last one without damage.
        error = {"code": "damaged", "data": {"reason": reason}}
        return found | {"check_ok": False, "error": error}
    found["check_ok"] = True
    decision = _compaction_decision(space)
    found["bytes"] = segments.size_of_segments(space.repository)
    if decision is not None and decision.action == "refuse":
        share = round(100 * decision.freeable / max(decision.total, 1))
        return found | {"error": {"code": "compaction_refused", "data": {"share": share}}}
    if copies.is_copy_due(space, now):
        copies.replace_copy(space, now)
    if decision is not None and decision.action == "compact":
        run_as_and_return_error(space.account, ["compact", str(space.repository)], CHECK_SECONDS)
        found["compacted"] = int(now)
    return found | {"copied": int(copies.time_of_copy(space))}


def _compaction_decision(space: SpaceForPeerNode) -> compaction_guard.Decision | None:
    try:
        freeable = segments.freeable_bytes(space.repository)
    except segments.UnknownHints:
        return None  # known after the peer's next backup
    size = segments.size_of_segments(space.repository)
    deleted = copies.size_deleted_since_copy(space)
    return compaction_guard.decide_whether_to_compact(
        freeable, size, deleted, segments.size_of_segments(space.copy)
    )


def maintain_all_repositories(spaces: Sequence[SpaceForPeerNode], home: Path = HOME) -> int:
    """Maintain all repositories, remember and mail the results, and return 1 if one is damaged."""
    load_translations()
    now = time.time()
    state_file = home / "state.json"
    before = _read_last_results(state_file)
    state: dict[str, Any] = {}
    for space in spaces:
        if not space.exists:
            state[space.name] = {"checked": None, "check_ok": None, "error": None}
            continue
        known = before.get(space.name, {})
        state[space.name] = known | maintain_repository(space, now)
        print(json.dumps({space.name: state[space.name]}), flush=True)
    problems = {
        space: state[space.name]["error"] for space in spaces if state[space.name].get("error")
    }
    lines = [problem_and_fix_text(space, error) for space, error in problems.items()]
    mailed = before.get("mailed", 0)
    if lines and now - mailed > REPEAT_SECONDS - 3600:
        _mail_problems_to_root(lines)
        mailed = int(now)
    _write_json_atomically(state_file, {"format": 1, "spaces": state, "mailed": mailed})
    return 1 if lines else 0


def problem_and_fix_text(space: SpaceForPeerNode, error: dict[str, Any]) -> str:
    """Return what is wrong with a repository, and what to do."""
    values = {"share": "?", "reason": "?"} | error["data"]
    printable = {key: str(value).encode("unicode_escape").decode() for key, value in values.items()}
    return fill(TEXTS[error["code"]], {"space": space.name, "peer": space.peer, **printable})


def _mail_problems_to_root(lines: Sequence[str]) -> None:
    message = EmailMessage()
    message["From"] = message["To"] = "root"
    message["Auto-Submitted"] = "auto-generated"
    message["Subject"] = _("Backups of peers need attention")
    message.set_content("\n\n".join(lines) + "\n")
    try:
        with smtplib.SMTP(*MAIL_SERVER, timeout=30) as server:
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        print(f"The mail was not sent: {type(error).__name__}", flush=True)


def _read_last_results(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
        return dict(found["spaces"]) | {"mailed": found["mailed"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write_json_atomically(path: Path, content: object) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(0o644)
    temporary.replace(path)
