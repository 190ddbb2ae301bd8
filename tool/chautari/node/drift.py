"""What changed on a node since its last deploy, told to the operator, or mailed by a timer.

chautari-drift          prints what changed; ends with 1 when something did
chautari-drift --mail   mails it to root, unless the same was mailed before
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import socket
import stat
import subprocess
import sys
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from chautari.node import lock, receipt_writer, receipts
from chautari.node.differences import reason

STATE = Path("/var/lib/chautari")
MOST_DIFF_LINES = 60
SENDMAIL = "/usr/sbin/sendmail"
# These tell of a deploy that has to go on, not of something that was changed by hand.
NOT_DRIFT = frozenset({"open"})
LOST = (
    "its receipt is damaged or missing, or its last deploy did not end well, so nobody can tell "
    "what changed; deploy the region again: the role runs and leaves a new one"
)
# Names and texts on a node may be anybody's: what steers a terminal, or turns the direction of
# reading, is shown as an escape sequence instead.
_STEERING = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def drift(state: Path) -> dict[str, Any]:
    """Return the event that names every difference, role by role."""
    left = receipts.left(state)
    roles: dict[str, list[dict[str, Any]]] = {}
    for receipt, reasons in zip(left, receipts.drifted(left), strict=True):
        pairs = zip(receipt.items, receipt.states, strict=True)
        states = {item["name"]: state for item, state in pairs if item["kind"] == "path"}
        told: list[dict[str, Any]] = [
            dict(item) for item in reasons if item["kind"] not in NOT_DRIFT
        ]
        for item in told:
            then = states.get(item["name"], {})
            if item["kind"] == "path" and (diff := _diff(state, item["name"], then)):
                item["diff"] = diff
        if told:
            roles[receipt.role] = told
    lost = receipts.lost(state)
    roles |= {role: [dict(reason("lost", role, LOST))] for role in lost}
    sealed = max((receipt.sealed for receipt in left), default=0)
    return {"event": "drift", "roles": roles, "deployed": sealed, "known": len(left) + len(lost)}


def _diff(state: Path, name: str, then: dict[str, Any]) -> list[str]:
    """Return the lines that differ, when the old text is known and everybody may read it."""
    kept = receipts.folder_of(state) / "contents" / str(then.get("sha256", ""))
    if not then.get("sha256") or not kept.is_file():
        return []
    try:
        # A file that was closed to others meanwhile may hold what others must not see.
        there = Path(name).lstat()
        # What is no plain file any more (a pipe, or a link to anything) may never come to an end.
        if not stat.S_ISREG(there.st_mode):
            return []
        if not there.st_mode & 0o004 or there.st_size > receipt_writer.SHOWN_BYTES:
            return []
        now = Path(name).read_text(errors="replace")
    except OSError:
        return []
    old, new = kept.read_text(errors="replace").splitlines(), now.splitlines()
    lines = list(difflib.unified_diff(old, new, "deployed", "now", n=1, lineterm=""))
    more = len(lines) - MOST_DIFF_LINES
    return lines[:MOST_DIFF_LINES] + ([f"… {more} more lines"] if more > 0 else [])


def text(found: dict[str, Any]) -> str:
    """Return what was found in words, fit for a terminal."""
    if not found["known"]:
        return "Nothing was deployed here yet, so there is nothing to compare with."
    when = "the last deploy"
    if found["deployed"]:
        moment = time.localtime(found["deployed"])
        when = time.strftime("the deploy of %Y-%m-%d %H:%M", moment)
    if not found["roles"]:
        return f"Nothing changed since {when}."
    lines = [f"Changed since {when}:"]
    for role, items in found["roles"].items():
        lines.append(f"{role}")
        for item in items:
            told = item["text"].splitlines() + item.get("diff", [])
            lines += [f"  {told[0]}", *(f"      {line}" for line in told[1:])]
    return "\n".join(_STEERING.sub(_escaped, line) for line in lines)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def main(arguments: list[str], state: Path = STATE) -> int:
    """Print or mail the drift of this node and return the exit code."""
    if "--mail" in arguments:
        _look_and_mail(state)
        return 0
    found = drift(state)
    print(text(found))
    return 1 if found["roles"] else 0


def _look_and_mail(state: Path) -> None:
    busy = lock.holder()
    found = drift(state)
    # What differs while a deploy is at work is its own doing: the next look tells what stays.
    if busy is not None or lock.holder() is not None:
        return
    note = state / "drift.mailed"
    digest = hashlib.sha256(json.dumps(found["roles"], sort_keys=True).encode()).hexdigest()
    before = note.read_text() if note.is_file() else ""
    if found["roles"] and digest != before:
        _mail(found)
    note.write_text(digest)


def _mail(found: dict[str, Any]) -> None:
    node = socket.gethostname()
    message = EmailMessage()
    message["To"] = "root"
    message["Subject"] = f"{node}: something changed since the last deploy"
    message.set_content(
        text(found) + "\n\nIf you did not do this, look into it. To put it right, deploy the "
        "region again: only the roles named above will run.\n"
    )
    subprocess.run([SENDMAIL, "-t", "-oi"], input=message.as_bytes(), check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
