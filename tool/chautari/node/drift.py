"""Find what changed on a node since its last deploy; print it, or mail it from a timer.

chautari-drift          prints what changed; exits with 1 when something did
chautari-drift --mail   mails it to root, unless the same was mailed before
"""

from __future__ import annotations

import difflib
import hashlib
import json
import socket
import stat
import subprocess
import sys
import time
from email.message import EmailMessage
from pathlib import Path

from chautari.node import lock, reason_texts, receipt_writer, receipts
from chautari.node.changes_since_receipt import State
from chautari.node.events import DriftAnswer, LockHolder, Reason, ResourceDrift
from chautari.node.safe_text import escape_controls
from chautari.node.translation import _, load_translations, ngettext

STATE = Path("/var/lib/chautari")
MAX_DIFF_LINES = 60
SENDMAIL = "/usr/sbin/sendmail"


def find_drift(state: Path, busy: LockHolder | None = None) -> DriftAnswer:
    """Return every difference from the receipts, by role.

    During a run, the holder of the lock is `busy`: a role without a receipt may be running.
    """
    known = receipts.all_receipts(state)
    roles: dict[str, list[ResourceDrift]] = {}
    for receipt, reasons in zip(known, receipts.drift_reasons(known), strict=True):
        pairs = zip(receipt.items, receipt.states, strict=True)
        states = {item["name"]: before for item, before in pairs if item["kind"] == "path"}
        # An incomplete receipt calls for a deploy; it is no manual change.
        changes = [item for item in reasons if item["code"] != "receipt_incomplete"]
        if changes:
            roles[receipt.role] = [_drift_with_file_diff(state, item, states) for item in changes]
    without_receipt = receipts.installed_roles_without_receipt(state)
    if busy is None:
        roles |= {role: [{"code": "receipt_lost", "data": {}}] for role in without_receipt}
    deployed = max((receipt.written_at for receipt in known), default=0)
    count = len(known) + len(without_receipt)
    return {"event": "drift", "roles": roles, "deployed": deployed, "known": count, "busy": busy}


def _drift_with_file_diff(state: Path, change: Reason, states: dict[str, State]) -> ResourceDrift:
    path = str(change["data"].get("path", ""))
    diff = _file_diff(state, path, states[path]) if path in states else []
    if diff:
        return {"code": change["code"], "data": change["data"], "diff": diff}
    return {"code": change["code"], "data": change["data"]}


def _file_diff(state: Path, name: str, before: State) -> list[str]:
    """Return a diff of a file, when its old text is saved and every account may read it."""
    saved = receipts.receipts_folder(state) / "contents" / str(before.get("sha256", ""))
    if not before.get("sha256") or not saved.is_file():
        return []
    try:
        # A file that was closed to others meanwhile may hold what others must not see.
        there = Path(name).lstat()
        # Reading something else than a regular file (a pipe, a link) may never end.
        if not stat.S_ISREG(there.st_mode):
            return []
        if not there.st_mode & 0o004 or there.st_size > receipt_writer.SHOWN_BYTES:
            return []
        now = Path(name).read_text(errors="replace")
    except OSError:
        return []
    old, new = saved.read_text(errors="replace").splitlines(), now.splitlines()
    lines = list(difflib.unified_diff(old, new, "deployed", "now", n=1, lineterm=""))
    more = len(lines) - MAX_DIFF_LINES
    return lines[:MAX_DIFF_LINES] + (
        [ngettext("… {count} more line", "… {count} more lines", more)] if more > 0 else []
    )


def drift_text(answer: DriftAnswer) -> str:
    """Return a drift answer as text for a terminal."""
    if not answer["known"]:
        return _("Nothing has been deployed here yet, so there is nothing to compare with.")
    when = _("the last deploy")
    if 0 < answer["deployed"] < reason_texts.YEAR_10000:
        moment = time.localtime(answer["deployed"])
        when = _("the deploy of {time}", time=time.strftime("%Y-%m-%d %H:%M", moment))
    if not answer["roles"]:
        return _("Nothing has changed since {when}.", when=when)
    lines = [_("Changed since {when}:", when=when)]
    for role, changes in answer["roles"].items():
        lines.append(f"{role}")
        for change in changes:
            text = reason_texts.reason_text(change["code"], change["data"])
            first, *rest = text.splitlines() + list(change.get("diff", []))
            lines += [f"  {first}", *(f"      {line}" for line in rest)]
    return "\n".join(map(escape_controls, lines))


def main(arguments: list[str], state: Path = STATE) -> int:
    """Print or mail the drift of this node and return the exit code."""
    load_translations()
    if "--mail" in arguments:
        _mail_new_drift(state)
        return 0
    answer = find_drift(state, lock.lock_holder())
    print(drift_text(answer))
    return 1 if answer["roles"] else 0


def _mail_new_drift(state: Path) -> None:
    before = lock.lock_holder()
    answer = find_drift(state)
    # What differs during a deploy is its own work; the next run of the timer sees what remains.
    if before is not None or lock.lock_holder() is not None:
        return
    note = state / "drift.mailed"
    digest = hashlib.sha256(json.dumps(answer["roles"], sort_keys=True).encode()).hexdigest()
    mailed = note.read_text() if note.is_file() else ""
    if answer["roles"] and digest != mailed:
        _send_mail(answer)
    note.write_text(digest)


def _send_mail(answer: DriftAnswer) -> None:
    node = socket.gethostname()
    message = EmailMessage()
    message["To"] = "root"
    message["Subject"] = _("{node}: something changed since the last deploy", node=node)
    message.set_content(
        drift_text(answer)
        + "\n\n"
        + _(
            "If you did not make these changes, find out who did. To restore the deployed state, "
            "deploy the region again. The roles listed above will run again."
        )
        + "\n"
    )
    subprocess.run([SENDMAIL, "-t", "-oi"], input=message.as_bytes(), check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
