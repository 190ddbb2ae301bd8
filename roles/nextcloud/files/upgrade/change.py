"""The change of release as a state machine: forward, back, and on after an interruption."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import safety_copy
from inspection import (
    check_apps,
    check_backup,
    check_room,
    inspect_ladder,
    last_object,
)
from journal import Journal, sync_folder, write_json
from kept import delete_older_copies, record_copy
from node import Node, UpgradeProblem
from releases import major

WEB_TRIES = 3
# What a release has to answer on the node; other answers than errors of the server are right.
PAGES = ("/index.php/login", "/remote.php/dav/")
MISSING = ("columns", "indices", "primary-keys")


def run_change(node: Node, journal: Journal) -> dict[str, Any]:
    """Change the release, or leave the one before in use; return the result."""
    try:
        _check_and_stage(node, journal)
    except (UpgradeProblem, OSError) as error:
        journal.problem = _error_code_and_data(error)
        return _record_result(node, journal, "refused")
    try:
        _close_to_people(node, journal)
        _make_safety_copy(node, journal)
        _switch_releases(node, journal)
        _complete_and_check_release(node, journal)
    except (UpgradeProblem, OSError) as error:
        journal.problem = _error_code_and_data(error)
        node.log(f"undo: {journal.problem}")
        return undo(node, journal)
    return finish(node, journal)


def resume(node: Node, journal: Journal) -> dict[str, Any]:
    """Decide what becomes of an interrupted change: finish it or undo it."""
    if journal.state == "undone":
        return _delete_restored_copy(node, journal)
    if not journal.problem and journal.state != "good":
        journal.problem = {"code": "interrupted", "data": {"state": journal.state}}
    node.wait_for_database()
    if journal.state == "good":
        node.reload_php(journal.php)
        return finish(node, journal)
    return undo(node, journal)


def _error_code_and_data(error: UpgradeProblem | OSError) -> dict[str, Any]:
    if isinstance(error, UpgradeProblem):
        return {"code": error.code, "data": error.data}
    return {"code": "file_failed", "data": {"message": str(error)}}


def _check_and_stage(node: Node, journal: Journal) -> None:
    """Answer all questions, before anything changes and before there is a journal."""
    inspect_ladder(node, journal.old, journal.ladder)
    if not _changes_data(journal):
        journal.apps = []
    else:
        stage_apps(node, journal)
        journal.enabled = node.enabled_apps()
        if major(journal.old["version"]) != major(journal.target["version"]):
            check_apps(node, list(journal.enabled), journal.target)
    check_room(node)
    safety_copy.reserve_room(node)
    if _changes_data(journal):
        check_backup(node)


def stage_apps(node: Node, journal: Journal) -> None:
    """Unpack the newer code of installed apps aside; an app without it keeps its code."""
    safety_copy.delete_tree(node.staged_apps)
    node.staged_apps.mkdir(mode=0o755)
    staged = []
    for app in journal.apps:
        if not (node.apps / app["name"]).is_dir():
            continue
        found = node.run(
            [str(node.libexec / "nextcloud-app"), app["name"], app["sha256"], app["archive"],
             str(node.staged_apps)]
        )  # fmt: skip
        if found.code:
            node.log(f"app {app['name']}: {found.tail}")
        else:
            staged.append(app)
    journal.apps = staged


def _changes_data(journal: Journal) -> bool:
    """Return whether the version changes; otherwise a broken copy of a release is replaced."""
    return journal.old["version"] != journal.target["version"]


def _close_to_people(node: Node, journal: Journal) -> None:
    """Show the notice, stop background jobs and finish requests."""
    journal.closed_at = time.time()
    journal.advance(node.journal, "closing")
    write_notice(node, journal)
    node.stop_jobs()
    node.reload_php(journal.php)


def write_notice(node: Node, journal: Journal) -> None:
    """Let nginx answer with the notice."""
    node.notice.write_text(f"{Path(journal.target['path']).name}\n")
    node.notice.chmod(0o644)


def _make_safety_copy(node: Node, journal: Journal) -> None:
    """Make the safety copy. The settings come first: in them, maintenance mode is off."""
    journal.advance(node.journal, "copying")
    safety_copy.copy_config(node, journal)
    set_maintenance(node, on=True)
    safety_copy.copy_database(node, journal)
    safety_copy.copy_appdata(node, journal)


def set_maintenance(node: Node, *, on: bool) -> None:
    """Switch maintenance mode in the settings, without the code of any release."""
    script = node.libexec / "nextcloud-maintenance"
    node.must_run(
        ["runuser", "-u", "www-data", "--", "php", "-f", str(script), "on" if on else "off"],
        "maintenance_failed",
    )


def _switch_releases(node: Node, journal: Journal) -> None:
    """Climb the ladder: link, migration; the newer code of apps belongs to the last release."""
    journal.advance(node.journal, "switching")
    for step in journal.ladder:
        began = time.monotonic()
        link_release(node, step["path"])
        if step is journal.ladder[-1]:
            safety_copy.swap_apps(node, journal)
        _upgrade_database(node, step)
        journal.steps.append(
            {"version": step["version"], "seconds": round(time.monotonic() - began, 1)}
        )
        journal.save(node.journal)


def link_release(node: Node, path: str) -> None:
    """Point the link to a release."""
    new = node.root / ".current.new"
    new.unlink(missing_ok=True)
    new.symlink_to(path)
    new.replace(node.current)
    sync_folder(node.root)


def _upgrade_database(node: Node, step: dict[str, str]) -> None:
    status = _occ_status(node, step)
    if not status.get("needsDbUpgrade"):
        return
    found = node.occ(step["path"], "upgrade", "--no-interaction")
    if found.code:
        raise UpgradeProblem(
            "migration_failed", version=step["version"], status=found.code, message=found.tail
        )
    if _occ_status(node, step).get("needsDbUpgrade"):
        raise UpgradeProblem(
            "migration_failed", version=step["version"], status=0, message=found.tail
        )


def _occ_status(node: Node, step: dict[str, str]) -> dict[str, Any]:
    found = node.occ(step["path"], "status", "--output=json")
    answer = last_object(found.output)
    if found.code or answer is None:
        raise UpgradeProblem("release_silent", version=step["version"], message=found.tail)
    return answer


def _complete_and_check_release(node: Node, journal: Journal) -> None:
    """Complete the tables and apps, and ask the release before people reach it."""
    journal.advance(node.journal, "proving")
    set_maintenance(node, on=False)
    path, version = journal.target["path"], journal.target["version"]
    if _changes_data(journal):
        _enable_apps(node, journal)
        for kind in MISSING:
            found = node.occ(path, f"db:add-missing-{kind}", "--no-interaction")
            if found.code:
                raise UpgradeProblem("indices_failed", kind=kind, message=found.tail)
    status = _occ_status(node, journal.target)
    if status.get("maintenance") or status.get("needsDbUpgrade"):
        raise UpgradeProblem("release_unfinished", version=version, status=status)
    node.reload_php(journal.php)
    check_pages(node, journal.target)


def _enable_apps(node: Node, journal: Journal) -> None:
    """Enable the apps that a release on the way disabled, for the same groups as before."""
    now = node.enabled_apps()
    path = Path(journal.target["path"])
    for name, value in journal.enabled.items():
        present = (path / "apps" / name).is_dir() or (node.apps / name).is_dir()
        if name in now or not present:
            continue
        groups = [f"--groups={group}" for group in groups_of(value)]
        found = node.occ(str(path), "app:enable", *groups, name)
        if found.code:
            raise UpgradeProblem("app_failed", app=name, message=found.tail)
    journal.lost_apps = sorted(set(journal.enabled) - set(node.enabled_apps()))


def groups_of(value: str) -> list[str]:
    """Return the groups in the value of an enabled app; none for everyone."""
    try:
        found = json.loads(value)
    except ValueError:
        return []
    return [str(item) for item in found] if isinstance(found, list) else []


def check_pages(node: Node, release: dict[str, str]) -> None:
    """Request pages from PHP-FPM, which nginx does not pass on yet."""
    answer = node.fetch(release["path"], "/status.php")
    state = last_object(answer.body) or {}
    if (
        answer.status != 200 or state.get("maintenance") or state.get("needsDbUpgrade")
        or state.get("versionstring") != release["version"]
    ):  # fmt: skip
        raise UpgradeProblem(
            "page_failed", path="/status.php", status=answer.status, message=answer.body[-300:]
        )
    for path in PAGES:
        answer = node.fetch(release["path"], path)
        if not 200 <= answer.status < 500:
            raise UpgradeProblem(
                "page_failed", path=path, status=answer.status, message=answer.body[-300:]
            )


def finish(node: Node, journal: Journal) -> dict[str, Any]:
    """End with the new release: it has proven itself."""
    if journal.state != "good":
        journal.advance(node.journal, "good")
    record_copy(node, journal)
    _reopen_to_people(node)
    delete_older_copies(node, journal.id)
    return _record_result(node, journal, "done")


def undo(node: Node, journal: Journal) -> dict[str, Any]:
    """End with the release before and everything that belonged to it.

    Nothing here runs the code of a release: neither may work.

    Raises:
        UpgradeProblem: when a step failed; the notice stays, and the next start tries again.
    """
    node.reserve.unlink(missing_ok=True)
    journal.advance(node.journal, "undoing")
    write_notice(node, journal)
    node.stop_jobs()
    link_release(node, journal.old["path"])
    safety_copy.restore_database(node, journal)
    safety_copy.restore_appdata(node, journal)
    safety_copy.restore_apps(node, journal)
    safety_copy.restore_config(node, journal)
    journal.old_works = _old_release_works(node, journal)
    _reopen_to_people(node)
    # From here on the copy may be incomplete, so that it is not put back again.
    journal.advance(node.journal, "undone")
    return _delete_restored_copy(node, journal)


def _delete_restored_copy(node: Node, journal: Journal) -> dict[str, Any]:
    """Delete what is left of a safety copy that was put back."""
    data = safety_copy.data_copies_folder(node, journal)
    safety_copy.delete_copy(node, Path(journal.folder), "", [data])
    return _record_result(node, journal, "undone" if journal.old_works else "undone_broken")


def _old_release_works(node: Node, journal: Journal) -> bool:
    node.reload_php(journal.php)
    try:
        check_pages(node, journal.old)
    except UpgradeProblem as problem:
        node.log(f"the release before: {problem.code} {problem.data}")
        return False
    return True


def _reopen_to_people(node: Node) -> None:
    """Let people in again."""
    node.notice.unlink(missing_ok=True)
    node.start_jobs()


def _record_result(node: Node, journal: Journal, outcome: str) -> dict[str, Any]:
    """Keep the result; without its journal, the change is over."""
    now = time.time()
    down = round(now - journal.closed_at, 1) if journal.closed_at else 0.0
    result = {
        "format": 1, "outcome": outcome, "from": journal.old["version"],
        "to": journal.target["version"], "began": int(journal.began), "ended": int(now),
        "down_seconds": down, "steps": journal.steps, "problem": journal.problem,
        "lost_apps": journal.lost_apps,
        "reported": False,
    }  # fmt: skip
    delete_preparations(node)
    write_json(node.last, result)
    node.journal.unlink(missing_ok=True)
    sync_folder(node.folder)
    return result


def delete_preparations(node: Node) -> None:
    """Delete what was made before the journal, and what is not needed after it."""
    safety_copy.delete_tree(node.staged_apps)
    node.reserve.unlink(missing_ok=True)
