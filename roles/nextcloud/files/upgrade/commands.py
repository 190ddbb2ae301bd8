"""The subcommands of `nextcloud-upgrade`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import change
import inspection
import journal
import kept
import releases
import texts
from node import Node, UpgradeProblem

USAGE = "usage: nextcloud-upgrade run|work|recover|report|plan|prune|back"
UNIT = "nextcloud-upgrade.service"
# Measured with real releases: the notice, the restart of PHP and the checks; then each release.
FIXED_SECONDS, STEP_SECONDS, BYTES_A_SECOND = 8, 10, 60_000_000


def main(arguments: list[str], node: Node | None = None) -> int:
    """Run a subcommand, and return its exit code."""
    node = node or Node()
    known = {
        "run": run, "work": work, "recover": recover, "report": report, "plan": plan,
        "prune": prune, "back": back,
    }  # fmt: skip
    if len(arguments) != 1 or arguments[0] not in known:
        print(USAGE, file=sys.stderr)
        return 2
    return known[arguments[0]](node)


@contextlib.contextmanager
def locked(node: Node) -> Iterator[None]:
    """Hold the lock of a change; a change that runs is waited for."""
    node.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (node.folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(node: Node) -> int:
    """Change the release as standard input says, also if the deploy is interrupted."""
    began = time.time()
    with locked(node):
        journal.write_json(node.request, json.load(sys.stdin))
    started = node.run(["systemctl", "start", UNIT])
    code = recover(node)
    result = read_result(node)
    if code or result is None or result["ended"] < int(began):
        if code == 0:
            print_answer("failed", texts.not_begun_text(started.tail))
        return 1
    return tell(node, result)


def tell(node: Node, result: dict[str, Any]) -> int:
    """Print a result for Ansible, and remember that people read it."""
    print_answer(result["outcome"], texts.result_text(result))
    journal.write_json(node.last, result | {"reported": True})
    # People know it now: an upgrade that was undone is no failed unit of a healthy node.
    node.run(["systemctl", "reset-failed", UNIT])
    return 0 if result["outcome"] == "done" else 1


def print_answer(outcome: str, text: str) -> None:
    """Print the outcome and its text as JSON."""
    print(json.dumps({"outcome": outcome, "text": text}))


def read_result(node: Node) -> dict[str, Any] | None:
    """Return how the last change ended; None if there was none."""
    try:
        found = json.loads(node.last.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def work(node: Node) -> int:
    """Change the release as the request says; the unit calls this."""
    with locked(node):
        if journal.load(node.journal):
            return _resume_change(node)
        request = json.loads(node.request.read_text())
        current = node.current.readlink()
        facts = releases.release_facts(current)
        version = request["installed"]
        identifier = journal.new_id(version)
        made = journal.Journal(
            state="preparing", id=identifier, began=time.time(), php=request["php"],
            old={"version": version, "path": str(current)},
            ladder=[step_of(node, item) for item in request["ladder"]], apps=request["apps"],
            database=f"nextcloud_before_{identifier}",
            folder=str(kept.copies_folder(node) / identifier),
        )  # fmt: skip
        node.log(f"from {version} ({facts.version or 'unknown release'}) to {made.target}")
        node.request.unlink()
        result = change.run_change(node, made)
        node.log(texts.result_text(result))
        return 0 if result["outcome"] == "done" else 1


def step_of(node: Node, item: dict[str, str]) -> dict[str, str]:
    """Return a release on the way with its directory, which is named as the role names it."""
    name = f"{item['version']}-{item['sha256'][:8]}"
    return {"version": item["version"], "path": str(node.root / "releases" / name)}


def recover(node: Node) -> int:
    """Finish or undo an interrupted change; without one, do nothing."""
    if not node.folder.is_dir():
        return 0
    with locked(node):
        return _resume_change(node)


def _resume_change(node: Node) -> int:
    found = None
    try:
        found = journal.load(node.journal)
        if found is None:
            change.delete_preparations(node)
            return 0
        result = change.resume(node, found)
        node.log(texts.result_text(result))
    except (UpgradeProblem, OSError, journal.UnreadableJournal) as error:
        problem = {"code": "file_failed", "data": {"message": str(error)}}
        if isinstance(error, UpgradeProblem):
            problem = {"code": error.code, "data": error.data}
        print_answer("incomplete", texts.incomplete_text(problem, found.state if found else "?"))
        return 1
    return 0


def report(node: Node) -> int:
    """Recover, and print the result of a change that no deploy has reported."""
    if code := recover(node):
        return code
    result = read_result(node)
    if result and not result["reported"]:
        tell(node, result)
    return 0


def plan(node: Node) -> int:
    """Print what the upgrade that standard input describes would do."""
    request = json.load(sys.stdin)
    target, pinned = request["ladder"][-1], set(request["apps"])
    current = {"version": target, "path": str(node.current.readlink())}
    others = [name for name in node.enabled_apps() if name not in pinned]
    needs = list(inspection.needed_room(node))
    total = sum(count for _, count in needs) + inspection.SPARE_BYTES
    last = read_result(node) or {}
    print_lines(
        texts.plan_lines(
            {
                "from": request["installed"],
                "ladder": request["ladder"],
                "apps": inspection.unready_apps(node, others, current),
                "needed_mb": total // 1_000_000,
                "free_mb": shutil.disk_usage(node.state).free // 1_000_000,
                "path": str(node.state),
                "last_down_seconds": last.get("down_seconds", 0),
                "estimated_seconds": FIXED_SECONDS
                + STEP_SECONDS * len(request["ladder"])
                + total // BYTES_A_SECOND,
                "backup": node.backup.exists(),
            }
        )
    )
    return 0


def print_lines(lines: list[str]) -> None:
    """Print lines."""
    print("\n".join(lines))


def back(node: Node) -> int:
    """Put the last safety copy back, for an operator; what people did since then is lost."""
    with locked(node):
        copies = sorted(kept.recorded_copies(node).values(), key=lambda item: int(item["time"]))
        if journal.load(node.journal) or not copies:
            print("There is no safety copy that can be restored.", file=sys.stderr)
            return 1
        made = journal.Journal(**copies[-1]["journal"])
        if not Path(made.old["path"]).is_dir():
            print(f"The release {made.old['path']} was deleted.", file=sys.stderr)
            return 1
        made.problem = {"code": "went_back", "data": {}}
        made.closed_at = time.time()
        result = change.undo(node, made)
        print(texts.result_text(result))
        return 0 if result["outcome"] == "undone" else 1


def prune(node: Node) -> int:
    """Delete safety copies that are no longer kept, and print their versions."""
    if node.folder.is_dir():
        with locked(node):
            if not journal.load(node.journal):
                print_lines(kept.prune(node))
    return 0
